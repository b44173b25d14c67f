/**
 * What to do about a peer whose records are not those that its digest names. Records come before the `sync` that closes
 * them, so a difference that stays means that something was lost: on the way here, which another reading mends, or on the
 * bus, which only the owner can. A pure reducer.
 */

/** In milliseconds. */
export interface DigestTimes {
  /** How long records may be under way. */
  readonly graceMs: number;
  /** Until another reading has had its chance. */
  readonly rereadMs: number;
  /** Between two readings for the same difference. */
  readonly againMs: number;
}

export const DEFAULT_DIGEST_TIMES: DigestTimes = { graceMs: 10_000, rereadMs: 10_000, againMs: 60_000 };

interface Difference {
  readonly sinceMs: number;
  readonly rereadMs: number | undefined;
}

/** Peers whose digest is another one. */
export type Differences = ReadonlyMap<string, Difference>;

export interface DigestStep {
  readonly differences: Differences;
  /** Peers of which all records are to be read again now. */
  readonly reread: readonly string[];
  /** Peers that are to be asked to publish again, with every beat while it lasts. */
  readonly asks: readonly string[];
}

/**
 * `agrees` has each peer of which it can be said, and undefined of one of which it can not at this moment, since records of it
 * are about to be looked at or are newer than its newest `sync`: with it no difference begins or ends. `nowMs` by a clock that does not go back.
 */
export function nextDifferences(differences: Differences, agrees: ReadonlyMap<string, boolean | undefined>, nowMs: number, times: DigestTimes): DigestStep {
  const next = new Map<string, Difference>();
  const reread: string[] = [];
  const asks: string[] = [];
  for (const [cluster, agree] of agrees) {
    const before = differences.get(cluster);
    if (agree === true || (agree === undefined && before === undefined)) continue;
    const known = before ?? { sinceMs: nowMs, rereadMs: undefined };
    const isDue = agree === false && nowMs - known.sinceMs >= times.graceMs && (known.rereadMs === undefined || nowMs - known.rereadMs >= times.againMs);
    if (isDue) reread.push(cluster);
    if (known.rereadMs !== undefined && nowMs - known.sinceMs >= times.graceMs + times.rereadMs) asks.push(cluster);
    next.set(cluster, isDue ? { ...known, rereadMs: nowMs } : known);
  }
  return { differences: next, reread, asks };
}

/** Whether the difference has lasted longer than records are under way. */
export function differs(differences: Differences, cluster: string, nowMs: number, { graceMs }: DigestTimes): boolean {
  const known = differences.get(cluster);
  return known !== undefined && nowMs - known.sinceMs >= graceMs;
}
