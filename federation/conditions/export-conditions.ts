import type { V1Condition } from '@kubernetes/client-node';
import { type StatedCondition, withConditions } from '../kubernetes/conditions.ts';
import type { ServiceExport } from '../kubernetes/types.ts';
import { type Conflict, conflictMessage, conflictReason } from '../merge/conflicts.ts';
import type { ExportValidity } from '../registry/exports.ts';

/** How far the record of an export has come on its way to the other clusters. */
export type Publication =
  /** The hub has it, or had it. */
  | { readonly kind: 'stored' }
  | { readonly kind: 'waiting' }
  /** There is no clusterset that it could go to. */
  | { readonly kind: 'alone' }
  | { readonly kind: 'refused'; readonly message: string };

export interface ExportFacts {
  readonly validity: ExportValidity;
  readonly publication: Publication;
  /** Undefined while not all clusters are known that may differ. */
  readonly conflicts: readonly Conflict[] | undefined;
  /** Names of labels and annotations that are not exported. */
  readonly leftOut: readonly string[];
}

/** Names in a message. */
const MAX_NAMED = 8;

/**
 * The conditions of a ServiceExport (KEP-1645, mcs-api v1beta1); undefined where it has them already. Every cluster that
 * exports the service says of its own export what is not agreed on, whoever has decided.
 */
export function exportConditions({ metadata, status }: ServiceExport, facts: ExportFacts, now: Date): V1Condition[] | undefined {
  const { validity, conflicts } = facts;
  const known = status?.conditions;
  const wasReady = known?.some(({ type, status: said }) => type === 'Ready' && said === 'True') === true;
  return withConditions(known, [
    validity.valid ? { type: 'Valid', status: 'True', reason: 'Valid', message: '' } : { type: 'Valid', status: 'False', reason: validity.reason, message: validity.message },
    ready(facts, wasReady),
    ...(conflicts === undefined ? [] : [conflicts.length === 0 ? { type: 'Conflict', status: 'False', reason: 'NoConflicts', message: '' } : { type: 'Conflict', status: 'True', reason: conflictReason(conflicts), message: conflictMessage(conflicts) }]),
  ], metadata?.generation, now);
}

/** Once it is ready it stays so while its record is written anew, as after each restart of this service: others have the one before. */
function ready({ validity, publication, leftOut }: ExportFacts, wasReady: boolean): StatedCondition {
  if (!validity.valid) return { type: 'Ready', status: 'False', reason: validity.reason === 'NoService' ? 'Pending' : 'Failed', message: validity.message };
  const exported: StatedCondition = { type: 'Ready', status: 'True', reason: 'Exported', message: leftOutText(leftOut) };
  switch (publication.kind) {
    case 'stored':
      return exported;
    case 'waiting':
      return wasReady ? exported : { type: 'Ready', status: 'False', reason: 'Pending', message: 'the hub has not got it yet' };
    case 'alone':
      return { type: 'Ready', status: 'False', reason: 'Pending', message: 'this cluster has not joined a clusterset' };
    case 'refused':
      return { type: 'Ready', status: 'False', reason: 'Failed', message: publication.message };
    default:
      return publication satisfies never;
  }
}

function leftOutText(names: readonly string[]): string {
  if (names.length === 0) return '';
  return `not exported, as they are too many, too long or not valid: ${names.slice(0, MAX_NAMED).map((name) => name.slice(0, 100)).join(', ')}${names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : ''}`;
}
