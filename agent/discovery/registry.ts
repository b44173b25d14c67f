import { parseIp } from '@landbridge/core/ip-address.ts';
import { AddressRanges } from './address-ranges.ts';
import { type AddressRange, hostKey, ipOf, type Service, type Workload } from './wds-address.ts';

export { networkAddress, type Service, type Workload } from './wds-address.ts';

export interface AddressDelta {
  readonly updated: readonly (Workload | Service)[];
  readonly removed: readonly string[];
}

/** What may be found differently than before. */
export interface RegistryChange {
  /** Keys of services that changed themselves or in their endpoints, and of hostnames of workloads. */
  readonly services: ReadonlySet<string>;
  /** `<network>/<ip>` */
  readonly addresses: ReadonlySet<string>;
  readonly ranges: readonly AddressRange[];
  /** Networks whose gateways changed. */
  readonly gatewayNetworks: ReadonlySet<string>;
}

/** Who a pod is, to find it among the workloads that claim its address. */
export interface LocalWorkloadName {
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
}

/**
 * How long the address of a removed service is refused. kube-proxy may know the address longer than discovery does:
 * connections to it would leave the mesh and arrive in plaintext.
 */
const RETIRED_MS = 60_000;
const MAX_RETIRED = 4096;
/** How Istio's control plane begins the uid of a gateway to another network: `NetworkGateway/<network>/<address>/<port>`. */
const GATEWAY_UID = 'NetworkGateway/';

/**
 * What discovery says is where: workloads and services with indexes by address and hostname. Holds exactly the resources
 * last told; what is found does not depend on the order in which they came.
 */
export class Registry {
  readonly #retired = new Map<string, { readonly service: Service; readonly untilMs: number }>();
  readonly #resources = new Map<string, Workload | Service>();
  /** All that claim an address, the one to believe first. */
  readonly #workloadsByAddress = new Map<string, Workload[]>();
  readonly #workloadsByHost = new Map<string, Workload[]>();
  readonly #servicesByAddress = new Map<string, Service[]>();
  readonly #servicesByRange = new AddressRanges<Service>();
  readonly #servicesByHostname = new Map<string, Service[]>();
  /** By key of service, whether that is known yet or not. */
  readonly #endpoints = new Map<string, Map<string, Workload>>();
  /** Endpoints with names, by key of headless service. */
  readonly #named = new Map<string, Map<string, Workload>>();
  /** How many services have their hostname below a domain. */
  readonly #domains = new Map<string, number>();
  readonly #gateways = new Map<string, Workload[]>();

  apply(delta: AddressDelta, nowMs: number = Date.now()): RegistryChange {
    const change = new Change();
    for (const name of delta.removed) {
      const resource = this.#resources.get(name);
      this.#remove(name, change);
      if (resource?.kind === 'service') this.#retire(resource, resource.addresses, nowMs, change);
    }
    for (const resource of delta.updated) {
      const name = resource.kind === 'workload' ? resource.uid : resource.key;
      const before = this.#resources.get(name);
      this.#remove(name, change);
      this.#resources.set(name, resource);
      if (resource.kind === 'workload') this.#addWorkload(resource);
      else this.#addService(resource);
      change.add(resource);
      if (before?.kind === 'service' && resource.kind === 'service') this.#retire(before, before.addresses.filter((address) => !resource.addresses.includes(address)), nowMs, change);
    }
    return change;
  }

  /** They are not gone, but nobody wants to know of them any more: unlike those of removed services, their addresses are not refused. */
  forget(names: readonly string[]): void {
    const unread = new Change();
    for (const name of names) this.#remove(name, unread);
  }

  workload(uid: string): Workload | undefined {
    const resource = this.#resources.get(uid);
    return resource?.kind === 'workload' ? resource : undefined;
  }

  /** `at` is `<network>/<ip>`. */
  workloadAt(at: string): Workload | undefined {
    return this.#workloadsByAddress.get(at)?.[0];
  }

  /** The workload that a pod of this node is; none before discovery has told of it. */
  localWorkload(at: string, { namespace, name, serviceAccount }: LocalWorkloadName): Workload | undefined {
    return this.#workloadsByAddress.get(at)?.find((workload) => workload.namespace === namespace && workload.name === name && workload.serviceAccount === serviceAccount);
  }

  workloadByHost(namespace: string, hostname: string): Workload | undefined {
    return this.#workloadsByHost.get(hostKey(namespace, hostname))?.[0];
  }

  service(key: string): Service | undefined {
    const resource = this.#resources.get(key);
    return resource?.kind === 'service' ? resource : undefined;
  }

  /**
   * The service that has the address, or a range around it. Several may: the client's namespace is preferred, then the
   * longest prefix, then the canonical one. Without a client all are visible.
   */
  serviceAt(at: string, clientNamespace?: string): Service | undefined {
    const exact = preferred(this.#servicesByAddress.get(at), clientNamespace);
    if (exact !== undefined) return exact;
    const ip = parseIp(ipOf(at));
    if (!ip.ok) return undefined;
    let first: Service | undefined;
    for (const { values } of this.#servicesByRange.around(at.slice(0, at.lastIndexOf('/')), ip.value)) {
      const service = preferred([...values].sort(byKey), clientNamespace);
      if (service?.namespace === clientNamespace) return service;
      first ??= service;
    }
    return first;
  }

  serviceByHostname(hostname: string, clientNamespace?: string): Service | undefined {
    return preferred(this.#servicesByHostname.get(hostname), clientNamespace);
  }

  /** A service that had the address until a short time ago. */
  retiredAt(at: string, nowMs: number): Service | undefined {
    return this.retirement(at, nowMs)?.service;
  }

  retirement(at: string, nowMs: number): { readonly service: Service; readonly untilMs: number } | undefined {
    const retired = this.#retired.get(at);
    return retired !== undefined && nowMs < retired.untilMs ? retired : undefined;
  }

  /** Healthy or not, in the order of their uids. */
  endpointsOf(service: Service): readonly Workload[] {
    return [...(this.#endpoints.get(service.key)?.values() ?? [])].sort(byUid);
  }

  isEndpoint(service: Service, uid: string): boolean {
    return this.#endpoints.get(service.key)?.has(uid) === true;
  }

  /** Those that have a name in the service, in no order. */
  namedEndpointsOf(service: Service): Iterable<Workload> {
    return this.#named.get(service.key)?.values() ?? [];
  }

  /** Whether any hostname of a service ends with the domain and is longer. */
  hasHostBelow(domain: string): boolean {
    return this.#domains.has(domain);
  }

  /** The gateways through which a network is reached, as far as the control plane tells of them by themselves. */
  gatewaysOf(network: string): readonly Workload[] {
    return this.#gateways.get(network) ?? [];
  }

  count(): { readonly workloads: number; readonly services: number } {
    let services = 0;
    for (const resource of this.#resources.values()) if (resource.kind === 'service') services++;
    return { workloads: this.#resources.size - services, services };
  }

  *resources<K extends 'workload' | 'service'>(kind: K): Iterable<Extract<Workload | Service, { kind: K }>> {
    for (const resource of this.#resources.values()) if (resource.kind === kind) yield resource as Extract<Workload | Service, { kind: K }>;
  }

  /** Names of all resources, for a subscription that begins anew. */
  names(): string[] {
    return [...this.#resources.keys()];
  }

  #retire(service: Service, addresses: readonly string[], nowMs: number, change: Change): void {
    if (addresses.length === 0) return;
    for (const [address, { untilMs }] of this.#retired) {
      if (untilMs > nowMs && this.#retired.size < MAX_RETIRED) continue;
      this.#retired.delete(address);
      change.addresses.add(address);
    }
    for (const address of addresses) this.#retired.set(address, { service, untilMs: nowMs + RETIRED_MS });
  }

  #addWorkload(workload: Workload): void {
    if (!workload.hostNetwork) for (const address of workload.addresses) insert(this.#workloadsByAddress, address, workload, byClaim);
    if (workload.hostname !== '') insert(this.#workloadsByHost, hostKey(workload.namespace, workload.hostname), workload, byUid);
    if (workload.uid.startsWith(GATEWAY_UID)) insert(this.#gateways, workload.network, workload, byUid);
    for (const key of workload.services.keys()) enlist(this.#endpoints, key, workload);
    for (const key of workload.names.keys()) enlist(this.#named, key, workload);
  }

  #addService(service: Service): void {
    for (const address of service.addresses) insert(this.#servicesByAddress, address, service, byKey);
    for (const range of service.ranges) this.#servicesByRange.add(range, service);
    insert(this.#servicesByHostname, service.hostname, service, byKey);
    for (const domain of domainsAbove(service.hostname)) this.#domains.set(domain, (this.#domains.get(domain) ?? 0) + 1);
  }

  #remove(name: string, change: Change): void {
    const resource = this.#resources.get(name);
    if (resource === undefined) return;
    this.#resources.delete(name);
    change.add(resource);
    if (resource.kind === 'service') {
      for (const address of resource.addresses) withdraw(this.#servicesByAddress, address, resource);
      for (const range of resource.ranges) this.#servicesByRange.remove(range, resource);
      withdraw(this.#servicesByHostname, resource.hostname, resource);
      for (const domain of domainsAbove(resource.hostname)) {
        const left = (this.#domains.get(domain) ?? 0) - 1;
        if (left > 0) this.#domains.set(domain, left);
        else this.#domains.delete(domain);
      }
      return;
    }
    for (const address of resource.addresses) withdraw(this.#workloadsByAddress, address, resource);
    withdraw(this.#workloadsByHost, hostKey(resource.namespace, resource.hostname), resource);
    withdraw(this.#gateways, resource.network, resource);
    for (const key of resource.services.keys()) discharge(this.#endpoints, key, name);
    for (const key of resource.names.keys()) discharge(this.#named, key, name);
  }
}

class Change implements RegistryChange {
  readonly services = new Set<string>();
  readonly addresses = new Set<string>();
  readonly ranges: AddressRange[] = [];
  readonly gatewayNetworks = new Set<string>();

  add(resource: Workload | Service): void {
    for (const address of resource.addresses) this.addresses.add(address);
    if (resource.kind === 'service') {
      this.services.add(resource.key);
      this.ranges.push(...resource.ranges);
      return;
    }
    for (const key of resource.services.keys()) this.services.add(key);
    if (resource.hostname !== '') this.services.add(hostKey(resource.namespace, resource.hostname));
    if (resource.uid.startsWith(GATEWAY_UID)) this.gatewayNetworks.add(resource.network);
  }
}

/** As if the workload had changed: for what is known of it elsewhere, such as whether it is captured here. */
export function changeOf(workload: Workload): RegistryChange {
  const change = new Change();
  change.add(workload);
  return change;
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byKey = (a: Service, b: Service): number => byText(a.key, b.key);
const byUid = (a: Workload, b: Workload): number => byText(a.uid, b.uid);

/**
 * Who is believed where several claim an address: pods, since nobody else can set theirs, before others; what is in the
 * mesh before what is not; then what is healthy, as the address of a pod that ended may be given to another at once.
 */
function byClaim(a: Workload, b: Workload): number {
  return claim(b) - claim(a) || byUid(a, b);
}

function claim({ uid, tunnel, healthy }: Workload): number {
  return (uid.includes('//Pod/') ? 4 : 0) + (tunnel === 'hbone' ? 2 : 0) + (healthy ? 1 : 0);
}

/** In the client's namespace, or canonical, or the first that is visible. */
function preferred(services: readonly Service[] | undefined, clientNamespace: string | undefined): Service | undefined {
  let canonical: Service | undefined;
  let first: Service | undefined;
  for (const service of services ?? []) {
    if (clientNamespace !== undefined && service.namespace === clientNamespace) return service;
    if (clientNamespace !== undefined && service.visibility === 'namespace') continue;
    if (service.canonical) canonical ??= service;
    first ??= service;
  }
  return canonical ?? first;
}

function enlist(endpoints: Map<string, Map<string, Workload>>, key: string, workload: Workload): void {
  const known = endpoints.get(key);
  if (known === undefined) endpoints.set(key, new Map([[workload.uid, workload]]));
  else known.set(workload.uid, workload);
}

function discharge(endpoints: Map<string, Map<string, Workload>>, key: string, uid: string): void {
  const known = endpoints.get(key);
  known?.delete(uid);
  if (known?.size === 0) endpoints.delete(key);
}

/** `b.c` and `c` of `a.b.c`. */
function domainsAbove(hostname: string): string[] {
  const domains: string[] = [];
  for (let dot = hostname.indexOf('.'); dot >= 0; dot = hostname.indexOf('.', dot + 1)) domains.push(hostname.slice(dot + 1));
  return domains;
}

function insert<T>(map: Map<string, T[]>, key: string, value: T, order: (a: T, b: T) => number): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else if (!list.includes(value)) list.splice(list.findLastIndex((each) => order(each, value) <= 0) + 1, 0, value);
}

function withdraw<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  const at = list?.indexOf(value) ?? -1;
  if (list === undefined || at < 0) return;
  if (list.length === 1) map.delete(key);
  else list.splice(at, 1);
}
