import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import type { EntryEndpoint } from '../entries/entry-endpoint.ts';
import type { EntryMetadata } from '../entries/entry-metadata.ts';
import type { WorkloadEntry } from '../entries/workload-entry.ts';
import { canonicalNames } from '../registry/workload-names.ts';
import { workloadEntryUid } from './resource-names.ts';
import type { ClusterIdentity } from './service.ts';
import type { Workload } from './workload.ts';

/** Protocols by which something takes tunnels itself, with commas between them. */
const TUNNEL_LABEL = 'networking.istio.io/tunnel';
const TUNNEL = 'http';
const GROUP_ANNOTATION = 'istio.io/autoRegistrationGroup';
const WORKLOAD_LABEL = 'service.istio.io/workload-name';

/** Of an endpoint as of a thing outside of the cluster's pods: it has no tunnel unless its object says so, and no node. */
export function entryWorkload(uid: string, { namespace, name, labels, annotations }: EntryMetadata, endpoint: EntryEndpoint, isHealthy: boolean, workloadName: string, { cluster, trustDomain, network }: ClusterIdentity, authorizationPolicies: readonly string[]): Workload {
  const nativeTunnel = labels[TUNNEL_LABEL]?.split(',').includes(TUNNEL) === true;
  return {
    uid,
    name,
    namespace,
    addresses: endpoint.address === undefined ? [] : [endpoint.address],
    hostname: endpoint.hostname,
    network: endpoint.network || network,
    tunnel: nativeTunnel || annotations[REDIRECTION_ANNOTATION] === 'enabled',
    nativeTunnel,
    trustDomain,
    serviceAccount: endpoint.serviceAccount,
    node: '',
    cluster,
    hostNetwork: false,
    healthy: isHealthy,
    locality: endpoint.locality,
    capacity: endpoint.weight,
    authorizationPolicies,
    workloadType: 'pod',
    workloadName,
    ...canonicalNames(labels, workloadName),
  };
}

export function workloadEntryWorkload(entry: WorkloadEntry, identity: ClusterIdentity, authorizationPolicies: readonly string[]): Workload {
  const { namespace, name, labels, annotations } = entry;
  return entryWorkload(workloadEntryUid(identity.cluster, namespace, name), entry, entry.endpoint, entry.isHealthy, annotations[GROUP_ANNOTATION] ?? labels[WORKLOAD_LABEL] ?? name, identity, authorizationPolicies);
}
