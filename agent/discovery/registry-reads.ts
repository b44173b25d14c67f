import { type IpAddress, parseIp, prefixContains } from '@landbridge/core/ip-address.ts';
import type { Registry, RegistryChange } from './registry.ts';
import { hostKey, ipOf, type Service, type Workload } from './wds-address.ts';

/** What an answer was made from: while none of it changes, the answer stays. */
export interface Dependencies {
  /** `<network>/<ip>` */
  readonly addresses: ReadonlySet<string>;
  /** Keys of services with their endpoints, and of hostnames of workloads. */
  readonly services: ReadonlySet<string>;
  /** Hostnames of services of any namespace; their endpoints' changes count as well. */
  readonly hostnames: ReadonlySet<string>;
  /** Networks whose gateways were looked at. */
  readonly gatewayNetworks: ReadonlySet<string>;
  /** Hostnames of workloads that were, or are to be, resolved by DNS; no change of the registry tells of these. */
  readonly resolved: ReadonlySet<string>;
}

/** Whether an answer made from these may be another one after the change. */
export function isAffected(dependencies: Dependencies, change: RegistryChange): boolean {
  return (
    intersect(dependencies.addresses, change.addresses) ||
    intersect(dependencies.services, change.services) ||
    intersect(dependencies.gatewayNetworks, change.gatewayNetworks) ||
    (dependencies.hostnames.size > 0 && [...change.services].some((key) => dependencies.hostnames.has(key.slice(key.indexOf('/') + 1)))) ||
    (change.ranges.length > 0 && [...dependencies.addresses].some((at) => isInside(at, change)))
  );
}

function intersect(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const [few, many] = a.size < b.size ? [a, b] : [b, a];
  for (const each of few) if (many.has(each)) return true;
  return false;
}

function isInside(at: string, { ranges }: RegistryChange): boolean {
  const ip = parseIp(ipOf(at));
  const network = at.slice(0, at.lastIndexOf('/'));
  return ip.ok && ranges.some((range) => range.network === network && prefixContains(range.prefix, ip.value));
}

/** Resolves a workload's hostname; undefined where that is not known yet. */
export type ResolveHostname = (hostname: string) => readonly IpAddress[] | undefined;

/** A registry that remembers what it was asked. */
export class RegistryReads implements Dependencies {
  readonly addresses = new Set<string>();
  readonly services = new Set<string>();
  readonly hostnames = new Set<string>();
  readonly gatewayNetworks = new Set<string>();
  readonly resolved = new Set<string>();
  /** When what was read becomes another by itself; undefined for never. */
  validUntilMs: number | undefined;
  /** Whether a name was read that is not known yet. */
  isUnresolved = false;
  readonly #registry: Registry;
  readonly #resolve: ResolveHostname;

  constructor(registry: Registry, resolve: ResolveHostname = () => undefined) {
    this.#registry = registry;
    this.#resolve = resolve;
  }

  workloadAt(at: string): Workload | undefined {
    this.addresses.add(at);
    return this.#registry.workloadAt(at);
  }

  serviceAt(at: string, clientNamespace: string | undefined): Service | undefined {
    this.addresses.add(at);
    return this.#registry.serviceAt(at, clientNamespace);
  }

  retiredAt(at: string, nowMs: number): Service | undefined {
    this.addresses.add(at);
    const retirement = this.#registry.retirement(at, nowMs);
    if (retirement !== undefined) this.validUntilMs = Math.min(this.validUntilMs ?? Number.POSITIVE_INFINITY, retirement.untilMs);
    return retirement?.service;
  }

  service(namespace: string, hostname: string): Service | undefined {
    const key = hostKey(namespace, hostname);
    this.services.add(key);
    return this.#registry.service(key);
  }

  serviceByHostname(hostname: string, clientNamespace: string | undefined): Service | undefined {
    this.hostnames.add(hostname);
    return this.#registry.serviceByHostname(hostname, clientNamespace);
  }

  workloadByHost(namespace: string, hostname: string): Workload | undefined {
    this.services.add(hostKey(namespace, hostname));
    return this.#registry.workloadByHost(namespace, hostname);
  }

  endpointsOf(service: Service): readonly Workload[] {
    this.services.add(service.key);
    return this.#registry.endpointsOf(service);
  }

  gatewaysOf(network: string): readonly Workload[] {
    this.gatewayNetworks.add(network);
    return this.#registry.gatewaysOf(network);
  }

  resolve(hostname: string): readonly IpAddress[] | undefined {
    this.resolved.add(hostname);
    const addresses = this.#resolve(hostname);
    if (addresses === undefined) this.isUnresolved = true;
    return addresses;
  }
}
