import type { V1Condition } from '@kubernetes/client-node';

/** A condition as it is to be, but for when it came to be. */
export type StatedCondition = Omit<V1Condition, 'lastTransitionTime'>;

/** Conditions with the transition time kept where the status stays (API conventions, "typical status properties"); undefined where they say it already. */
export function withCondition(conditions: readonly V1Condition[] | undefined, condition: StatedCondition, now: Date): V1Condition[] | undefined {
  const known = conditions?.find(({ type }) => type === condition.type);
  if (known !== undefined && known.status === condition.status && known.reason === condition.reason && known.message === condition.message && known.observedGeneration === condition.observedGeneration) return undefined;
  const lastTransitionTime = known?.status === condition.status ? known.lastTransitionTime : now;
  return [...(conditions ?? []).filter(({ type }) => type !== condition.type), { ...condition, lastTransitionTime }];
}

/** Several of an object of this generation; undefined where they say all of it already. */
export function withConditions(conditions: readonly V1Condition[] | undefined, stated: readonly StatedCondition[], generation: number | undefined, now: Date): V1Condition[] | undefined {
  let changed: V1Condition[] | undefined;
  for (const condition of stated) changed = withCondition(changed ?? conditions, { ...condition, ...(generation === undefined ? {} : { observedGeneration: generation }) }, now) ?? changed;
  return changed;
}
