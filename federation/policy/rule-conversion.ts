/** Rules of an AuthorizationPolicy as clauses that decide about a connection. */
import { type Clause, EMPTY_MATCH, isEmptyMatch, type Match, type Rule } from '@landbridge/core/authorization.ts';
import type { Result } from '@landbridge/core/result.ts';
import { parseIpBlock, parsePort, parsePrincipal, parseServiceAccount, parseText } from './match-values.ts';
import { type Condition, faultOf, OPAQUE_OPERATION_FIELDS, OPAQUE_SOURCE_FIELDS, type Operation, type PolicyRule, ruleValidator, type Source } from './policy-schema.ts';

export interface ConvertedRule {
  /** Undefined: it never matches. */
  readonly rule: Rule | undefined;
  /** Attributes that a connection does not have. */
  readonly opaque: readonly string[];
  /** What can not be read, and where. */
  readonly faults: readonly string[];
}

/** One alternative of a clause, and what of it is missing in the match. */
interface Part {
  readonly match: Match;
  readonly opaque: readonly string[];
  readonly faults: readonly string[];
}

/**
 * A rule that allows counts only as a whole, as without one of its parts it would allow more. One that denies goes on
 * without what can not be evaluated, and so denies more.
 */
export function convertRule(action: 'allow' | 'deny', rule: unknown, namespace: string, at: string): ConvertedRule {
  if (!ruleValidator.Check(rule)) return { rule: action === 'allow' ? undefined : [], opaque: [], faults: [faultOf(ruleValidator, rule, at)] };
  const clauses = partsOf(rule, namespace, at);
  const parts = clauses.flat();
  const opaque = parts.flatMap((part) => part.opaque);
  const faults = parts.flatMap((part) => part.faults);
  if (action === 'allow' && (opaque.length > 0 || faults.length > 0)) return { rule: undefined, opaque, faults };
  // A match without any entry never matches, but here it stands for what may be anything.
  const kept = clauses.filter((clause) => clause.every(({ match }) => !isEmptyMatch(match)));
  return { rule: kept.map((clause): Clause => clause.map(({ match }) => match)), opaque, faults };
}

function partsOf({ from = [], to = [], when = [] }: PolicyRule, namespace: string, at: string): Part[][] {
  return [
    ...(to.length === 0 ? [] : [to.map(({ operation }, i) => operationPart(operation, `${at}.to[${i}].operation`))]),
    ...(from.length === 0 ? [] : [from.map(({ source }, i) => sourcePart(source, namespace, `${at}.from[${i}].source`))]),
    ...when.map((condition, i) => [conditionPart(condition, `${at}.when[${i}]`)]),
  ];
}

function sourcePart(source: Source, namespace: string, at: string): Part {
  const account = (value: string): ReturnType<typeof parseServiceAccount> => parseServiceAccount(value, namespace);
  return new PartReader(at).opaque(OPAQUE_SOURCE_FIELDS, source).whole({
    namespaces: ['namespaces', source.namespaces, parseText],
    notNamespaces: ['notNamespaces', source.notNamespaces, parseText],
    principals: ['principals', source.principals, parsePrincipal],
    notPrincipals: ['notPrincipals', source.notPrincipals, parsePrincipal],
    sourceIps: ['ipBlocks', source.ipBlocks, parseIpBlock],
    notSourceIps: ['notIpBlocks', source.notIpBlocks, parseIpBlock],
    serviceAccounts: ['serviceAccounts', source.serviceAccounts, account],
    notServiceAccounts: ['notServiceAccounts', source.notServiceAccounts, account],
  });
}

function operationPart(operation: Operation, at: string): Part {
  return new PartReader(at).opaque(OPAQUE_OPERATION_FIELDS, operation).whole({
    destinationPorts: ['ports', operation.ports, parsePort],
    notDestinationPorts: ['notPorts', operation.notPorts, parsePort],
  });
}

function conditionPart({ key, values, notValues }: Condition, at: string): Part {
  const reader = new PartReader(at);
  switch (key) {
    case 'source.ip':
      return reader.whole({ sourceIps: ['values', values, parseIpBlock], notSourceIps: ['notValues', notValues, parseIpBlock] });
    case 'source.namespace':
      return reader.whole({ namespaces: ['values', values, parseText], notNamespaces: ['notValues', notValues, parseText] });
    case 'source.principal':
      return reader.whole({ principals: ['values', values, parsePrincipal], notPrincipals: ['notValues', notValues, parsePrincipal] });
    case 'destination.ip':
      return reader.whole({ destinationIps: ['values', values, parseIpBlock], notDestinationIps: ['notValues', notValues, parseIpBlock] });
    case 'destination.port':
      return reader.whole({ destinationPorts: ['values', values, parsePort], notDestinationPorts: ['notValues', notValues, parsePort] });
    default:
      return { match: EMPTY_MATCH, opaque: [key.slice(0, 64)], faults: [] };
  }
}

type Read<T> = (value: string) => Result<T>;
/** Where a list of a match comes from, and how each value is read. */
type Lists = { readonly [K in keyof Match]?: readonly [name: string, values: readonly string[] | undefined, read: Read<Match[K][number]>] };

/** Reads one alternative. A list with a value that can not be read is left out as a whole. */
class PartReader {
  readonly #at: string;
  #opaque: readonly string[] = [];

  constructor(at: string) {
    this.#at = at;
  }

  opaque<K extends string>(names: readonly K[], of: Readonly<Partial<Record<K, readonly string[]>>>): this {
    this.#opaque = names.filter((name) => (of[name]?.length ?? 0) > 0);
    return this;
  }

  whole(lists: Lists): Part {
    const match: Record<string, readonly unknown[]> = { ...EMPTY_MATCH };
    const faults: string[] = [];
    let isEmpty = this.#opaque.length === 0;
    for (const [kind, [name, values = [], read]] of Object.entries(lists) as [string, [string, readonly string[] | undefined, Read<unknown>]][]) {
      if (values.length === 0) continue;
      isEmpty = false;
      const results = values.map(read);
      const refused = results.filter((result) => !result.ok).map(({ error }) => error);
      if (refused.length === 0) match[kind] = results.flatMap((result) => (result.ok ? [result.value] : []));
      else faults.push(...refused.map((reason) => `${this.#at}.${name}: ${reason}`));
    }
    if (isEmpty) faults.push(`${this.#at} says nothing`);
    return { match: match as unknown as Match, opaque: this.#opaque, faults };
  }
}
