import { CLUSTERSET_DOMAIN } from '@landbridge/core/names.ts';
import type { TrafficPolicy } from '@landbridge/core/route-plan.ts';
import { objectNameValidator } from '../kubernetes/object-name.ts';
import { faultOf } from '../policy/policy-schema.ts';
import { listed, type Verdict } from '../policy/verdict.ts';
import { destinationRuleSpecValidator, type TrafficPolicySpec } from './destination-rule-schema.ts';

/** What a DestinationRule says of the hosts that it is for. */
export interface TrafficRule {
  readonly namespace: string;
  readonly name: string;
  /** ms since 1970. */
  readonly createdAt: number;
  /** A host's name in full, `*.` and the end of one, or `*`. */
  readonly host: string;
  readonly policy: TrafficPolicy;
}

export interface ConvertedRule {
  /** Undefined where it decides nothing. */
  readonly rule: TrafficRule | undefined;
  readonly verdict: Verdict;
}

export interface RulePlace {
  readonly rootNamespace: string;
  /** Under which DNS has the cluster's own Services. */
  readonly domain: string;
}

/** Agents send a connection to the endpoint of two with fewer of them, which both of these names are for elsewhere. */
const BY_LOAD: ReadonlySet<unknown> = new Set([undefined, 'UNSPECIFIED', 'LEAST_REQUEST', 'LEAST_CONN']);

interface ForeignRule {
  readonly metadata?: { readonly creationTimestamp?: unknown } | null;
  readonly spec?: unknown;
}

/** A DestinationRule of the API server. Total; undefined for what has not even a name. */
export function convertDestinationRule(object: unknown, place: RulePlace): ConvertedRule | undefined {
  const { metadata, spec } = (object ?? {}) as ForeignRule;
  if (!objectNameValidator.Check(metadata)) return undefined;
  const { namespace, name } = metadata;
  if (!destinationRuleSpecValidator.Check(spec)) return refused('Invalid', `It decides nothing, since it can not be read: ${listed([faultOf(destinationRuleSpecValidator, spec, 'spec')])}.`);
  const host = fullHost(spec.host, namespace, place.domain);
  const obstacle = obstacleOf(spec, host, namespace, place);
  if (obstacle !== undefined) return refused('UnsupportedValue', `It decides nothing: ${obstacle}.`);
  const policy = policyOf(spec.trafficPolicy ?? {});
  const createdAt = new Date((metadata as { readonly creationTimestamp?: string | Date }).creationTimestamp ?? 0).getTime();
  return { rule: { namespace, name, createdAt: Number.isNaN(createdAt) ? 0 : createdAt, host, policy }, verdict: judge(spec) };
}

const refused = (reason: 'Invalid' | 'UnsupportedValue', message: string): ConvertedRule => ({ rule: undefined, verdict: { kind: 'refused', reason, message } });

/** A name without a dot is that of a Service beside the rule. */
const fullHost = (host: string, namespace: string, domain: string): string => (host.includes('.') || host === '*' ? host : `${host}.${namespace}.svc.${domain}`);

type RuleSpec = { readonly exportTo?: readonly string[]; readonly workloadSelector?: unknown };

/** All clients of a service are told the same of it: what is meant for some of them has no form. */
function obstacleOf({ exportTo = [], workloadSelector }: RuleSpec, host: string, namespace: string, { rootNamespace, domain }: RulePlace): string | undefined {
  if (workloadSelector !== undefined && workloadSelector !== null) return 'agents do not know rules for some clients only (workloadSelector)';
  if (exportTo.length > 0 && !exportTo.includes('*')) return 'agents do not know rules for the clients of some namespaces only (exportTo)';
  const owner = ownerOf(host, domain);
  return owner === undefined || owner === namespace || namespace === rootNamespace ? undefined : `agents know only rules of the namespace of the service, ${owner}, and of ${rootNamespace}`;
}

/** The namespace of the Services that a host can be; undefined where it can be of several, or is no Service's. */
function ownerOf(host: string, domain: string): string | undefined {
  for (const end of [`.svc.${domain}`, `.svc.${CLUSTERSET_DOMAIN}`]) {
    const namespace = host.endsWith(end) ? host.slice(0, -end.length).split('.').at(-1) : undefined;
    if (namespace !== undefined && namespace !== '*') return namespace;
  }
  return undefined;
}

function policyOf({ connectionPool, loadBalancer }: TrafficPolicySpec): TrafficPolicy {
  // For Istio, as for the workload API, nothing is bounded by 0.
  const maxConnections = connectionPool?.tcp?.maxConnections || undefined;
  const maxPending = connectionPool?.http?.http1MaxPendingRequests || undefined;
  return { limits: { maxConnections, maxPending }, affinity: loadBalancer?.consistentHash?.useSourceIp === true ? 'client-address' : 'none' };
}

function judge(spec: object): Verdict {
  const unknown = [...unknownIn(spec)].sort();
  if (unknown.length === 0) return { kind: 'accepted', message: 'In force.' };
  return { kind: 'partial', reason: 'UnsupportedValue', message: `In force, but for what agents do not act upon: ${listed(unknown)}.` };
}

const KNOWN: Readonly<Record<string, readonly string[]>> = {
  '': ['host', 'trafficPolicy', 'exportTo'],
  trafficPolicy: ['connectionPool', 'loadBalancer'],
  'trafficPolicy.connectionPool': ['tcp', 'http'],
  'trafficPolicy.connectionPool.tcp': ['maxConnections'],
  'trafficPolicy.connectionPool.http': ['http1MaxPendingRequests'],
  'trafficPolicy.loadBalancer': ['simple', 'consistentHash'],
  'trafficPolicy.loadBalancer.consistentHash': ['useSourceIp'],
};

function* unknownIn(value: object, at = ''): Generator<string> {
  const known = KNOWN[at] ?? [];
  for (const [key, field] of Object.entries(value)) {
    const path = at === '' ? key : `${at}.${key}`;
    if (!known.includes(key)) yield path;
    else if (path === 'trafficPolicy.loadBalancer.simple') {
      if (!BY_LOAD.has(field)) yield `${path}: ${String(field)}`;
    } else if (Object.hasOwn(KNOWN, path) && typeof field === 'object' && field !== null) yield* unknownIn(field, path);
  }
}
