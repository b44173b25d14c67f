import type { V1Pod } from '@kubernetes/client-node';
import { takesHbone } from '../registry/local-endpoints.ts';
import type { Locality } from '../registry/placement.ts';
import { workloadNames } from '../registry/workload-names.ts';
import { podUid } from './resource-names.ts';
import type { ClusterIdentity } from './service.ts';
import type { Workload } from './workload.ts';

/** What a pod of this cluster is to agents; nothing before it has an address, and after it has ended. */
export function podWorkload(pod: V1Pod, { cluster, trustDomain, network }: ClusterIdentity, locality: Locality, authorizationPolicies: readonly string[]): Workload | undefined {
  const { metadata, spec } = pod;
  const addresses = podAddresses(pod);
  if (addresses.length === 0) return undefined;
  const { namespace = '', name = '' } = metadata ?? {};
  return {
    uid: podUid(cluster, namespace, name),
    name,
    namespace,
    addresses,
    hostname: '',
    network,
    tunnel: takesHbone(pod),
    trustDomain,
    serviceAccount: spec?.serviceAccountName ?? 'default',
    node: spec?.nodeName ?? '',
    cluster,
    hostNetwork: spec?.hostNetwork === true,
    healthy: isPodReady(pod),
    locality,
    capacity: undefined,
    authorizationPolicies,
    ...workloadNames(pod),
  };
}

/** None before it has any, and after it has ended. */
export function podAddresses({ status }: V1Pod): readonly string[] {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return [];
  return (status?.podIPs ?? []).map(({ ip }) => ip).filter((ip) => ip !== undefined);
}

export function isPodReady({ status }: V1Pod): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;
}
