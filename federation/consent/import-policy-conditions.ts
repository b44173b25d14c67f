import type { V1Condition } from '@kubernetes/client-node';
import { withCondition } from '../kubernetes/conditions.ts';
import { ACCEPTED } from '../policy/policy-conditions.ts';
import type { ConsentReport } from './consent-report.ts';
import type { JudgedImportPolicy } from './import-policies.ts';

/** Whether there is something now that the policy keeps out. */
export const REFUSING = 'Refusing';
/** Exports that a message names. */
const MAX_NAMED = 5;

interface WithConditions {
  readonly metadata?: { readonly generation?: number };
  readonly status?: { readonly conditions?: readonly V1Condition[] };
}

/** The conditions that a policy is to have; undefined where it has them. Those of others stay. */
export function importPolicyConditions({ object, policy }: JudgedImportPolicy, report: ConsentReport, now: Date): readonly V1Condition[] | undefined {
  const { metadata, status } = object as WithConditions;
  const observed = metadata?.generation === undefined ? {} : { observedGeneration: metadata.generation };
  const accepted = policy.fault === undefined ? { status: 'True', reason: 'Accepted', message: '' } : { status: 'False', reason: 'Invalid', message: `it denies what it governs: ${policy.fault}` };
  const refused = refusedBy(policy.name, report);
  const refusing = refused.length === 0 ? { status: 'False', reason: 'NothingRefused', message: '' } : { status: 'True', reason: 'NotAllowed', message: messageOf(refused) };
  let conditions: readonly V1Condition[] | undefined;
  for (const condition of [{ type: ACCEPTED, ...accepted, ...observed }, { type: REFUSING, ...refusing, ...observed }]) conditions = withCondition(conditions ?? status?.conditions, condition, now) ?? conditions;
  return conditions;
}

/** `<cluster>: <namespace>/<name>`, of those that are reported. */
function refusedBy(policy: string, report: ConsentReport): readonly string[] {
  return [...report].flatMap(([cluster, { refusals }]) => refusals.filter((refusal) => refusal.policy === policy).map(({ service }) => `${service} of ${cluster}`));
}

function messageOf(refused: readonly string[]): string {
  const more = refused.length - MAX_NAMED;
  return `not imported: ${refused.slice(0, MAX_NAMED).join(', ')}${more > 0 ? ' and others' : ''}`;
}
