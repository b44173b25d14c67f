import type { Candidate, RoutePlan, ServiceLabels, WorkloadLabels } from '@landbridge/core/route-plan.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { UNKNOWN_WORKLOAD } from './traffic-counter.ts';

/** Of one destination; those with more go by the agent. */
export const MAX_BACKENDS = 256;

/** A plan that the kernel can carry out by itself. */
export interface DirectPlan {
  readonly service: ServiceLabels | undefined;
  readonly backends: readonly { readonly address: SocketAddress; readonly weight: number; readonly labels: WorkloadLabels }[];
}

/** Undefined where connections need the agent: for a tunnel, another pod of this node, a bound, or another candidate where one fails in a lower rank. */
export function directPlan(plan: RoutePlan, destination: SocketAddress): DirectPlan | undefined {
  switch (plan.kind) {
    case 'passthrough':
      return { service: undefined, backends: [{ address: destination, weight: 1, labels: UNKNOWN_WORKLOAD }] };
    case 'refuse':
      return undefined;
    case 'balance': {
      const { service, candidates, limits, affinity } = plan;
      if (limits.maxConnections !== undefined || limits.maxPending !== undefined || affinity !== 'none') return undefined;
      if (candidates.length > MAX_BACKENDS || !candidates.every((candidate) => isPlain(candidate) && isOfFamily(candidate, destination))) return undefined;
      // What is not told to the kernel it does not need: others are tried by the agent, once connections fail.
      const first = candidates.filter(({ rank }) => rank === candidates[0]?.rank);
      return { service, backends: first.map(({ address, port, weight, labels }) => ({ address: { ip: address, port }, weight, labels })) };
    }
    default:
      return plan satisfies never;
  }
}

const isPlain = ({ hop, localPod }: Candidate): boolean => hop === 'plain' && localPod === undefined;

/** A socket of the application's has one family. */
const isOfFamily = ({ address }: Candidate, { ip }: SocketAddress): boolean => address.includes(':') === ip.includes(':');
