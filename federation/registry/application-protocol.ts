/** What is spoken at a port, as far as the workload API has a word for it. */
export type ApplicationProtocol = 'unknown' | 'http1' | 'http2' | 'grpc' | 'tcp' | 'tls';

/** KEP-1040's appProtocol: names of IANA, and Kubernetes' own. */
const BY_PROTOCOL: Readonly<Record<string, ApplicationProtocol>> = {
  http: 'http1',
  https: 'tls',
  tls: 'tls',
  http2: 'http2',
  h2c: 'http2',
  'kubernetes.io/h2c': 'http2',
  'kubernetes.io/ws': 'http1',
  'kubernetes.io/wss': 'tls',
  grpc: 'grpc',
  tcp: 'tcp',
};

/** By what the port says, else by its name up to the first `-`, as Istio reads names. */
export function applicationProtocol({ appProtocol, name = '' }: { readonly appProtocol?: string | undefined; readonly name?: string }): ApplicationProtocol {
  const word = (appProtocol ?? name.split('-', 1)[0] ?? '').toLowerCase();
  return Object.hasOwn(BY_PROTOCOL, word) ? (BY_PROTOCOL[word] ?? 'unknown') : 'unknown';
}
