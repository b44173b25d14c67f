import type { V1Node, V1Pod } from '@kubernetes/client-node';
import type { TrafficPolicy } from '@landbridge/core/route-plan.ts';
import { type AllEntries, NO_ENTRIES } from '../entries/all-entries.ts';
import { keyOf } from '../kubernetes/types.ts';
import { selects } from '../registry/label-selector.ts';
import { gatewayService } from '../networks/gateway-service.ts';
import type { RemoteGateways } from '../networks/remote-gateways.ts';
import type { LocalService } from '../registry/local-endpoints.ts';
import { localityOf, nodeAddresses } from '../registry/placement.ts';
import { type Import, importedMeshService } from './imported-service.ts';
import { entryMeshService } from './entry-service.ts';
import { workloadEntryWorkload } from './entry-workload.ts';
import { balancerAddresses, localMeshService, serviceAddresses } from './local-service.ts';
import { podWorkload } from './pod-workload.ts';
import type { Resource } from './resource.ts';
import { type ClusterIdentity, encodeService, keyOfService, type MeshEndpoint, type MeshService, withRule } from './service.ts';
import { encodeWorkload, type Workload } from './workload.ts';

/** Policies that a pod of this cluster names, sorted. */
export type PoliciesOf = (namespace: string, labels: Readonly<Record<string, string>>) => readonly string[];

/** What is said of a service besides what it says itself, by namespace and hostname; the same object for as long as it is the same. */
export type TrafficOf = (namespace: string, hostname: string) => TrafficPolicy;

export interface AddressInputs extends ClusterIdentity {
  readonly pods: readonly V1Pod[];
  readonly nodes: readonly V1Node[];
  readonly services: ReadonlyMap<string, LocalService>;
  readonly policiesOf: PoliciesOf;
  readonly trafficOf: TrafficOf;
  readonly imports: readonly Import[];
  /** None where they are left out. */
  readonly entries?: AllEntries;
  /** Likewise. */
  readonly gateways?: readonly RemoteGateways[];
}

/** All workloads and services that agents of this cluster balance over, by resource name. What {@link AddressIndex} keeps up to date is this. */
export function addressResources(inputs: AddressInputs): ReadonlyMap<string, Resource> {
  const nodes = new Map(inputs.nodes.map((node) => [node.metadata?.name ?? '', node]));
  const services = [...meshServices(inputs, nodes).map((service) => withRule(service, inputs.trafficOf(service.namespace, service.hostname))), ...(inputs.gateways ?? []).map(gatewayService)];
  const endpoints = new Map<string, Map<string, MeshEndpoint>>();
  for (const service of services) {
    for (const [uid, endpoint] of service.endpoints) {
      const known = endpoints.get(uid);
      if (known === undefined) endpoints.set(uid, new Map([[keyOfService(service), endpoint]]));
      else known.set(keyOfService(service), endpoint);
    }
  }
  const workloads = new Map<string, Workload>();
  for (const pod of inputs.pods) {
    const { namespace = '', labels = {} } = pod.metadata ?? {};
    const workload = podWorkload(pod, inputs, localityOf(nodes.get(pod.spec?.nodeName ?? '')), inputs.policiesOf(namespace, labels));
    if (workload !== undefined) workloads.set(workload.uid, workload);
  }
  for (const entry of inputs.entries?.workloadEntries.values() ?? []) {
    const workload = workloadEntryWorkload(entry, inputs, inputs.policiesOf(entry.namespace, entry.labels));
    workloads.set(workload.uid, workload);
  }
  for (const [uid, behind] of endpoints) {
    const workload = workloads.get(uid) ?? toldWorkload(behind);
    if (workload !== undefined) workloads.set(uid, workload);
  }
  return new Map([
    ...services.map((service): [string, Resource] => [keyOfService(service), encodeService(service, inputs.network)]),
    ...[...workloads].map(([uid, workload]): [string, Resource] => [uid, encodeWorkload(workload, endpoints.get(uid) ?? new Map())]),
  ]);
}

/** What services say of a workload; where they differ, the first by key is believed. */
export function toldWorkload(endpoints: ReadonlyMap<string, MeshEndpoint>): Workload | undefined {
  let first: string | undefined;
  for (const [key, { workload }] of endpoints) if (workload !== undefined && (first === undefined || key < first)) first = key;
  return first === undefined ? undefined : endpoints.get(first)?.workload;
}

function meshServices(inputs: AddressInputs, nodes: ReadonlyMap<string, V1Node>): MeshService[] {
  const claims = new Map<string, number>();
  for (const { service } of inputs.services.values()) for (const address of new Set(balancerAddresses(service))) claims.set(address, (claims.get(address) ?? 0) + 1);
  const ofNodes = new Set(inputs.nodes.flatMap(nodeAddresses));
  const context = {
    ...inputs,
    workloadEntries: (namespace: string, labels: Readonly<Record<string, string>>) => [...(inputs.entries?.workloadEntries.values() ?? [])].filter((entry) => entry.namespace === namespace && selects(Object.entries(labels), entry.labels)).sort((a, b) => (a.key < b.key ? -1 : 1)),
    localityOf: (node: string) => localityOf(nodes.get(node)),
    isOwnAddress: (address: string) => claims.get(address) === 1 && !ofNodes.has(address),
  };
  return [
    ...[...inputs.services.values()].map((service) => localMeshService(service, context)).filter((service) => service !== undefined),
    ...inputs.imports.map((each) => importedMeshService(each, inputs.cluster)),
    ...entryServices(inputs, ofNodes),
  ];
}

function entryServices(inputs: AddressInputs, ofNodes: ReadonlySet<string>): MeshService[] {
  const { hosts, workloadEntries } = inputs.entries ?? NO_ENTRIES;
  const pods = new Map(inputs.pods.map((pod) => [keyOf(pod), pod]));
  const isOthers = (address: string, namespace: string): boolean => [...inputs.services.values()].some(({ service }) => service.metadata?.namespace !== namespace && serviceAddresses(service).includes(address));
  const context = {
    ...inputs,
    pod: (key: string) => pods.get(key),
    workloadEntry: (key: string) => workloadEntries.get(key),
    isFree: (address: string, namespace: string) => !ofNodes.has(address) && !isOthers(address, namespace),
  };
  return [...hosts.values()].map((host) => entryMeshService(host, context));
}
