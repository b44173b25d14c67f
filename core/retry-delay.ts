export interface RetryTimes {
  /** The longest wait after the first failure; doubled with each further one. */
  readonly firstMs?: number;
  readonly mostMs?: number;
}

const FIRST_MS = 200;
const MOST_MS = 5000;

/** Full jitter: anything from nothing to the doubled step, so that many clients do not come back at once. In milliseconds. */
export function retryDelay(failures: number, { firstMs = FIRST_MS, mostMs = MOST_MS }: RetryTimes = {}): number {
  return Math.random() * Math.min(mostMs, firstMs * 2 ** Math.min(failures, 16));
}

/** Resolves after the time or when the signal is aborted, whichever is first. */
export function waitFor(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
  });
}
