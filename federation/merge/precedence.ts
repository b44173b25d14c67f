/**
 * Whose export decides where exports differ. KEP-1645 says the oldest one, and lets an implementation take the one that
 * was observed first. When an export was made is its own cluster's word, and a cluster that says 1970 must not win by it:
 * the order in which exports were first seen here decides, and is kept. The word counts among those that are seen first
 * together, within what can be true: not before the cluster joined, and not after now.
 */
export interface Sighting {
  readonly cluster: string;
  /** Milliseconds since 1970, as the cluster says. */
  readonly exportedAt: number;
  /** Milliseconds since 1970, as the authority says; 0 where the cluster is in no clusterset. */
  readonly joinedAt: number;
}

/** Clusters that export a service, in the order in which they decide. It does not depend on the order of `exporting`. */
export function precedence(known: readonly string[], exporting: readonly Sighting[], nowMs: number): readonly string[] {
  const places = new Map([...known.entries()].reverse().map(([place, cluster]) => [cluster, place]));
  const placeOf = ({ cluster }: Sighting): number => places.get(cluster) ?? known.length;
  const ageOf = ({ exportedAt, joinedAt }: Sighting): number => Math.max(joinedAt, Math.min(exportedAt, nowMs));
  const compare = (a: Sighting, b: Sighting): number => placeOf(a) - placeOf(b) || ageOf(a) - ageOf(b) || (a.cluster < b.cluster ? -1 : 1);
  return [...exporting].sort(compare).map(({ cluster }) => cluster);
}

/**
 * What is to be kept of the order. A cluster of which not everything is known may export the service all the same, and
 * keeps its place. Before the list of all clusters was read once (`isSettled`), who is new is not known to be later.
 */
export function keptPrecedence(known: readonly string[], order: readonly string[], { isComplete, isSettled }: { readonly isComplete: (cluster: string) => boolean; readonly isSettled: boolean }): readonly string[] {
  const exporting = new Set(order);
  const kept = [...new Set(known)].filter((cluster) => exporting.has(cluster) || !isComplete(cluster));
  return isSettled ? [...new Set([...kept, ...order])] : kept;
}
