import type { V1Node, V1Pod } from '@kubernetes/client-node';
import { NO_TRAFFIC_POLICY, type TrafficPolicy } from '@landbridge/core/route-plan.ts';
import type { EntryHost } from '../entries/entry-hosts.ts';
import { gatewayService } from '../networks/gateway-service.ts';
import type { RemoteGateways } from '../networks/remote-gateways.ts';
import type { WorkloadEntry } from '../entries/workload-entry.ts';
import type { LocalService } from '../registry/local-endpoints.ts';
import { insert, withdraw } from '../registry/local-index.ts';
import { type Locality, localityOf, NOWHERE, nodeAddresses } from '../registry/placement.ts';
import { type PoliciesOf, toldWorkload, type TrafficOf } from './address-resources.ts';
import { type Import, importedMeshService } from './imported-service.ts';
import { entryMeshService, hostAddresses } from './entry-service.ts';
import { workloadEntryWorkload } from './entry-workload.ts';
import { balancerAddresses, localMeshService, serviceAddresses } from './local-service.ts';
import { podWorkload } from './pod-workload.ts';
import type { Resource } from './resource.ts';
import { podUid, workloadEntryUid } from './resource-names.ts';
import { type ClusterIdentity, encodeService, isSameBesidesEndpoints, keyOfService, type MeshEndpoint, type MeshService, withRule } from './service.ts';
import { ServingIndex } from './serving-index.ts';
import { encodeWorkload } from './workload.ts';

/** What there is at the moment, by `<namespace>/<name>`, nodes by name. */
export interface AddressView {
  readonly pod: (key: string) => V1Pod | undefined;
  readonly node: (name: string) => V1Node | undefined;
  readonly service: (key: string) => LocalService | undefined;
  readonly imported: (key: string) => Import | undefined;
  /** By `<namespace>/<hostname>`. */
  readonly host: (key: string) => EntryHost | undefined;
  readonly workloadEntry: (key: string) => WorkloadEntry | undefined;
  /** Of other networks, by cluster. */
  readonly gateways: ReadonlyMap<string, RemoteGateways>;
  readonly workloadEntriesWith: (namespace: string, labels: Readonly<Record<string, string>>) => readonly WorkloadEntry[];
  readonly policiesOf: PoliciesOf;
  readonly trafficOf: TrafficOf;
}

/** Keys of what was added, changed or removed. One too many does no harm. */
export interface AddressChanges {
  readonly pods: Iterable<string>;
  readonly nodes: Iterable<string>;
  readonly services: Iterable<string>;
  readonly imports: Iterable<string>;
  readonly hosts: Iterable<string>;
  readonly workloadEntries: Iterable<string>;
  /** Whether there may be other gateways than before. */
  readonly gateways: boolean;
  /** Whether pods may have to name other policies than before. */
  readonly policies: boolean;
  /** Whether other rules may be for services than before. */
  readonly traffic: boolean;
}

interface IndexedNode {
  readonly locality: Locality;
  readonly addresses: readonly string[];
}

interface IndexedPod {
  readonly node: string;
  readonly policies: string;
}

interface Pass {
  readonly view: AddressView;
  /** Uids of those to be looked at afterwards. */
  readonly workloads: Set<string>;
  /** Of resources that differ from before. */
  readonly names: Set<string>;
}

/**
 * Workloads and services as {@link addressResources} has them, of which only those are made anew that may differ: what a
 * change costs does not grow with the cluster, but with the services that it is about.
 */
export class AddressIndex {
  readonly #identity: ClusterIdentity;
  /** Of the uids of this cluster's pods, before `<namespace>/<name>`. */
  readonly #podPrefix: string;
  /** Likewise of WorkloadEntries. */
  readonly #entryPrefix: string;
  readonly #resources = new Map<string, Resource>();
  readonly #nodes = new Map<string, IndexedNode>();
  /** How many nodes have an address. */
  readonly #nodesWithAddress = new Map<string, number>();
  readonly #pods = new Map<string, IndexedPod>();
  readonly #podsOnNode = new Map<string, Set<string>>();
  /** By the key of what it is made from. */
  readonly #services = new Map<string, MeshService>();
  readonly #imports = new Map<string, MeshService>();
  readonly #hosts = new Map<string, MeshService>();
  /** By cluster. */
  readonly #gateways = new Map<string, MeshService>();
  readonly #workloadEntries = new Set<string>();
  /** Hosts of ServiceEntries by the addresses that they say. */
  readonly #hostsAt = new Map<string, Set<string>>();
  readonly #addressesOfHost = new Map<string, readonly string[]>();
  /** By name of resource. */
  readonly #byName = new Map<string, MeshService>();
  /** By name of resource, where there is one. */
  readonly #rules = new Map<string, TrafficPolicy>();
  readonly #endpoints = new ServingIndex();
  /** Services with endpoints that no pod has, by the node of these. */
  readonly #servicesOnNode = new Map<string, Set<string>>();
  readonly #nodesOfService = new Map<string, ReadonlySet<string>>();
  /** Services by the addresses of their load balancers. */
  readonly #claims = new Map<string, Set<string>>();
  readonly #claimsOfService = new Map<string, readonly string[]>();
  /** Services by all of their addresses. */
  readonly #servicesAt = new Map<string, Set<string>>();
  readonly #addressesOfService = new Map<string, readonly string[]>();

  constructor(identity: ClusterIdentity) {
    this.#identity = identity;
    this.#podPrefix = podUid(identity.cluster, '', '').slice(0, -1);
    this.#entryPrefix = workloadEntryUid(identity.cluster, '', '').slice(0, -1);
  }

  /** By name; the same map as it changes. */
  get resources(): ReadonlyMap<string, Resource> {
    return this.#resources;
  }

  podsOn(node: string): Iterable<string> {
    return this.#podsOnNode.get(node) ?? [];
  }

  /** The uids of the workloads behind a service, by its key. */
  endpointsOf(key: string): Iterable<string> {
    return this.#byName.get(key)?.endpoints.keys() ?? [];
  }

  /** Yields between services and workloads. Returns the names of resources that differ from before. */
  *apply(changes: AddressChanges, view: AddressView): Generator<void, ReadonlySet<string>> {
    const names = new Set<string>();
    const services = new Set(changes.services);
    const imports = new Set(changes.imports);
    const pods = new Set(changes.pods);
    const hosts = new Set(changes.hosts);
    for (const name of changes.nodes) this.#changeNode(name, view.node(name), pods, services, hosts);
    if (changes.policies) yield* this.#findOtherPolicies(pods, view);
    if (changes.traffic) for (const [made, keys] of [[this.#services, services], [this.#imports, imports], [this.#hosts, hosts]] as const) yield* this.#findOtherRules(made, keys, view);
    const workloads = new Set<string>();
    for (const key of changes.policies ? [...changes.workloadEntries, ...this.#workloadEntries] : changes.workloadEntries) {
      if (view.workloadEntry(key) === undefined) this.#workloadEntries.delete(key);
      else this.#workloadEntries.add(key);
      workloads.add(`${this.#entryPrefix}${key}`);
    }
    // Those without endpoints name none, and are as they were.
    if (changes.policies) for (const key of this.#hosts.keys()) hosts.add(key);
    for (const key of pods) {
      this.#indexPod(key, view);
      workloads.add(`${this.#podPrefix}${key}`);
      yield;
    }
    // What claims an address that another one had, or has, is looked at again.
    for (const key of services) {
      const local = view.service(key);
      this.#claim(key, local, services);
      this.#occupy(key, local, hosts);
      this.#indexNodesOf(key, local);
      yield;
    }
    for (const key of hosts) {
      const host = view.host(key);
      this.#indexAddressesOf(key, host === undefined ? [] : hostAddresses(host));
      // Before a Service takes the name over.
      if (host === undefined) this.#change(this.#hosts, key, undefined, { view, workloads, names });
      yield;
    }
    for (const key of services) {
      const local = view.service(key);
      this.#change(this.#services, key, local === undefined ? undefined : localMeshService(local, this.#contextOf(key, view)), { view, workloads, names });
      yield;
    }
    for (const key of imports) {
      const imported = view.imported(key);
      this.#change(this.#imports, key, imported === undefined ? undefined : importedMeshService(imported, this.#identity.cluster, this.#imports.get(key)), { view, workloads, names });
      yield;
    }
    for (const cluster of changes.gateways ? new Set([...this.#gateways.keys(), ...view.gateways.keys()]) : []) {
      const gateways = view.gateways.get(cluster);
      this.#change(this.#gateways, cluster, gateways === undefined ? undefined : gatewayService(gateways), { view, workloads, names });
    }
    for (const key of hosts) {
      const host = view.host(key);
      if (host !== undefined) this.#change(this.#hosts, key, entryMeshService(host, this.#entryContext(view)), { view, workloads, names });
      yield;
    }
    for (const uid of workloads) {
      this.#makeWorkload(uid, view, names);
      yield;
    }
    return names;
  }

  #changeNode(name: string, node: V1Node | undefined, pods: Set<string>, services: Set<string>, hosts: Set<string>): void {
    const before = this.#nodes.get(name);
    const after = node === undefined ? undefined : { locality: localityOf(node), addresses: nodeAddresses(node) };
    if (JSON.stringify(before?.locality ?? NOWHERE) !== JSON.stringify(after?.locality ?? NOWHERE)) {
      for (const key of this.#podsOnNode.get(name) ?? []) pods.add(key);
      for (const key of this.#servicesOnNode.get(name) ?? []) services.add(key);
    }
    for (const [addresses, count] of [[before?.addresses ?? [], -1], [after?.addresses ?? [], 1]] as const) {
      for (const address of addresses) {
        const now = (this.#nodesWithAddress.get(address) ?? 0) + count;
        if (now === 0) this.#nodesWithAddress.delete(address);
        else this.#nodesWithAddress.set(address, now);
        for (const key of this.#claims.get(address) ?? []) services.add(key);
        for (const key of this.#hostsAt.get(address) ?? []) hosts.add(key);
      }
    }
    if (after === undefined) this.#nodes.delete(name);
    else this.#nodes.set(name, after);
  }

  *#findOtherPolicies(pods: Set<string>, view: AddressView): Generator<void, void> {
    for (const [key, { policies }] of this.#pods) {
      if (policies !== policiesText(view.pod(key), view)) pods.add(key);
      yield;
    }
  }

  *#findOtherRules(made: ReadonlyMap<string, MeshService>, keys: Set<string>, view: AddressView): Generator<void, void> {
    for (const [key, service] of made) {
      if (view.trafficOf(service.namespace, service.hostname) !== (this.#rules.get(keyOfService(service)) ?? NO_TRAFFIC_POLICY)) keys.add(key);
      yield;
    }
  }

  #indexPod(key: string, view: AddressView): void {
    const before = this.#pods.get(key);
    const pod = view.pod(key);
    if (before !== undefined) withdraw(this.#podsOnNode, before.node, key);
    this.#pods.delete(key);
    if (pod === undefined) return;
    const node = pod.spec?.nodeName ?? '';
    this.#pods.set(key, { node, policies: policiesText(pod, view) });
    insert(this.#podsOnNode, node, key);
  }

  #claim(key: string, local: LocalService | undefined, services: Set<string>): void {
    const before = this.#claimsOfService.get(key) ?? [];
    const after = local === undefined ? [] : [...new Set(balancerAddresses(local.service))];
    if (before.length === 0 && after.length === 0) return;
    for (const address of before) withdraw(this.#claims, address, key);
    for (const address of after) insert(this.#claims, address, key);
    for (const address of [...before, ...after]) if (before.includes(address) !== after.includes(address)) for (const other of this.#claims.get(address) ?? []) services.add(other);
    if (after.length === 0) this.#claimsOfService.delete(key);
    else this.#claimsOfService.set(key, after);
  }

  /** Which addresses a Service has, whether it is told or not: no ServiceEntry of another namespace may take them from it. */
  #occupy(key: string, local: LocalService | undefined, hosts: Set<string>): void {
    const before = this.#addressesOfService.get(key) ?? [];
    const after = local === undefined ? [] : [...new Set(serviceAddresses(local.service))];
    if (before.join() === after.join()) return;
    for (const address of before) withdraw(this.#servicesAt, address, key);
    for (const address of after) insert(this.#servicesAt, address, key);
    for (const address of [...before, ...after]) for (const host of this.#hostsAt.get(address) ?? []) hosts.add(host);
    if (after.length === 0) this.#addressesOfService.delete(key);
    else this.#addressesOfService.set(key, after);
  }

  #indexAddressesOf(host: string, after: readonly string[]): void {
    for (const address of this.#addressesOfHost.get(host) ?? []) withdraw(this.#hostsAt, address, host);
    for (const address of after) insert(this.#hostsAt, address, host);
    if (after.length === 0) this.#addressesOfHost.delete(host);
    else this.#addressesOfHost.set(host, after);
  }

  #entryContext({ pod, workloadEntry, policiesOf }: AddressView): Parameters<typeof entryMeshService>[1] {
    const isOthers = (address: string, namespace: string): boolean => [...(this.#servicesAt.get(address) ?? [])].some((key) => !key.startsWith(`${namespace}/`));
    return { ...this.#identity, pod, workloadEntry, policiesOf, isFree: (address, namespace) => !this.#nodesWithAddress.has(address) && !isOthers(address, namespace) };
  }

  #indexNodesOf(key: string, local: LocalService | undefined): void {
    for (const node of this.#nodesOfService.get(key) ?? []) withdraw(this.#servicesOnNode, node, key);
    this.#nodesOfService.delete(key);
    const nodes = new Set<string>();
    for (const { isPod, node } of local?.endpoints ?? []) if (!isPod && node !== undefined) nodes.add(node);
    if (nodes.size === 0) return;
    this.#nodesOfService.set(key, nodes);
    for (const node of nodes) insert(this.#servicesOnNode, node, key);
  }

  #contextOf(key: string, view: AddressView): Parameters<typeof localMeshService>[1] {
    return {
      ...this.#identity,
      workloadEntries: view.workloadEntriesWith,
      localityOf: (node) => this.#nodes.get(node)?.locality ?? NOWHERE,
      isOwnAddress: (address) => this.#claims.get(address)?.size === 1 && this.#claimsOfService.get(key)?.includes(address) === true && !this.#nodesWithAddress.has(address),
    };
  }

  #change(made: Map<string, MeshService>, key: string, after: MeshService | undefined, { view, workloads, names }: Pass): void {
    const before = made.get(key);
    const name = after === undefined ? undefined : keyOfService(after);
    const nameBefore = before === undefined ? undefined : keyOfService(before);
    for (const uid of before?.endpoints.keys() ?? []) {
      if (nameBefore === name && after?.endpoints.has(uid) === true) continue;
      workloads.add(uid);
      if (nameBefore !== undefined) this.#endpoints.delete(uid, nameBefore);
    }
    for (const [uid, endpoint] of after?.endpoints ?? []) {
      const known = before?.endpoints.get(uid);
      if (name === undefined || (known !== undefined && nameBefore === name && isSame(known, endpoint))) continue;
      workloads.add(uid);
      this.#endpoints.set(uid, name, endpoint);
    }
    if (nameBefore !== undefined && nameBefore !== name) {
      this.#byName.delete(nameBefore);
      this.#rules.delete(nameBefore);
      this.#put(nameBefore, undefined, names);
    }
    if (after === undefined || name === undefined) made.delete(key);
    else {
      made.set(key, after);
      // Rules are for what clients ask for, and nobody asks for a gateway.
      const rule = made === this.#gateways ? NO_TRAFFIC_POLICY : view.trafficOf(after.namespace, after.hostname);
      // Of a service that is told already endpoints change most of the time, and nothing else.
      const isTold = before !== undefined && this.#byName.get(name) === before && rule === (this.#rules.get(name) ?? NO_TRAFFIC_POLICY) && isSameBesidesEndpoints(before, after);
      this.#byName.set(name, after);
      if (rule === NO_TRAFFIC_POLICY) this.#rules.delete(name);
      else this.#rules.set(name, rule);
      if (!isTold) this.#put(name, encodeService(withRule(after, rule), this.#identity.network), names);
    }
  }

  #makeWorkload(uid: string, view: AddressView, names: Set<string>): void {
    const behind = this.#endpoints.of(uid);
    const workload = this.#podWorkload(uid, view) ?? this.#entryWorkload(uid, view) ?? toldWorkload(behind);
    this.#put(uid, workload === undefined ? undefined : encodeWorkload(workload, behind), names);
  }

  #podWorkload(uid: string, view: AddressView): ReturnType<typeof podWorkload> {
    const pod = uid.startsWith(this.#podPrefix) ? view.pod(uid.slice(this.#podPrefix.length)) : undefined;
    if (pod === undefined) return undefined;
    return podWorkload(pod, this.#identity, this.#nodes.get(pod.spec?.nodeName ?? '')?.locality ?? NOWHERE, view.policiesOf(pod.metadata?.namespace ?? '', pod.metadata?.labels ?? {}));
  }

  #entryWorkload(uid: string, view: AddressView): ReturnType<typeof workloadEntryWorkload> | undefined {
    const entry = uid.startsWith(this.#entryPrefix) ? view.workloadEntry(uid.slice(this.#entryPrefix.length)) : undefined;
    return entry === undefined ? undefined : workloadEntryWorkload(entry, this.#identity, view.policiesOf(entry.namespace, entry.labels));
  }

  #put(name: string, resource: Resource | undefined, names: Set<string>): void {
    const before = this.#resources.get(name);
    if (before?.version === resource?.version) return;
    if (resource === undefined) this.#resources.delete(name);
    else this.#resources.set(name, resource);
    names.add(name);
  }
}

const policiesText = (pod: V1Pod | undefined, view: AddressView): string => (pod === undefined ? '' : view.policiesOf(pod.metadata?.namespace ?? '', pod.metadata?.labels ?? {}).join());

/** Made of plain data by the same functions, so that members come in the same order. */
const isSame = (a: MeshEndpoint, b: MeshEndpoint): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);
