/** A mesh with names, and questions about it, for tests. */
import { Buffer } from 'node:buffer';
import type { DNS_TYPE } from '@landbridge/wire/dns-message.ts';
import { type ExampleEdns, exampleQueryBytes } from '@landbridge/wire/example-dns.ts';
import { type Answer, decode } from 'dns-packet';
import type { Registry } from '../discovery/registry.ts';
import { registryOf, serviceOf, workloadOf } from '../discovery/test-resources.ts';
import type { Service, Workload } from '../discovery/wds-address.ts';
import type { EndpointName, NamedPort } from '../discovery/wds-names.ts';
import type { PodDns } from '../pods/pod-dns.ts';
import { answeringResolver } from './answering-resolver.ts';
import type { DnsClient } from './dns-resolver.ts';

export const HTTP: NamedPort = { name: 'http', protocol: 'tcp', port: 80 };
export const DNS: NamedPort = { name: 'dns', protocol: 'udp', port: 53 };

/** A service of namespace shop with addresses, or of other resources; named as our control plane does it. */
export function namedService(name: string, zone: 'cluster.local' | 'clusterset.local', over: Partial<Service> = {}): Service {
  const namespace = over.namespace ?? 'shop';
  return serviceOf(name, { namespace, hostname: `${name}.${namespace}.svc.${zone}`, names: { headless: false, ports: [HTTP, DNS] }, ...over });
}

export const headlessService = (name: string, zone: 'cluster.local' | 'clusterset.local', over: Partial<Service> = {}): Service => namedService(name, zone, { names: { headless: true, ports: [HTTP] }, ...over });

/** A pod of namespace shop that is a ready endpoint of headless services. */
export function namedEndpoint(cluster: string, name: string, addresses: readonly string[], services: readonly Service[], over: Partial<EndpointName> = {}, workload: Partial<Workload> = {}): Workload {
  const endpoint: EndpointName = { hostname: '', ipv4: true, ipv6: true, ports: [{ ...HTTP, port: 8080 }], ...over };
  return workloadOf(0, { uid: `${cluster}//Pod/shop/${name}`, name, namespace: 'shop', cluster, addresses: addresses.map((ip) => `/${ip}`), names: new Map(services.map(({ key }) => [key, endpoint])), ...workload });
}

export interface Asking {
  readonly type?: keyof typeof DNS_TYPE | number;
  readonly edns?: ExampleEdns;
  readonly transport?: 'udp' | 'tcp';
  readonly namespace?: string;
  readonly dns?: PodDns;
  readonly isReady?: boolean;
  readonly network?: string;
  readonly clusterDomain?: string;
}

/** The bytes of an answer, or what became of the question. */
export function askBytes(registry: Registry, query: Uint8Array, { transport = 'udp', namespace = 'shop', dns, isReady = true, network = '', clusterDomain = 'cluster.local' }: Asking = {}): Uint8Array | 'forward' | 'drop' {
  const client: DnsClient = { uid: 'u', namespace, name: 'web', serviceAccount: 'web', addresses: ['10.1.9.9'], ...(dns === undefined ? {} : { dns }) };
  const outcome = answeringResolver({ registry, isReady }, { clusterDomain, network, random: () => 0.5 })(query, client, transport);
  return outcome.kind === 'answer' ? outcome.message : outcome.kind;
}

/** The answer in one line: `<code>: <records>`, sorted, with `+` before those that are additional. */
export function ask(resources: Registry | readonly (Workload | Service)[], name: string, asking: Asking = {}): string {
  const answer = askBytes('workload' in resources ? resources : registryOf(...resources), exampleQueryBytes(name, asking.type, asking.edns), asking);
  if (typeof answer === 'string') return answer;
  const message = decode(Buffer.from(answer)) as ReturnType<typeof decode> & { readonly rcode: string };
  const shown = (records: readonly Answer[] = []): string[] => records.filter(({ type }) => type !== 'OPT').map((record) => shownRecord(record, name));
  const parts = [...shown(message.answers).sort(), ...(message.authorities ?? []).map((record) => `zone ${record.name}`), ...shown(message.additionals).sort().map((text) => `+${text}`)];
  return `${message.rcode}${message.flag_tc ? ' (truncated)' : ''}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`;
}

function shownRecord(record: Answer, asked: string): string {
  const data = 'data' in record ? record.data : undefined;
  const text = record.type === 'SRV' ? `${record.data.port} ${record.data.target}` : record.type === 'TXT' ? String(record.data) : record.type === 'HINFO' ? record.data.cpu : String(data);
  return `${record.name === asked ? '' : `${record.name} `}${record.type} ${text}`;
}
