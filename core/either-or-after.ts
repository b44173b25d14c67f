import { waitFor } from './retry-delay.ts';

/** Resolves when the promise does, after the time, or when the signal is aborted, whichever is first; leaves no timer behind. */
export async function eitherOrAfter(promise: Promise<unknown>, milliseconds: number, signal: AbortSignal): Promise<void> {
  const settled = new AbortController();
  await Promise.race([promise, waitFor(milliseconds, AbortSignal.any([signal, settled.signal]))]).finally(() => settled.abort());
}
