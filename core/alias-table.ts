/** One of several by weight in constant time, for a chooser that has no floating point: two random numbers, at most two looks (Vose, 1991). */

/** One column of the table: itself for numbers below `threshold` of 2^32, else `alias`. */
export interface AliasColumn {
  readonly threshold: number;
  /** Itself where there is no other. */
  readonly alias: number;
}

const SCALE = 2 ** 32;

/** A column for each weight, in their order. A column is drawn first, each alike. Weights are more than 0. */
export function aliasTable(weights: readonly number[]): readonly AliasColumn[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const columns: AliasColumn[] = weights.map((_, at) => ({ threshold: SCALE - 1, alias: at }));
  // Shares of a column: what is missing in small ones is taken from large ones.
  const shares = weights.map((weight) => (weight / total) * weights.length);
  const small: number[] = [];
  const large: number[] = [];
  for (const [at, share] of shares.entries()) (share < 1 ? small : large).push(at);
  for (;;) {
    const [low, high] = [small.at(-1), large.at(-1)];
    // What is left of either kind differs from 1 by rounding only.
    if (low === undefined || high === undefined) return columns;
    small.pop();
    const share = shares[low] ?? 0;
    columns[low] = { threshold: Math.min(SCALE - 1, Math.round(share * SCALE)), alias: high };
    const rest = (shares[high] ?? 0) - (1 - share);
    shares[high] = rest;
    if (rest >= 1) continue;
    large.pop();
    small.push(high);
  }
}
