/** Of the clock that all processes share, in milliseconds. */
export const now = (): number => performance.timeOrigin + performance.now();

export function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
