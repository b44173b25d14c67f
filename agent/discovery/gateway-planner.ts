import { type Candidate, NO_TRAFFIC_POLICY, type RoutePlan } from '@landbridge/core/route-plan.ts';
import { type CandidateDraft, finish, idOf, labelsOf, serviceLabels } from './candidates.ts';
import type { Registry } from './registry.ts';
import { RegistryReads } from './registry-reads.ts';
import { type PlannedRoute, waypointsOf } from './route-planner.ts';
import { addressesToDial, DEFAULT_HBONE_PORT, type RouteSource, type Upstream, upstreamsForOthers, upstreamsOfGateway } from './upstreams.ts';
import type { GatewayAddress, Service, Workload } from './wds-address.ts';

export interface GatewayOptions {
  /** Whether other networks may reach a service. By default all but those of one namespace. */
  readonly isExposed?: (service: Service) => boolean;
  /** Whether the client is a gateway at the edge, which goes past waypoints unless the service wants it otherwise. */
  readonly isEdge?: boolean;
}

/**
 * Where an east-west gateway hands on the tunnels for a service: the bytes inside are another tunnel, to the HBONE port
 * of an endpoint or a waypoint of the gateway's own network. `gateway` is the gateway as a client.
 */
export function planGateway(registry: Registry, gateway: RouteSource, hostname: string, port: number, options: GatewayOptions = {}): RoutePlan {
  return planGatewayWithDependencies(registry, gateway, hostname, port, options).plan;
}

export function planGatewayWithDependencies(registry: Registry, gateway: RouteSource, hostname: string, port: number, options: GatewayOptions = {}): PlannedRoute {
  const reads = new RegistryReads(registry);
  return { plan: plan(reads, gateway, hostname, port, options), dependencies: reads, validUntilMs: undefined, isEarly: false };
}

function plan(reads: RegistryReads, gateway: RouteSource, hostname: string, port: number, { isExposed = () => true, isEdge = false }: GatewayOptions): RoutePlan {
  // A client of another network is of no namespace here.
  const service = reads.serviceByHostname(hostname, '');
  if (service === undefined || !isExposed(service)) return { kind: 'refuse', reason: `${hostname} is not served to other networks`, service: undefined };
  const labels = serviceLabels(service);
  if (!service.ports.has(port)) return { kind: 'refuse', reason: `${hostname} has no port ${port}`, service: labels };
  const waypoints = isEdge && !service.ingressUseWaypoint ? [] : waypointsOf(service);
  // Never on to a further network, from where it might come back.
  const isNear = ({ network }: Workload): boolean => network === gateway.network;
  // Only to what takes tunnels, and proves what is expected.
  const isEndpoint = (workload: Workload): boolean => isNear(workload) && workload.tunnel === 'hbone' && isExpectedBehind(gateway, workload);
  const ofWaypoint = (destination: GatewayAddress): readonly Upstream[] => upstreamsOfGateway(reads, gateway, destination, gateway.address, 'waypoint').filter(({ workload }) => isNear(workload));
  const drafts = waypoints.length > 0 ? waypoints.flatMap(({ destination, weight }) => draftsOf(reads, ofWaypoint(destination), weight)) : draftsOf(reads, upstreamsForOthers(reads, gateway, service, port, gateway.address, isEndpoint), undefined);
  if (drafts.length === 0) return { kind: 'refuse', reason: `no healthy ${waypoints.length > 0 ? 'waypoint' : 'endpoint'} for ${hostname}:${port}`, service: labels };
  return { kind: 'balance', service: labels, candidates: finish(drafts), ...NO_TRAFFIC_POLICY };
}

/** `weight` is that of a waypoint, whose upstreams share it; others have their own. */
function draftsOf(reads: RegistryReads, upstreams: readonly Upstream[], weight: number | undefined): readonly CandidateDraft[] {
  return upstreams.flatMap((upstream): CandidateDraft[] => {
    const { workload, rank, share } = upstream;
    const total = upstreams.filter((other) => other.rank === rank).reduce((sum, other) => sum + other.share, 0);
    return addressesToDial(reads, upstream).map((ip, _, ips) => ({
      candidate: opaque(idOf(workload, ip, ips), ip, weight === undefined ? DEFAULT_HBONE_PORT : upstream.port, upstream),
      order: [rank],
      share: (weight === undefined ? share : (weight * share) / total) / ips.length,
    }));
  });
}

/**
 * Clients expect an identity of the gateway's own cluster inside, and end a connection for good where another cluster's
 * endpoint answers. Where they are told that there is none here, they look elsewhere.
 */
function isExpectedBehind({ identity }: RouteSource, { trustDomain }: Workload): boolean {
  return identity === undefined || identity.startsWith(`spiffe://${trustDomain}/`);
}

function opaque(id: string, address: string, port: number, { workload }: Upstream): CandidateDraft['candidate'] {
  return { id, hop: 'plain', address, port, authority: '', identities: [], innerIdentities: [], localPod: undefined, target: undefined, labels: labelsOf(workload) } satisfies Omit<Candidate, 'rank' | 'weight'>;
}
