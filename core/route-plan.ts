/** What a data thread needs to carry the connections to one destination. Plain data: it is copied between threads. */
import type { SpiffeId } from './identity.ts';

/** The labels by which metrics and the access log call a workload (wire reference of ztunnel: source_*, destination_*). Empty where not known. */
export interface WorkloadLabels {
  readonly workload: string;
  readonly namespace: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly cluster: string;
  readonly region: string;
  readonly zone: string;
  /** SPIFFE ID, as discovery says; what a certificate proved is kept apart. */
  readonly principal: string;
}

export interface ServiceLabels {
  readonly hostname: string;
  readonly namespace: string;
  readonly name: string;
}

/** How a connection to a candidate is carried. */
export type Hop =
  /** TLS to `address`, CONNECT `authority`. */
  | 'hbone'
  /** TLS to a gateway at `address`, CONNECT `authority`, and inside it TLS to the workload, CONNECT `authority` again. */
  | 'double-hbone'
  /** Plain TCP to `address`. */
  | 'plain';

/** One place where a connection may go: an endpoint, a waypoint or a gateway of another network. */
export interface Candidate {
  /** Tells candidates of one plan apart and keeps its meaning when the plan changes: the workload's uid, with the gateway's where there is one. */
  readonly id: string;
  readonly hop: Hop;
  /** Dialled: IP address in canonical text, and port. */
  readonly address: string;
  readonly port: number;
  /** Of CONNECT; empty for `plain`. */
  readonly authority: string;
  /** Who may answer at `address`; the peer must be one of them. Empty for `plain`. */
  readonly identities: readonly SpiffeId[];
  /** Who may answer inside, for `double-hbone`. Empty: nobody can be verified, so the candidate is refused. */
  readonly innerIdentities: readonly SpiffeId[];
  /** The pod of this node that the candidate is, by its Kubernetes UID as the agent knows it; undefined for others. The application's own address is then `target`. */
  readonly localPod: string | undefined;
  /** Address and port of the application itself where they are known (not behind gateways and waypoints). */
  readonly target: { readonly ip: string; readonly port: number } | undefined;
  /** Share among candidates of equal rank, at least 1. */
  readonly weight: number;
  /** 0 is tried first; further ones only when all of lower ranks failed. */
  readonly rank: number;
  readonly labels: WorkloadLabels;
}

/** Layer-4 part of DestinationRule, for the connections of one pod to one destination. Undefined: no bound. */
export interface CircuitLimits {
  readonly maxConnections: number | undefined;
  /** Connections that wait for their dial. */
  readonly maxPending: number | undefined;
}

export type Affinity = 'none' | 'client-address';

/** What may be said of the connections to a service besides where they go. */
export interface TrafficPolicy {
  readonly limits: CircuitLimits;
  readonly affinity: Affinity;
}

export const NO_TRAFFIC_POLICY: TrafficPolicy = { limits: { maxConnections: undefined, maxPending: undefined }, affinity: 'none' };

export type RoutePlan =
  /** Outside of what discovery knows: plain TCP to the original destination. */
  | { readonly kind: 'passthrough' }
  /** Nothing may be dialled. */
  | { readonly kind: 'refuse'; readonly reason: string; readonly service: ServiceLabels | undefined }
  | {
      readonly kind: 'balance';
      readonly service: ServiceLabels | undefined;
      /** At least one; sorted by rank. */
      readonly candidates: readonly Candidate[];
      readonly limits: CircuitLimits;
      readonly affinity: Affinity;
    };

/** A plan for one of several data threads, among which the kernel spreads connections: of each bound its share, rounded up. */
export function threadShare(plan: RoutePlan, threads: number): RoutePlan {
  if (plan.kind !== 'balance') return plan;
  const { maxConnections, maxPending } = plan.limits;
  if (maxConnections === undefined && maxPending === undefined) return plan;
  const share = (bound: number | undefined): number | undefined => (bound === undefined ? undefined : Math.ceil(bound / threads));
  return { ...plan, limits: { maxConnections: share(maxConnections), maxPending: share(maxPending) } };
}
