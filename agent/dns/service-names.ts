/** Names below `svc.<domain>` (Kubernetes DNS specification 1.1.0, section 2; MCS DNS specification 1.0.0, section 2). */

/** What a name stands for, with the hostname of the service that it belongs to. */
export type ServiceName = { readonly host: string } & (
  | { readonly kind: 'service' }
  /** `_<port>._<protocol>.<service>…`, for SRV. */
  | { readonly kind: 'port'; readonly port: string; readonly protocol: string }
  /** `_<protocol>.<service>…`: nothing but the end of others. */
  | { readonly kind: 'protocol'; readonly protocol: string }
  /** `<hostname>.<service>…` in a cluster, `<hostname>.<cluster>.<service>…` in the clusterset. */
  | { readonly kind: 'endpoint'; readonly hostname: string; readonly cluster: string | undefined }
);

/** Undefined for what can be no service's name. `name` is in lower case. */
export function parseServiceName(name: string, domain: string, isClusterset: boolean): ServiceName | undefined {
  const suffix = `.svc.${domain}`;
  if (!name.endsWith(suffix)) return undefined;
  const labels = name.slice(0, -suffix.length).split('.');
  if (labels.length < 2 || labels.length > 4) return undefined;
  const host = `${labels.slice(-2).join('.')}${suffix}`;
  const [first = '', second] = labels.slice(0, -2);
  if (labels.length === 2) return { kind: 'service', host };
  if (second === undefined) {
    if (first.startsWith('_')) return { kind: 'protocol', host, protocol: first.slice(1) };
    // Nothing may tell one cluster's part of a service (MCS DNS specification, 2.3.4 and 2.4.4).
    return isClusterset ? undefined : { kind: 'endpoint', host, hostname: first, cluster: undefined };
  }
  if (first.startsWith('_') && second.startsWith('_')) return { kind: 'port', host, port: first.slice(1), protocol: second.slice(1) };
  return isClusterset && !first.startsWith('_') && !second.startsWith('_') ? { kind: 'endpoint', host, hostname: first, cluster: second } : undefined;
}
