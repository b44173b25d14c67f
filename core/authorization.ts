/** AuthorizationPolicy at layer 4, decided as ztunnel decides it. Policies are plain data: they are copied between threads. */
import type { SpiffeId, WorkloadIdentity } from './identity.ts';
import { type IpAddress, type IpPrefix, ipBytes, prefixContainsBytes } from './ip-address.ts';

export type StringMatch = { readonly kind: 'exact' | 'prefix' | 'suffix'; readonly value: string } | { readonly kind: 'presence' };

export interface ServiceAccountMatch {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Matches where all its kinds do: of a list any, or all where it is empty; of a list beginning with `not` none. Without any entry it never matches. */
export interface Match {
  readonly namespaces: readonly StringMatch[];
  readonly notNamespaces: readonly StringMatch[];
  /** Compared with the SPIFFE ID without `spiffe://`. */
  readonly principals: readonly StringMatch[];
  readonly notPrincipals: readonly StringMatch[];
  readonly sourceIps: readonly IpPrefix[];
  readonly notSourceIps: readonly IpPrefix[];
  readonly destinationIps: readonly IpPrefix[];
  readonly notDestinationIps: readonly IpPrefix[];
  readonly destinationPorts: readonly number[];
  readonly notDestinationPorts: readonly number[];
  /** Of any trust domain. */
  readonly serviceAccounts: readonly ServiceAccountMatch[];
  readonly notServiceAccounts: readonly ServiceAccountMatch[];
}

/** Of the lists that a match does not speak of. */
export const EMPTY_MATCH: Match = { namespaces: [], notNamespaces: [], principals: [], notPrincipals: [], sourceIps: [], notSourceIps: [], destinationIps: [], notDestinationIps: [], destinationPorts: [], notDestinationPorts: [], serviceAccounts: [], notServiceAccounts: [] };

/** Matches where any of its matches does, or where it has none. */
export type Clause = readonly Match[];
/** Matches where all its clauses do. */
export type Rule = readonly Clause[];

export interface AuthorizationPolicy {
  readonly namespace: string;
  readonly name: string;
  /** `workload`: only for workloads that name it. */
  readonly scope: 'global' | 'namespace' | 'workload';
  readonly action: 'allow' | 'deny';
  /** Matches where any does; without rules never. */
  readonly rules: readonly Rule[];
  /** Says what it would do and does nothing. */
  readonly dryRun: boolean;
  /** What of it can not be evaluated. Then it denies everything, or allows nothing. */
  readonly unevaluable: string | undefined;
}

export interface ConnectionFacts {
  readonly sourceIp: IpAddress;
  readonly destinationIp: IpAddress;
  /** The application's. */
  readonly destinationPort: number;
  /** As proved by the certificate; undefined for a connection that came in plaintext. */
  readonly identity: (WorkloadIdentity & { readonly id: SpiffeId }) | undefined;
}

export type Decision = { readonly allowed: true } | { readonly allowed: false; readonly reason: string; /** `<namespace>/<name>` */ readonly policy: string | undefined };

export type Verdict = Decision & {
  /** The decision if the policies on dry run were in force; undefined where there are none. */
  readonly dryRun: Decision | undefined;
};

const ALLOWED: Decision = { allowed: true };
const SCHEME = 'spiffe://';

/** `<namespace>/<name>`, by which workloads name a policy. */
export const policyKey = ({ namespace, name }: Pick<AuthorizationPolicy, 'namespace' | 'name'>): string => `${namespace}/${name}`;

/** The policies that a workload stands under: those of its namespace, those for all, and those that it names. */
export function selectPolicies(
  all: ReadonlyMap<string, AuthorizationPolicy>,
  workload: { readonly namespace: string; readonly authorizationPolicies: readonly string[] },
): { readonly policies: readonly AuthorizationPolicy[]; /** Named, but not known (yet). */ readonly missing: readonly string[] } {
  const policies = new Set<AuthorizationPolicy>();
  const missing: string[] = [];
  for (const policy of all.values()) if (policy.scope === 'global' || (policy.scope === 'namespace' && policy.namespace === workload.namespace)) policies.add(policy);
  for (const key of workload.authorizationPolicies) {
    const policy = all.get(key);
    if (policy === undefined) missing.push(key);
    else policies.add(policy);
  }
  return { policies: [...policies], missing };
}

/** `policies` are all that the destination stands under. */
export function authorize(policies: readonly AuthorizationPolicy[], facts: ConnectionFacts): Verdict {
  if (policies.length === 0) return { allowed: true, dryRun: undefined };
  const connection = { ...facts, source: ipBytes(facts.sourceIp), destination: ipBytes(facts.destinationIp) };
  const hasDryRun = policies.some(({ dryRun }) => dryRun);
  return { ...decide(hasDryRun ? policies.filter(({ dryRun }) => !dryRun) : policies, connection), dryRun: hasDryRun ? decide(policies, connection) : undefined };
}

type Connection = ConnectionFacts & { readonly source: Uint8Array; readonly destination: Uint8Array };

/** Deny goes first; then, where anything is allowed by a policy, only that is. */
function decide(policies: readonly AuthorizationPolicy[], connection: Connection): Decision {
  let hasAllow = false;
  let isAllowed = false;
  for (const policy of policies) {
    if (policy.action === 'allow') {
      hasAllow = true;
      isAllowed ||= policy.unevaluable === undefined && matchesPolicy(policy, connection);
    } else if (policy.unevaluable !== undefined) {
      return { allowed: false, reason: `${policyKey(policy)} denies everything, since it can not be evaluated: ${policy.unevaluable}`, policy: policyKey(policy) };
    } else if (matchesPolicy(policy, connection)) {
      return { allowed: false, reason: `explicitly denied by: ${policyKey(policy)}`, policy: policyKey(policy) };
    }
  }
  return !hasAllow || isAllowed ? ALLOWED : { allowed: false, reason: 'allow policies exist, but none allowed', policy: undefined };
}

function matchesPolicy({ rules }: AuthorizationPolicy, connection: Connection): boolean {
  return rules.some((rule) => rule.every((clause) => clause.length === 0 || clause.some((match) => matches(match, connection))));
}

function matches(match: Match, { source, destination, destinationPort, identity }: Connection): boolean {
  if (isEmptyMatch(match)) return false;
  // Without an identity the namespace is the empty text, and there is no principal that anything could match.
  const namespace = identity?.namespace ?? '';
  const principal = identity?.id.slice(SCHEME.length);
  return (
    fits(match.destinationPorts, match.notDestinationPorts, (port) => port === destinationPort) &&
    fits(match.sourceIps, match.notSourceIps, (prefix) => prefixContainsBytes(prefix, source)) &&
    fits(match.destinationIps, match.notDestinationIps, (prefix) => prefixContainsBytes(prefix, destination)) &&
    fits(match.namespaces, match.notNamespaces, (of) => matchesText(of, namespace)) &&
    fits(match.principals, match.notPrincipals, (of) => principal !== undefined && matchesText(of, principal)) &&
    fits(match.serviceAccounts, match.notServiceAccounts, (of) => identity !== undefined && of.namespace === identity.namespace && of.serviceAccount === identity.serviceAccount)
  );
}

function fits<T>(wanted: readonly T[], unwanted: readonly T[], isIt: (each: T) => boolean): boolean {
  return (wanted.length === 0 || wanted.some(isIt)) && !unwanted.some(isIt);
}

function matchesText(match: StringMatch, text: string): boolean {
  switch (match.kind) {
    case 'exact':
      return text === match.value;
    case 'prefix':
      return text.startsWith(match.value);
    case 'suffix':
      return text.endsWith(match.value);
    case 'presence':
      return text !== '';
    default:
      return match satisfies never;
  }
}

export function isEmptyMatch(match: Match): boolean {
  for (const list of Object.values(match) as (readonly unknown[])[]) if (list.length > 0) return false;
  return true;
}
