import type { Endpoint, ServicePort, ServiceRecord } from '@landbridge/core/records.ts';
import type { Reach } from '../networks/reach.ts';
import { keepShares } from '../consent/share-caps.ts';
import type { Conflict, DecidedField } from './conflicts.ts';
import { mergePorts } from './merge-ports.ts';
import { precedence, type Sighting } from './precedence.ts';
import type { Standing } from '../peers/standing.ts';

/** What one cluster says of the services that it exports; keys are `<namespace>/<name>`. */
export interface Constituent {
  readonly cluster: string;
  readonly trustDomain: string;
  readonly network: string;
  /** From here; direct where it is left out. */
  readonly reach?: Reach;
  /** Milliseconds since 1970: since when it can have exported anything. */
  readonly joinedAt: number;
  readonly services: ReadonlyMap<string, ServiceRecord>;
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
  /** Of a service's ready endpoints, at most so many in a hundred may be this cluster's. */
  readonly maxShares?: ReadonlyMap<string, number>;
  /** `first` where left out. */
  readonly standing?: Standing;
}

export interface ImportedService {
  readonly namespace: string;
  readonly name: string;
  readonly type: ServiceRecord['type'];
  readonly ports: readonly ServicePort[];
  readonly sessionAffinity: ServiceRecord['sessionAffinity'];
  readonly sessionAffinityTimeoutSeconds: number | undefined;
  readonly ipFamilies: readonly ('IPv4' | 'IPv6')[];
  readonly internalTrafficPolicy: ServiceRecord['internalTrafficPolicy'];
  readonly trafficDistribution: string | undefined;
  /** `exportedLabels` and `exportedAnnotations`. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Sorted by cluster. */
  readonly clusters: readonly ImportPart[];
  /** Whether endpoints of clusters that are last are passed over: others are ready. */
  readonly prefersOthers?: boolean;
  /** The order in which clusters decide, as far as it is to be kept. */
  readonly precedence: readonly string[];
  /** What the constituents did not agree on. */
  readonly conflicts: readonly Conflict[];
}

export interface ImportPart {
  readonly cluster: string;
  readonly trustDomain: string;
  readonly network: string;
  readonly reach?: Reach;
  readonly maxSharePercent?: number;
  /** Those of the service there. Of the import's ports only these lead to the cluster. */
  readonly ports: readonly ServicePort[];
  readonly endpoints: readonly Endpoint[];
  /** Whether they come after those of all others. */
  readonly isLast?: boolean;
}

/** Whose export decides: `order` has all clusters that export the service, `kept` what is to be remembered of it. */
export interface Order {
  readonly order: readonly string[];
  readonly kept: readonly string[];
}

/** Merges the exports of all clusters as if they were seen for the first time, together. */
export function merge(constituents: readonly Constituent[], nowMs: number): ReadonlyMap<string, ImportedService> {
  const keys = new Set(constituents.flatMap(({ services }) => [...services.keys()]));
  return new Map([...keys].sort().map((key) => [key, mergeService(key, constituents, { order: precedence([], sightings(key, constituents), nowMs), kept: [] })]));
}

export function sightings(key: string, constituents: readonly Constituent[]): readonly Sighting[] {
  return constituents.flatMap(({ cluster, joinedAt, services }) => {
    const record = services.get(key);
    return record === undefined ? [] : [{ cluster, joinedAt, exportedAt: record.exportedAt }];
  });
}

/**
 * One service, which at least one of the constituents exports (KEP-1645, "Constraints and Conflict Resolution"): ports are
 * united; where clusters disagree, the first in the order decides. The result does not depend on the order of the constituents.
 */
export function mergeService(key: string, constituents: readonly Constituent[], { order, kept }: Order): ImportedService {
  const byCluster = new Map(constituents.map((constituent) => [constituent.cluster, constituent]));
  const parts = order.flatMap((cluster): Part[] => {
    const constituent = byCluster.get(cluster);
    const record = constituent?.services.get(key);
    return constituent === undefined || record === undefined ? [] : [{ constituent, record }];
  });
  const [first] = parts;
  if (first === undefined) throw new RangeError(`nobody exports ${key}`);
  const { record } = first;
  const { ports, conflicts } = mergePorts(parts.map((part) => ({ cluster: part.constituent.cluster, ports: part.record.ports })));
  return {
    namespace: record.namespace,
    name: record.name,
    type: record.type,
    ports,
    sessionAffinity: record.sessionAffinity,
    sessionAffinityTimeoutSeconds: record.sessionAffinityTimeoutSeconds,
    ipFamilies: record.ipFamilies,
    internalTrafficPolicy: record.internalTrafficPolicy,
    trafficDistribution: record.trafficDistribution,
    labels: record.exportedLabels ?? {},
    annotations: record.exportedAnnotations ?? {},
    clusters: keepShares(parts.map(({ constituent: { cluster, trustDomain, network, reach, endpoints, maxShares }, record: theirs }) => ({ cluster, trustDomain, network, ...(reach === undefined ? {} : { reach }), ports: theirs.ports, endpoints: endpoints.get(key) ?? [], maxSharePercent: maxShares?.get(key) })))
      .toSorted((a, b) => (a.cluster < b.cluster ? -1 : 1)),
    precedence: kept,
    conflicts: [...conflicts, ...valueConflicts(first, parts)],
  };
}

interface Part {
  readonly constituent: Constituent;
  readonly record: ServiceRecord;
}

/** As what values of a field are compared: what Kubernetes takes for the same is the same here. */
const COMPARED: Readonly<Record<DecidedField, (record: ServiceRecord) => string>> = {
  type: ({ type }) => type,
  sessionAffinity: ({ sessionAffinity }) => sessionAffinity,
  sessionAffinityConfig: ({ sessionAffinityTimeoutSeconds }) => `timeoutSeconds ${sessionAffinityTimeoutSeconds ?? 'not set'}`,
  ipFamilies: ({ ipFamilies }) => [...ipFamilies].sort().join(' and ') || 'none',
  // The API server's default.
  internalTrafficPolicy: ({ internalTrafficPolicy }) => internalTrafficPolicy ?? 'Cluster',
  trafficDistribution: ({ trafficDistribution }) => trafficDistribution ?? 'not set',
  exportedLabels: ({ exportedLabels }) => sortedText(exportedLabels),
  exportedAnnotations: ({ exportedAnnotations }) => sortedText(exportedAnnotations),
};
/** Of which the values are not told in a sentence. */
const LONG: ReadonlySet<DecidedField> = new Set(['exportedLabels', 'exportedAnnotations']);

const sortedText = (values: Readonly<Record<string, string>> = {}): string => JSON.stringify(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));

function valueConflicts(first: Part, parts: readonly Part[]): Conflict[] {
  const winner = first.constituent.cluster;
  return (Object.entries(COMPARED) as [DecidedField, (record: ServiceRecord) => string][]).flatMap(([field, of]) => {
    const value = of(first.record);
    // Who has no affinity, or another one, differs in that, and not in how long it lasts.
    const compared = field === 'sessionAffinityConfig' ? parts.filter(({ record }) => record.sessionAffinity === first.record.sessionAffinity) : parts;
    const losers = compared.filter(({ record }) => of(record) !== value).map(({ constituent }) => constituent.cluster).sort();
    return losers.length === 0 ? [] : [{ kind: 'value', field, value: LONG.has(field) ? '' : value, winner, losers } as const];
  });
}
