import { CLOSED_NAMESPACES } from '../outputs/names.ts';
import type { AddressRanges } from './address-ranges.ts';
import type { PolicyRanges } from './endpoint-confinement.ts';
import type { ImportPolicy, Rule } from './import-policy.ts';

/** What one cluster exports, as it would be imported here. */
export interface Candidate {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  /** Whether this cluster has a Service of that name itself. */
  readonly isLocal: boolean;
}

/** Why it is not imported: a place that is closed to all, a policy that does not allow it, one that can not be read, or more of one cluster than is imported. */
export const REFUSAL_REASONS = ['closed', 'policy', 'invalid-policy', 'quota'] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

export interface Refused {
  readonly kind: 'refused';
  readonly reason: RefusalReason;
  /** Its name, where it is one. */
  readonly policy: string | undefined;
  readonly message: string;
}

export type Decision =
  | { readonly kind: 'allowed'; readonly ranges: PolicyRanges; readonly maxSharePercent: number | undefined }
  | Refused;

/** The API server of each cluster, by the names that its own pods know. */
const API_SERVER_SERVICE = 'default/kubernetes';

/**
 * Whether the export counts here. Every policy that governs it has to allow it by one of its rules, so that a further policy
 * only ever narrows and a further rule only ever widens, in whatever order.
 */
export function decideImport(policies: readonly ImportPolicy[], candidate: Candidate): Decision {
  const { namespace, name } = candidate;
  if (CLOSED_NAMESPACES.has(namespace) || `${namespace}/${name}` === API_SERVER_SERVICE) return refused('closed', undefined, `nothing is imported as ${namespace}/${name}`);
  const ranges: (readonly AddressRanges[])[] = [];
  let maxSharePercent: number | undefined;
  for (const policy of policies) {
    if (!isIn(policy.governs, candidate)) continue;
    if (policy.fault !== undefined) return refused('invalid-policy', policy.name, `ImportPolicy ${policy.name} can not be read, and denies what it governs`);
    const rules = policy.allow.filter((rule) => isMeant(rule, candidate));
    if (rules.length === 0) return refused('policy', policy.name, `ImportPolicy ${policy.name} does not allow it`);
    // Of rules that allow the same, the wider one counts.
    const confined = rules.flatMap((rule) => rule.ranges ?? []);
    if (confined.length === rules.length) ranges.push(confined);
    const share = Math.max(...rules.map((rule) => rule.maxSharePercent ?? 100));
    if (share < (maxSharePercent ?? 100)) maxSharePercent = share;
  }
  return { kind: 'allowed', ranges, maxSharePercent };
}

function refused(reason: RefusalReason, policy: string | undefined, message: string): Refused {
  return { kind: 'refused', reason, policy, message };
}

const has = (names: ReadonlySet<string> | undefined, name: string): boolean => names === undefined || names.has(name);

function isIn({ namespaces, services }: ImportPolicy['governs'], { namespace, name }: Candidate): boolean {
  return has(namespaces, namespace) && has(services, name);
}

function isMeant(rule: Rule, candidate: Candidate): boolean {
  return has(rule.clusters, candidate.cluster) && isIn(rule, candidate) && !(rule.unlessLocal && candidate.isLocal);
}
