import type { PolicyReport } from '../admin/admin-api.ts';
import type { JudgedPolicy } from './policy-view.ts';
import type { Verdict } from './verdict.ts';

/** Policies that are named; all are counted. */
export const MAX_REPORTED_POLICIES = 20;

export type VerdictCounts = Readonly<Record<Verdict['kind'], number>>;

export function countVerdicts(judged: readonly JudgedPolicy[]): VerdictCounts {
  const counts = { accepted: 0, partial: 0, refused: 0, elsewhere: 0 };
  for (const { verdict } of judged) counts[verdict.kind] += 1;
  return counts;
}

/** What the admin API tells of policies: how many, and of the first that are not in force as they are written, why. */
export function policyReport(judged: readonly JudgedPolicy[]): PolicyReport {
  const { accepted, partial, refused } = countVerdicts(judged);
  const faults = judged.flatMap(({ object, verdict }) => (verdict.kind === 'refused' || verdict.kind === 'partial' ? [{ kind: object.kind ?? '', namespace: object.metadata?.namespace ?? '', name: object.metadata?.name ?? '', reason: verdict.reason, message: verdict.message }] : []));
  // Those that decide nothing, or everything, before those that are only stricter.
  const order = (reason: string): number => (reason === 'Invalid' ? 0 : reason === 'PartiallyInvalid' ? 1 : 2);
  return { accepted, partial, refused, faults: faults.sort((a, b) => order(a.reason) - order(b.reason)).slice(0, MAX_REPORTED_POLICIES) };
}
