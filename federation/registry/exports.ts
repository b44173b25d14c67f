import type { V1Node, V1Service } from '@kubernetes/client-node';
import { type Endpoint, MAX_ENDPOINTS_PER_SHARD, type RecordBody, recordKey, type ServicePort, type ServiceRecord } from '@landbridge/core/records.ts';
import { isOurs, keyOf, type ServiceExport } from '../kubernetes/types.ts';
import { type LocalEndpoint, type LocalService, takesHbone } from './local-endpoints.ts';

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
    const local = services.get(key);
    if (local === undefined || !exportValidity(local).valid || serviceExport.metadata?.deletionTimestamp !== undefined) continue;
    exported.set(key, { record: serviceRecord(serviceExport, local.service), endpoints: local.endpoints.filter(({ pod }) => pod !== undefined).map((endpoint) => exportedEndpoint(endpoint, nodesByName)) });
  }
  return exported;
}

/** The records of a cluster by their keys: for each export one `svc` and as many `eps` as its endpoints need. */
export function exportRecords(exported: ReadonlyMap<string, ExportedService>, meta: { readonly trustDomain: string; readonly network: string; readonly version: string }): ReadonlyMap<string, RecordBody> {
  const records: RecordBody[] = [{ kind: 'meta', ...meta }];
  for (const { record, endpoints } of exported.values()) {
    records.push(record);
    // Sorted, so that an endpoint stays in its shard while others come and go behind it.
    const sorted = [...endpoints].sort((a, b) => (a.workload < b.workload ? -1 : 1));
    const { namespace, name } = record;
    for (let shard = 0; shard === 0 || shard * MAX_ENDPOINTS_PER_SHARD < sorted.length; shard++) {
      records.push({ kind: 'eps', namespace, name, shard, endpoints: sorted.slice(shard * MAX_ENDPOINTS_PER_SHARD, (shard + 1) * MAX_ENDPOINTS_PER_SHARD) });
    }
  }
  return new Map(records.map((record) => [recordKey(record), record]));
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
    ports: (spec?.ports ?? []).map((port): ServicePort => ({
      name: port.name ?? '',
      protocol: (port.protocol ?? 'TCP') as ServicePort['protocol'],
      port: port.port,
      ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
    })),
    sessionAffinity: affinity,
    ...(affinity === 'ClientIP' && timeout !== undefined ? { sessionAffinityTimeoutSeconds: timeout } : {}),
    ipFamilies: (spec?.ipFamilies ?? ['IPv4']).filter((family) => family === 'IPv4' || family === 'IPv6'),
    ...(spec?.internalTrafficPolicy === 'Local' || spec?.internalTrafficPolicy === 'Cluster' ? { internalTrafficPolicy: spec.internalTrafficPolicy } : {}),
    ...(spec?.trafficDistribution === undefined ? {} : { trafficDistribution: spec.trafficDistribution }),
  };
}

function exportedEndpoint(endpoint: LocalEndpoint, nodes: ReadonlyMap<string, V1Node>): Endpoint {
  const { pod } = endpoint;
  const node = endpoint.node ?? pod?.spec?.nodeName ?? '';
  const labels = nodes.get(node)?.metadata?.labels;
  return {
    workload: pod?.metadata?.name ?? endpoint.addresses.join(),
    addresses: [...endpoint.addresses],
    ports: endpoint.ports.map(({ name, protocol, port }) => ({ name, protocol: protocol as ServicePort['protocol'], port })),
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
