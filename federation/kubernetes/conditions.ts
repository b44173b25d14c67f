import type { V1Condition } from '@kubernetes/client-node';

/** Conditions with the transition time kept where the status stays (API conventions, "typical status properties"). */
export function withCondition(conditions: readonly V1Condition[] | undefined, condition: Omit<V1Condition, 'lastTransitionTime'>, now: Date): V1Condition[] | undefined {
  const known = conditions?.find(({ type }) => type === condition.type);
  if (known !== undefined && known.status === condition.status && known.reason === condition.reason && known.message === condition.message && known.observedGeneration === condition.observedGeneration) return undefined;
  const lastTransitionTime = known?.status === condition.status ? known.lastTransitionTime : now;
  return [...(conditions ?? []).filter(({ type }) => type !== condition.type), { ...condition, lastTransitionTime }];
}
