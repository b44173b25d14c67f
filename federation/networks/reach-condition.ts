import type { StatedCondition } from '../kubernetes/conditions.ts';
import type { ImportedService } from '../merge/merge.ts';

/** Ours, on ServiceImports; it is not there where all pods have always been reached by their addresses. */
export const REACHABLE = 'Reachable';
/** As many clusters are named; the message says how many there are besides. */
const MAX_NAMED = 20;

/** How pods of other networks are reached, for those who wonder why no slice has them. */
export function reachCondition({ type, clusters }: Pick<ImportedService, 'type' | 'clusters'>): StatedCondition | undefined {
  const withReach = (wanted: 'gateway' | 'none'): readonly string[] => clusters.filter(({ reach }) => reach === wanted).map(({ cluster }) => cluster);
  const [far, lost] = [withReach('gateway'), withReach('none')];
  if (far.length === 0 && lost.length === 0) return undefined;
  const sentences = [
    ...(far.length === 0 ? [] : [type === 'Headless' ? `Pods of ${listed(far)} are in other networks, where pods of a headless service are not reached.` : `Pods of ${listed(far)} are in other networks: pods of the mesh reach them through gateways, others do not, and no EndpointSlice has them.`]),
    ...(lost.length === 0 ? [] : [`Pods of ${listed(lost)} are in other networks, to which no gateway is known.`]),
  ];
  const isReached = lost.length === 0 && (far.length === 0 || type !== 'Headless');
  return { type: REACHABLE, status: isReached ? 'True' : 'False', reason: lost.length > 0 ? 'NoGateway' : type === 'Headless' ? 'HeadlessInOtherNetwork' : 'ThroughGateways', message: sentences.join(' ') };
}

const listed = (clusters: readonly string[]): string => `${clusters.slice(0, MAX_NAMED).join(', ')}${clusters.length > MAX_NAMED ? ` and ${clusters.length - MAX_NAMED} more` : ''}`;
