import type { V1Node, V1Service } from '@kubernetes/client-node';
import { type Endpoint, MAX_ENDPOINTS_PER_SHARD, MAX_RECORD_BYTES, type MetaRecord, type RecordBody, recordKey, type ServicePort, type ServiceRecord } from '@landbridge/core/records.ts';
import { isOurs, keyOf, type ServiceExport } from '../kubernetes/types.ts';
import { exportedMetadata } from './exported-metadata.ts';
import { type LocalEndpoint, type LocalService, takesHbone } from './local-endpoints.ts';

/** What a record has besides its endpoints: names, version and signature. */
const ENVELOPE_BYTES = 2048;
/** Limits of core/records.ts that Kubernetes does not have. A record beyond them would make peers refuse the whole cluster. */
const MAX_PORTS = 256;
const MAX_TEXT = 63;

/** Whether an export stands, for its condition `Valid` (KEP-1645). */
export type ExportValidity = { readonly valid: true } | { readonly valid: false; readonly reason: 'NoService' | 'InvalidServiceType'; readonly message: string };

export interface ExportedService {
  readonly record: ServiceRecord;
  readonly endpoints: readonly Endpoint[];
}

export function exportValidity(local: LocalService | undefined): ExportValidity {
  if (local === undefined || isOurs(local.service)) return { valid: false, reason: 'NoService', message: 'there is no Service of this name' };
  if (local.service.spec?.type === 'ExternalName') return { valid: false, reason: 'InvalidServiceType', message: 'a Service of type ExternalName can not be exported' };
  return { valid: true };
}

/** What this cluster exports, by `<namespace>/<name>`. */
export function exportedServices(exports: readonly ServiceExport[], services: ReadonlyMap<string, LocalService>, nodes: readonly V1Node[]): ReadonlyMap<string, ExportedService> {
  const nodesByName = new Map(nodes.map((node) => [node.metadata?.name ?? '', node]));
  const exported = new Map<string, ExportedService>();
  for (const serviceExport of exports) {
    const key = keyOf(serviceExport);
    const made = exportedService(serviceExport, services.get(key), (name) => nodesByName.get(name));
    if (made !== undefined) exported.set(key, made);
  }
  return exported;
}

/** One export as others are told of it; nothing where it does not stand. */
export function exportedService(serviceExport: ServiceExport, local: LocalService | undefined, nodeOf: NodeOf): ExportedService | undefined {
  if (local === undefined || !exportValidity(local).valid || serviceExport.metadata?.deletionTimestamp !== undefined) return undefined;
  return { record: serviceRecord(serviceExport, local.service), endpoints: local.endpoints.filter(({ pod }) => pod !== undefined).map((endpoint) => exportedEndpoint(endpoint, nodeOf)) };
}

type NodeOf = (name: string) => V1Node | undefined;

/** An export that stays the same object is divided into records once, which stay the same objects too. */
const recordsOf = new WeakMap<ExportedService, readonly RecordBody[]>();

/** The records of a cluster by their keys: for each export one `svc` and as many `eps` as its endpoints need. */
export function exportRecords(exported: ReadonlyMap<string, ExportedService>, meta: Omit<MetaRecord, 'kind'>): ReadonlyMap<string, RecordBody> {
  const records: RecordBody[] = [{ kind: 'meta', ...meta }];
  for (const each of exported.values()) {
    let own = recordsOf.get(each);
    if (own === undefined) recordsOf.set(each, (own = serviceRecords(each)));
    records.push(...own);
  }
  return new Map(records.map((record) => [recordKey(record), record]));
}

function serviceRecords({ record, endpoints }: ExportedService): readonly RecordBody[] {
  // Sorted, so that an endpoint stays in its shard while others come and go behind it.
  const sorted = [...endpoints].sort((a, b) => (a.workload < b.workload ? -1 : 1));
  const { namespace, name } = record;
  return [record, ...shardsOf(sorted).map((part, shard): RecordBody => ({ kind: 'eps', namespace, name, shard, endpoints: part }))];
}

/** At least one shard, none with too many endpoints or bytes for a record. */
function shardsOf(endpoints: readonly Endpoint[]): Endpoint[][] {
  let last: Endpoint[] = [];
  let bytes = ENVELOPE_BYTES;
  const shards = [last];
  for (const endpoint of endpoints) {
    const length = Buffer.byteLength(JSON.stringify(endpoint)) + 1;
    if (last.length === MAX_ENDPOINTS_PER_SHARD || bytes + length > MAX_RECORD_BYTES) {
      shards.push((last = []));
      bytes = ENVELOPE_BYTES;
    }
    last.push(endpoint);
    bytes += length;
  }
  return shards;
}

function serviceRecord(serviceExport: ServiceExport, { metadata, spec }: V1Service): ServiceRecord {
  const affinity = spec?.sessionAffinity === 'ClientIP' ? 'ClientIP' : 'None';
  const timeout = spec?.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  return {
    kind: 'svc',
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    exportedAt: new Date(serviceExport.metadata?.creationTimestamp ?? 0).getTime(),
    type: spec?.clusterIP === 'None' ? 'Headless' : 'ClusterSetIP',
    ports: (spec?.ports ?? []).filter(({ port }) => port !== undefined).slice(0, MAX_PORTS).map((port): ServicePort => ({
      name: port.name ?? '',
      protocol: (port.protocol ?? 'TCP') as ServicePort['protocol'],
      port: port.port,
      ...(port.appProtocol === undefined || port.appProtocol.length > MAX_TEXT ? {} : { appProtocol: port.appProtocol }),
    })),
    sessionAffinity: affinity,
    ...(affinity === 'ClientIP' && timeout !== undefined ? { sessionAffinityTimeoutSeconds: timeout } : {}),
    ipFamilies: (spec?.ipFamilies ?? ['IPv4']).filter((family) => family === 'IPv4' || family === 'IPv6'),
    ...(spec?.internalTrafficPolicy === 'Local' || spec?.internalTrafficPolicy === 'Cluster' ? { internalTrafficPolicy: spec.internalTrafficPolicy } : {}),
    ...(spec?.trafficDistribution === undefined ? {} : { trafficDistribution: spec.trafficDistribution }),
    ...exportedMetadata(serviceExport).record,
  };
}

function exportedEndpoint(endpoint: LocalEndpoint, nodeOf: NodeOf): Endpoint {
  const { pod } = endpoint;
  const node = endpoint.node ?? pod?.spec?.nodeName ?? '';
  const labels = nodeOf(node)?.metadata?.labels;
  return {
    workload: pod?.metadata?.name ?? endpoint.addresses.join(),
    addresses: [...endpoint.addresses],
    ports: endpoint.ports.slice(0, MAX_PORTS).map(({ name, protocol, port }) => ({ name, protocol: protocol as ServicePort['protocol'], port })),
    ready: endpoint.ready,
    serving: endpoint.serving,
    terminating: endpoint.terminating,
    serviceAccount: pod?.spec?.serviceAccountName ?? 'default',
    tunnel: takesHbone(pod) ? 'hbone' : 'none',
    node,
    region: labels?.['topology.kubernetes.io/region'] ?? '',
    zone: endpoint.zone ?? labels?.['topology.kubernetes.io/zone'] ?? '',
    ...(endpoint.hostname === undefined ? {} : { hostname: endpoint.hostname }),
  };
}
