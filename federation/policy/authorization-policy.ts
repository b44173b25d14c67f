import type { AuthorizationPolicy } from '@landbridge/core/authorization.ts';
import type { Selector } from '../registry/label-selector.ts';
import { objectNameValidator } from '../kubernetes/object-name.ts';
import { authorizationSpecValidator, faultOf, selectorValidator } from './policy-schema.ts';
import { type ConvertedRule, convertRule } from './rule-conversion.ts';
import { listed, type Verdict } from './verdict.ts';

export interface ConvertedPolicy {
  /** Undefined where agents have nothing to do with it. */
  readonly policy: AuthorizationPolicy | undefined;
  /** Of a policy with scope `workload`. */
  readonly selector: Selector;
  readonly verdict: Verdict;
}

const DRY_RUN_ANNOTATION = 'istio.io/dry-run';
/** What Go takes for true (strconv.ParseBool), as istiod does. */
const TRUE: ReadonlySet<unknown> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);

interface ForeignPolicy {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, unknown>> | null } | null;
  readonly spec?: unknown;
}

/**
 * An AuthorizationPolicy of the API server as istiod converts it for ztunnel, but for what istiod lets pass: what can not
 * be evaluated denies (docs/policies.md). Total; undefined for what has not even a name.
 */
export function convertAuthorizationPolicy(object: unknown, rootNamespace: string): ConvertedPolicy | undefined {
  const { metadata, spec = {} } = (object ?? {}) as ForeignPolicy;
  if (!objectNameValidator.Check(metadata)) return undefined;
  const { namespace, name } = metadata;
  const fields = (typeof spec === 'object' && spec !== null ? spec : {}) as Readonly<Record<string, unknown>>;
  if (isForWaypoint(fields)) return { policy: undefined, selector: [], verdict: { kind: 'elsewhere' } };
  if (fields['action'] === 'AUDIT' || fields['action'] === 'CUSTOM') return { policy: undefined, selector: [], verdict: { kind: 'refused', reason: 'UnsupportedValue', message: `Agents do not know the action ${fields['action']}: this policy decides nothing.` } };
  // Whatever can not be read may be meant for all.
  const selector = selectorOf(fields['selector']) ?? [];
  const action = fields['action'] === undefined || fields['action'] === 'ALLOW' ? 'allow' : 'deny';
  const scope = selector.length > 0 ? 'workload' : namespace === rootNamespace ? 'global' : 'namespace';
  const head = { namespace, name, scope, action, dryRun: TRUE.has(metadata.annotations?.[DRY_RUN_ANNOTATION]), unevaluable: undefined } as const;
  if (!authorizationSpecValidator.Check(spec)) {
    const message = `It ${action === 'allow' ? 'allows nothing' : 'denies everything'}, since it can not be read: ${listed([faultOf(authorizationSpecValidator, spec, 'spec')])}.`;
    return { policy: { ...head, rules: action === 'allow' ? [] : [[]] }, selector, verdict: { kind: 'refused', reason: 'Invalid', message } };
  }
  const rules = (spec.rules ?? []).map((rule, i) => convertRule(action, rule, namespace, `rules[${i}]`));
  return { policy: { ...head, rules: rules.flatMap(({ rule }) => (rule === undefined ? [] : [rule])) }, selector, verdict: judge(action, rules) };
}

/** Undefined for what is none. */
export function selectorOf(value: unknown): Selector | undefined {
  return selectorValidator.Check(value) ? Object.entries(value.matchLabels ?? {}) : undefined;
}

function isForWaypoint({ targetRef, targetRefs }: Readonly<Record<string, unknown>>): boolean {
  return (Array.isArray(targetRefs) && targetRefs.length > 0) || (typeof targetRef === 'object' && targetRef !== null);
}

function judge(action: 'allow' | 'deny', rules: readonly ConvertedRule[]): Verdict {
  const faults = rules.flatMap((rule) => rule.faults);
  const opaque = [...new Set(rules.flatMap((rule) => rule.opaque))].sort();
  const sentences = [
    ...(opaque.length === 0 ? [] : [`Agents see connections, not requests, and can not evaluate ${listed(opaque)}.`]),
    ...(faults.length === 0 ? [] : [`Not readable: ${listed(faults)}.`]),
  ];
  if (sentences.length === 0) return { kind: 'accepted', message: rules.length > 0 ? 'In force.' : action === 'allow' ? 'In force: it has no rules, and allows nothing.' : 'In force: it has no rules, and denies nothing.' };
  sentences.push(action === 'allow' ? 'Rules with that allow nothing.' : 'Rules with that are in force without it, and deny more.');
  return { kind: 'partial', reason: faults.length > 0 ? 'PartiallyInvalid' : 'UnsupportedValue', message: sentences.join(' ') };
}
