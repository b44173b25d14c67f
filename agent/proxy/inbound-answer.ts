import type { IpAddress } from '@landbridge/core/ip-address.ts';
import type { Authority } from '@landbridge/wire/authority.ts';
import { validateDestination, validateWithNames } from '../discovery/inbound-destination.ts';
import type { Workload } from '../discovery/wds-address.ts';
import { metrics } from '../metrics.ts';
import type { PlanDiscovery } from './route-plans.ts';
import type { InboundAnswer } from './thread-messages.ts';

/** As long as a connection waits for a plan. */
const KNOWN_WITHIN_MS = 5000;
/** What was asked for may name something else: a service its waypoint, and that its endpoints. */
const ROUNDS = 4;

/** Where an inbound tunnel goes. What it depends on is asked for where it is not known; without an answer in time it is refused. */
export function inboundAnswer({ registry, onDemand }: PlanDiscovery, workloadOf: () => Workload | undefined, authority: Authority, localIp: IpAddress): InboundAnswer | Promise<InboundAnswer> {
  if (onDemand === undefined) return validateDestination(registry, workloadOf(), authority, localIp);
  const first = validateWithNames(registry, workloadOf(), authority, localIp);
  return onDemand.need(first.names) ? first.destination : ask(registry, onDemand, workloadOf, authority, localIp);
}

async function ask(registry: PlanDiscovery['registry'], onDemand: NonNullable<PlanDiscovery['onDemand']>, workloadOf: () => Workload | undefined, authority: Authority, localIp: IpAddress): Promise<InboundAnswer> {
  const signal = AbortSignal.timeout(KNOWN_WITHIN_MS);
  for (let round = 0; round < ROUNDS; round++) {
    const { destination, names } = validateWithNames(registry, workloadOf(), authority, localIp);
    if (onDemand.need(names)) return destination;
    if (!(await onDemand.known(names, signal))) break;
  }
  metrics.discoveryUnanswered.inc({ question: 'tunnel' });
  return { kind: 'refuse', status: 503, reason: 'discovery has not told anything in time' };
}
