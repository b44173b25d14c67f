import type { V1Container, V1Pod } from '@kubernetes/client-node';
import { NO_TRAFFIC_POLICY } from '@landbridge/core/route-plan.ts';
import type { EntryEndpoint } from '../entries/entry-endpoint.ts';
import type { EntryHost } from '../entries/entry-hosts.ts';
import { type EntryPort, isWildcard } from '../entries/service-entry.ts';
import type { WorkloadEntry } from '../entries/workload-entry.ts';
import { applicationProtocol } from '../registry/application-protocol.ts';
import { NOWHERE } from '../registry/placement.ts';
import { usableEndpoints } from '../registry/usable-endpoints.ts';
import type { PoliciesOf } from './address-resources.ts';
import { entryWorkload } from './entry-workload.ts';
import { isPodReady, podAddresses } from './pod-workload.ts';
import { podUid, serviceEntryUid, workloadEntryUid } from './resource-names.ts';
import type { ClusterIdentity, MeshEndpoint, MeshPort, MeshService } from './service.ts';
import type { ServingPort } from './workload.ts';

/** What is to be known besides the host. */
export interface EntryContext extends ClusterIdentity {
  readonly pod: (key: string) => V1Pod | undefined;
  readonly workloadEntry: (key: string) => WorkloadEntry | undefined;
  /** Whether no node, and no Service of another namespace, has an address. */
  readonly isFree: (address: string, namespace: string) => boolean;
  readonly policiesOf: PoliciesOf;
}

/** A host of a ServiceEntry, with what stands behind it: its own endpoints, and pods and WorkloadEntries that it selects. */
export function entryMeshService(host: EntryHost, context: EntryContext): MeshService {
  const { entry, hostname } = host;
  const { namespace, name } = entry;
  const addresses = hostAddresses(host).filter((address) => context.isFree(address, namespace));
  const { ranges } = entry;
  const endpoints = new Map<string, MeshEndpoint>([...ownEndpoints(host, context), ...podEndpoints(host, context), ...workloadEndpoints(host, context)]);
  return {
    namespace,
    name,
    hostname,
    addresses,
    ranges,
    ports: entry.ports.map(meshPort),
    headless: addresses.length === 0 && ranges.length === 0,
    families: [],
    loadBalancing: entry.loadBalancing,
    // Istio has them said by DestinationRules.
    traffic: NO_TRAFFIC_POLICY,
    canonical: host.isCanonical,
    visibility: entry.isPublic ? 'public' : 'namespace',
    subjectAltNames: entry.subjectAltNames,
    endpoints,
  };
}

/** Its own, or those that were found for it. One name for many has none of these: nobody would know which was meant. */
export function hostAddresses({ entry, hostname }: EntryHost): readonly string[] {
  if (!entry.isAllocated) return entry.addresses;
  return isWildcard(hostname) ? [] : (entry.allocated.get(hostname) ?? []);
}

const meshPort = ({ number, name, protocol }: EntryPort): MeshPort => ({ name, protocol: protocol === 'UDP' ? 'UDP' : 'TCP', port: number, appProtocol: protocol.toLowerCase() });

/** The ports of an endpoint that has its own under the same names. */
function portsAt(ports: readonly EntryPort[], targetOf: (name: string) => number | undefined): readonly ServingPort[] {
  const tcp = ports.filter(({ protocol }) => protocol !== 'UDP');
  return tcp.map(({ number, name, protocol, target }) => ({ port: number, target: targetOf(name) ?? target, protocol: applicationProtocol({ appProtocol: protocol }) })).sort((a, b) => a.port - b.port);
}

function ownEndpoints({ entry, hostname }: EntryHost, { policiesOf, ...identity }: EntryContext): [string, MeshEndpoint][] {
  const { namespace, name, ports, labels, areHostsEndpoints } = entry;
  const endpoints = !areHostsEndpoints ? entry.endpoints : isWildcard(hostname) ? [] : [hostEndpoint(hostname)];
  if (endpoints.length === 0) return [];
  const policies = policiesOf(namespace, labels);
  const seen = new Map<string, number>();
  return endpoints.map((endpoint) => {
    const address = endpoint.address ?? (endpoint.hostname || endpoint.network);
    const count = seen.get(address) ?? 0;
    seen.set(address, count + 1);
    // The same address at another port is another endpoint.
    const uid = serviceEntryUid(identity.cluster, namespace, name, count === 0 ? address : `${address}/${count}`);
    return [uid, { workload: entryWorkload(uid, entry, endpoint, true, name, identity, policies), ports: portsAt(ports, (port) => endpoint.ports.get(port)), isUsable: true, name: undefined }];
  });
}

const hostEndpoint = (hostname: string): EntryEndpoint => ({ address: undefined, hostname, ports: new Map(), labels: {}, network: '', locality: NOWHERE, serviceAccount: '', weight: undefined });

function podEndpoints({ entry, pods }: EntryHost, { cluster, pod: podOf }: EntryContext): [string, MeshEndpoint][] {
  const states = pods.flatMap((key) => {
    const pod = podOf(key);
    if (pod === undefined || podAddresses(pod).length === 0) return [];
    const isReady = isPodReady(pod);
    const terminating = pod.metadata?.deletionTimestamp !== undefined;
    return [{ pod, ready: isReady && !terminating, serving: isReady, terminating }];
  });
  const usable = new Set(usableEndpoints(states));
  return states.map((state) => {
    const uid = podUid(cluster, state.pod.metadata?.namespace ?? '', state.pod.metadata?.name ?? '');
    return [uid, { workload: undefined, ports: portsAt(entry.ports, (name) => containerPort(state.pod, name)), isUsable: usable.has(state), name: undefined }];
  });
}

/** Of a pod's containers, and of init containers that go on running, as istiod finds it (FindPortName). */
function containerPort({ spec }: V1Pod, name: string): number | undefined {
  if (name === '') return undefined;
  const running: readonly Pick<V1Container, 'ports'>[] = [...(spec?.containers ?? []), ...(spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')];
  return running.flatMap(({ ports }) => ports ?? []).find((port) => port.name === name && (port.protocol ?? 'TCP') === 'TCP')?.containerPort;
}

function workloadEndpoints({ entry, workloadEntries }: EntryHost, { cluster, workloadEntry }: EntryContext): [string, MeshEndpoint][] {
  return workloadEntries.flatMap((key): [string, MeshEndpoint][] => {
    const workload = workloadEntry(key);
    if (workload === undefined) return [];
    const { namespace, name, endpoint, isHealthy } = workload;
    return [[workloadEntryUid(cluster, namespace, name), { workload: undefined, ports: portsAt(entry.ports, (port) => endpoint.ports.get(port)), isUsable: isHealthy, name: undefined }]];
  });
}
