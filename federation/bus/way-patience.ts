/** How long nothing may come by a way that is slow and loses packets before it counts as broken. */

/** Who sends again what was lost waits for two round trips or so at first, and twice as long each time (RFC 6298, section 5.5): for three losses in a row. */
const ROUND_TRIPS = 14;
const MOST_MS = 10_000;

/** `rttsMs`: of the way, in milliseconds, the last ones; some may have waited for what was lost. 0 where there are none. */
export function wayPatience(rttsMs: readonly number[]): number {
  const median = rttsMs.toSorted((a, b) => a - b)[Math.floor(rttsMs.length / 2)] ?? 0;
  return Math.min(MOST_MS, ROUND_TRIPS * median);
}
