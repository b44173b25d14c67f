/** Which part of a service's connections each cluster gets, whatever it says of itself. */

/** What is said of a service in the cluster of its clients. */
export interface ShareRules {
  /** By cluster, each 0..100, together at most 100. Without any, what is near goes first. */
  readonly percents: ReadonlyMap<string, number>;
  /** Likewise, each by itself: what a cluster gets at most. */
  readonly caps: ReadonlyMap<string, number>;
}

export const NO_RULES: ShareRules = { percents: new Map(), caps: new Map() };

/** With what policies say of clusters besides: the smaller cap counts. */
export function withCaps(rules: ShareRules, clusters: readonly { readonly cluster: string; readonly maxSharePercent?: number }[]): ShareRules {
  const further = clusters.flatMap(({ cluster, maxSharePercent }) => (maxSharePercent === undefined ? [] : [[cluster, Math.min(maxSharePercent, rules.caps.get(cluster) ?? 100)] as const]));
  return further.length === 0 ? rules : { ...rules, caps: new Map([...rules.caps, ...further]) };
}

/** Weights of one cluster's endpoints: of each, and of all together. 0: they get nothing. */
export interface ClusterWeight {
  readonly each: number;
  readonly all: number;
}

/** Of all clusters of a service together: fine enough for one percent among thousands of endpoints, and within what agents add up exactly. */
const TOTAL_WEIGHT = 1_000_000;

export const hasRules = ({ percents, caps }: ShareRules): boolean => percents.size > 0 || caps.size > 0;

/**
 * Weights by cluster; undefined where every endpoint counts alike. `counts`: how many endpoints of each cluster can take
 * connections. Where only caps are said, this cluster (`own`) goes before all others, and they share what it leaves.
 */
export function clusterWeights(counts: ReadonlyMap<string, number>, own: string, rules: ShareRules): ReadonlyMap<string, ClusterWeight> | undefined {
  if (!hasRules(rules)) return undefined;
  const competing = rules.percents.size > 0 ? counts : new Map([...counts].filter(([cluster]) => cluster !== own));
  const shares = clusterShares(competing, rules);
  return new Map([...counts].map(([cluster, count]) => [cluster, weightOf(competing.has(cluster) ? (shares.get(cluster) ?? 0) : 1, count)]));
}

function weightOf(share: number, count: number): ClusterWeight {
  if (share === 0 || count === 0) return { each: 0, all: 0 };
  return { each: Math.max(1, Math.round((TOTAL_WEIGHT * share) / count)), all: Math.max(1, Math.round(TOTAL_WEIGHT * share)) };
}

/** Parts by cluster, together 1 unless no cluster has an endpoint. A cluster that has none gets nothing, and what it would get goes to the others. */
export function clusterShares(counts: ReadonlyMap<string, number>, { percents, caps }: ShareRules): ReadonlyMap<string, number> {
  const able = new Map([...counts].filter(([, count]) => count > 0));
  const wanted = normalized(percents.size === 0 ? able : byPercent(able, percents));
  // Those that are to get nothing are better than none at all.
  return capped(wanted.size > 0 ? wanted : normalized(able), able, caps);
}

/** Clusters that are not named share what is left of a hundred, in proportion to their endpoints. */
function byPercent(able: ReadonlyMap<string, number>, percents: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const unnamed = [...able].filter(([cluster]) => !percents.has(cluster));
  const left = Math.max(0, 100 - [...percents.values()].reduce((sum, percent) => sum + percent, 0));
  const total = unnamed.reduce((sum, [, count]) => sum + count, 0);
  return new Map([...able].map(([cluster, count]) => [cluster, percents.get(cluster) ?? (left * count) / total]));
}

/** Without those that get nothing. */
function normalized(parts: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const total = [...parts.values()].reduce((sum, part) => sum + part, 0);
  return new Map([...parts].filter(([, part]) => part > 0).map(([cluster, part]) => [cluster, part / total]));
}

/** What is above a cap goes to those that are below theirs, in proportion, then to those that were to get nothing; where all are at their caps, to all: a cap never refuses a connection. */
function capped(wanted: ReadonlyMap<string, number>, able: ReadonlyMap<string, number>, caps: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const capOf = (cluster: string): number => (caps.get(cluster) ?? 100) / 100;
  const first = filled(1, wanted, capOf);
  const rest = filled(first.left, new Map([...able].filter(([cluster]) => !wanted.has(cluster))), capOf);
  const given = normalized(new Map([...first.given, ...rest.given]));
  return given.size > 0 ? given : normalized(able);
}

/** Below it nothing is left but errors of rounding. */
const LITTLE = 1e-9;

/** Divides an amount in proportion to parts, none more than its cap. */
function filled(amount: number, parts: ReadonlyMap<string, number>, capOf: (cluster: string) => number): { readonly given: ReadonlyMap<string, number>; readonly left: number } {
  const given = new Map<string, number>();
  let left = amount;
  let open = new Map(parts);
  while (open.size > 0 && left > LITTLE) {
    const total = [...open.values()].reduce((sum, part) => sum + part, 0);
    const offered = [...open].map(([cluster, part]) => ({ cluster, part, share: (left * part) / total }));
    const above = offered.filter(({ cluster, share }) => share > capOf(cluster));
    const settled = above.length > 0 ? above : offered;
    for (const { cluster, share } of settled) given.set(cluster, Math.min(share, capOf(cluster)));
    left = amount - [...given.values()].reduce((sum, share) => sum + share, 0);
    open = new Map([...open].filter(([cluster]) => !given.has(cluster)));
  }
  return { given, left };
}
