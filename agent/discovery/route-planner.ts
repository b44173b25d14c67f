/** Where the connections of a pod to one destination may go: the outbound decision of ztunnel, for all connections at once. */
import { NO_TRAFFIC_POLICY, type RoutePlan } from '@landbridge/core/route-plan.ts';
import { HBONE_PORT, OUTBOUND_PORT, PLAINTEXT_PORT } from '@landbridge/ebpf/capture-layout.ts';
import { type CandidateDraft, directDrafts, finish, identityOf, type LocalPodOf, serviceLabels, waypointDrafts } from './candidates.ts';
import { gatewayDrafts } from './gateway-candidates.ts';
import type { Registry } from './registry.ts';
import { type Dependencies, RegistryReads, type ResolveHostname } from './registry-reads.ts';
import { type Destination, membersOfGateway, onlyUpstream, type RouteSource, type Upstream, upstreamsAt, upstreamsOfGateway } from './upstreams.ts';
import { type GatewayAddress, ipOf, networkAddress, type Service, type Workload } from './wds-address.ts';

export interface PlanOptions {
  /** Which workloads are pods of this node that the agent serves. */
  readonly localPod?: LocalPodOf;
  /** What DNS said of workloads that have only a hostname. */
  readonly resolve?: ResolveHostname;
}

export interface PlannedRoute {
  readonly plan: RoutePlan;
  readonly dependencies: Dependencies;
  /** When the plan becomes another without any change; undefined for never. */
  readonly validUntilMs: number | undefined;
  /** Whether nothing leads on but names that are being looked up: what comes of these makes another plan. */
  readonly isEarly: boolean;
}

/** The agent's own ports in a pod. */
export const OWN_PORTS: ReadonlySet<number> = new Set([OUTBOUND_PORT, PLAINTEXT_PORT, HBONE_PORT]);

export function planRoute(registry: Registry, source: RouteSource, destination: Destination, nowMs: number, options: PlanOptions = {}): RoutePlan {
  return planWithDependencies(registry, source, destination, nowMs, options).plan;
}

export function dependenciesOf(registry: Registry, source: RouteSource, destination: Destination, nowMs: number, options: PlanOptions = {}): Dependencies {
  return planWithDependencies(registry, source, destination, nowMs, options).dependencies;
}

/** A plan with what it depends on: isAffected() tells whether a change of the registry calls for another. */
export function planWithDependencies(registry: Registry, source: RouteSource, destination: Destination, nowMs: number, options: PlanOptions = {}): PlannedRoute {
  const reads = new RegistryReads(registry, options.resolve);
  const plan = new RoutePlanner(reads, source, destination, nowMs, options).plan();
  return { plan, dependencies: reads, validUntilMs: reads.validUntilMs, isEarly: plan.kind === 'refuse' && reads.isUnresolved };
}

class RoutePlanner {
  readonly #reads: RegistryReads;
  readonly #source: RouteSource;
  readonly #destination: Destination;
  readonly #nowMs: number;
  readonly #options: PlanOptions;

  constructor(reads: RegistryReads, source: RouteSource, destination: Destination, nowMs: number, options: PlanOptions) {
    this.#reads = reads;
    this.#source = source;
    this.#destination = destination;
    this.#nowMs = nowMs;
    this.#options = options;
  }

  plan(): RoutePlan {
    const { ip, port } = this.#destination;
    if (OWN_PORTS.has(port) && (ip === '::1' || ip.startsWith('127.'))) return refuse(`port ${port} is the agent's own`, undefined);
    const at = networkAddress(this.#source.network, ip);
    // For the question whether a service was asked for, a workload's address is its own; for the choice of an endpoint it is not.
    const workload = this.#reads.workloadAt(at);
    const found = this.#reads.serviceAt(at, this.#source.namespace);
    // Whoever says that connections pass, or names a range, does not take workloads out of the mesh.
    const service = workload !== undefined && found !== undefined && (found.loadBalancing.mode === 'passthrough' || !found.addresses.includes(at)) ? undefined : found;
    const isForService = service !== undefined && workload === undefined;
    if (isForService && waypointsOf(service).length > 0) return this.#balance(this.#throughServiceWaypoint(service), service, `no healthy waypoint for ${service.hostname}:${port}`);
    if (service !== undefined) return this.#planService(service, isForService);
    if (workload !== undefined) return this.#balance(this.#draftsOf([onlyUpstream(workload, port, ip)], undefined, true), undefined, `no ${workload.waypoint === undefined ? 'way' : 'healthy waypoint'} to ${workload.uid}`);
    const retired = this.#reads.retiredAt(at, this.#nowMs);
    return retired === undefined ? { kind: 'passthrough' } : refuse(`${retired.hostname} was removed`, retired);
  }

  #planService(service: Service, isForService: boolean): RoutePlan {
    if (service.loadBalancing.mode === 'passthrough') return { kind: 'passthrough' };
    const { port } = this.#destination;
    if (!service.ports.has(port)) return refuse(`${service.hostname} has no port ${port}`, service);
    return this.#balance(this.#draftsOf(this.#upstreams(), isForService ? service : undefined, !isForService), service, `no healthy endpoint for ${service.hostname}:${port}`);
  }

  #upstreams(): readonly Upstream[] {
    return upstreamsAt(this.#reads, this.#source, this.#source.network, this.#destination, 'standard');
  }

  #balance(drafts: readonly CandidateDraft[], service: Service | undefined, otherwise: string): RoutePlan {
    if (drafts.length === 0) return refuse(otherwise, service);
    const { limits, affinity } = service?.traffic ?? NO_TRAFFIC_POLICY;
    return { kind: 'balance', service: service === undefined ? undefined : serviceLabels(service), candidates: finish(drafts), limits, affinity };
  }

  /** `service` is what was asked for, where the way through a gateway is open. */
  #draftsOf(upstreams: readonly Upstream[], service: Service | undefined, mayUseWaypoints: boolean): readonly CandidateDraft[] {
    const near = upstreams.filter(({ workload }) => workload.network === this.#source.network);
    return [
      ...near.flatMap((upstream) => {
        const { waypoint } = upstream.workload;
        if (mayUseWaypoints && waypoint !== undefined && !this.#isPartOf(waypoint)) return this.#throughWaypoint(waypoint, upstream.share, [upstream.rank], undefined);
        return directDrafts(this.#reads, upstream, this.#options.localPod ?? (() => undefined));
      }),
      ...this.#throughGateways(upstreams, service, ({ share }) => share),
    ];
  }

  #throughGateways(upstreams: readonly Upstream[], service: Service | undefined, shareOf: (upstream: Upstream) => number): readonly CandidateDraft[] {
    const far = upstreams.filter(({ workload }) => workload.network !== this.#source.network);
    return service === undefined || far.length === 0 ? [] : gatewayDrafts(this.#reads, this.#source, service, this.#destination, far, shareOf);
  }

  /** Each connection takes one of the service's waypoints by their weights. */
  #throughServiceWaypoint(service: Service): readonly CandidateDraft[] {
    return waypointsOf(service).flatMap(({ destination, weight }) => this.#throughWaypoint(destination, weight, [], service));
  }

  #throughWaypoint(waypoint: GatewayAddress, weight: number, order: readonly number[], service: Service | undefined): readonly CandidateDraft[] {
    const upstreams = upstreamsOfGateway(this.#reads, this.#source, waypoint, this.#destination.ip, 'waypoint');
    const totals = new Map<number, number>();
    for (const { rank, share } of upstreams) totals.set(rank, (totals.get(rank) ?? 0) + share);
    const shareOf = ({ rank, share }: Upstream): number => (weight * share) / (totals.get(rank) ?? 1);
    const near = upstreams.filter(({ workload }) => workload.network === this.#source.network);
    return [
      ...near.flatMap((upstream) => waypointDrafts(this.#reads, upstream, this.#destination, [...order, upstream.rank], shareOf(upstream))),
      ...this.#throughGateways(upstreams, service, shareOf),
    ];
  }

  /** Whether the client is the waypoint itself: what it lets through must not come to it again. */
  #isPartOf(waypoint: GatewayAddress): boolean {
    const { identity, address } = this.#source;
    const isSource = (workload: Workload): boolean => identityOf(workload) === identity && workload.addresses.some((each) => ipOf(each) === address);
    return identity !== undefined && membersOfGateway(this.#reads, waypoint).some(isSource);
  }
}

/** None where connections go straight to the endpoints. */
export function waypointsOf({ waypoint, weightedWaypoints }: Service): readonly { readonly destination: GatewayAddress; readonly weight: number }[] {
  const weighted = weightedWaypoints.filter(({ weight }) => weight > 0);
  if (weighted.length > 0) return weighted;
  return waypoint === undefined ? [] : [{ destination: waypoint, weight: 1 }];
}

function refuse(reason: string, service: Service | undefined): RoutePlan {
  return { kind: 'refuse', reason, service: service === undefined ? undefined : serviceLabels(service) };
}
