const FIRST_MS = 200;
const MOST_MS = 5000;

/** Full jitter: anything from nothing to the doubled step, so that many clients do not come back at once. */
export function retryDelay(failures: number): number {
  return Math.random() * Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(failures, 16));
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
