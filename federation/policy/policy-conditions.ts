import type { V1Condition } from '@kubernetes/client-node';
import { withCondition } from '../kubernetes/conditions.ts';
import type { JudgedPolicy } from './policy-view.ts';
import type { Verdict } from './verdict.ts';

/** Ours, on both kinds. */
export const ACCEPTED = 'Accepted';
/** Istio's, on AuthorizationPolicies: scripts that were written for Istio wait for it. */
const ZTUNNEL_ACCEPTED = 'ZtunnelAccepted';

interface WithConditions {
  readonly kind?: string;
  readonly metadata?: { readonly generation?: number };
  readonly status?: { readonly conditions?: readonly V1Condition[] };
}

/** The conditions that a policy is to have; undefined where it has them. Those of others stay. */
export function policyConditions({ object, verdict }: JudgedPolicy, now: Date): readonly V1Condition[] | undefined {
  const { kind, metadata, status } = object as WithConditions;
  const before = status?.conditions ?? [];
  const types = [ACCEPTED, ...(kind === 'AuthorizationPolicy' && !isSomebodyElses(before) ? [ZTUNNEL_ACCEPTED] : [])];
  const said = conditionOf(verdict);
  if (said === undefined) return before.some(({ type }) => types.includes(type)) ? before.filter(({ type }) => !types.includes(type)) : undefined;
  const observed = metadata?.generation === undefined ? {} : { observedGeneration: metadata.generation };
  let conditions = [...before];
  for (const type of types) conditions = withCondition(conditions, { type, ...said, ...observed }, now) ?? conditions;
  return conditions.length === before.length && conditions.every((condition) => before.includes(condition)) ? undefined : conditions;
}

/** istiod, where it speaks for ambient itself, says it in other words than we did. Two that correct each other would never end. */
function isSomebodyElses(conditions: readonly V1Condition[]): boolean {
  const find = (wanted: string): V1Condition | undefined => conditions.find(({ type }) => type === wanted);
  const [ours, theirs] = [find(ACCEPTED), find(ZTUNNEL_ACCEPTED)];
  return theirs !== undefined && (ours?.reason !== theirs.reason || ours.message !== theirs.message);
}

function conditionOf(verdict: Verdict): Pick<V1Condition, 'status' | 'reason' | 'message'> | undefined {
  switch (verdict.kind) {
    case 'accepted':
      return { status: 'True', reason: 'Accepted', message: verdict.message };
    case 'partial':
      return { status: 'True', reason: verdict.reason, message: verdict.message };
    case 'refused':
      return { status: 'False', reason: verdict.reason, message: verdict.message };
    case 'elsewhere':
      return undefined;
    default:
      return verdict satisfies never;
  }
}
