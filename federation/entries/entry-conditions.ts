import type { V1Condition } from '@kubernetes/client-node';
import { withCondition } from '../kubernetes/conditions.ts';
import { ACCEPTED } from '../policy/policy-conditions.ts';
import { listed } from '../policy/verdict.ts';
import type { ReadEntry } from './service-entry.ts';

interface WithConditions {
  readonly metadata?: { readonly generation?: number };
  readonly status?: { readonly conditions?: readonly V1Condition[] };
}

/**
 * The conditions that an entry is to have; undefined where it has them. Where all of it is in force nothing is said, unless
 * something was before. Those of others stay.
 */
export function entryConditions(object: object, read: ReadEntry<unknown>, now: Date): readonly V1Condition[] | undefined {
  const { metadata, status } = object as WithConditions;
  const before = status?.conditions;
  const said = conditionOf(read);
  if (said.reason === 'Accepted' && before?.some(({ type }) => type === ACCEPTED) !== true) return undefined;
  return withCondition(before, { type: ACCEPTED, ...said, ...(metadata?.generation === undefined ? {} : { observedGeneration: metadata.generation }) }, now);
}

function conditionOf({ entry, faults, unsupported }: ReadEntry<unknown>): Pick<V1Condition, 'status' | 'reason' | 'message'> {
  if (unsupported !== undefined) return { status: 'False', reason: 'UnsupportedValue', message: unsupported };
  if (entry === undefined) return { status: 'False', reason: 'Invalid', message: `It counts for nothing, since it can not be read: ${listed(faults)}.` };
  return faults.length === 0 ? { status: 'True', reason: 'Accepted', message: 'In force.' } : { status: 'True', reason: 'PartiallyInvalid', message: `In force without ${listed(faults)}.` };
}
