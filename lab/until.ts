import { waitFor } from './wait.ts';

const LOOK_EVERY_MS = 20;

/** Waits, in tests, for what is sure to come, and returns it. However long a busy machine takes, what never comes fails with the words. */
export async function until<T>(what: string | (() => string), look: () => T | false | undefined | Promise<T | false | undefined>, withinMs = 60_000): Promise<T> {
  const { signal } = new AbortController();
  const found = async (): Promise<T | undefined> => {
    const seen = await look();
    return seen === false ? undefined : seen;
  };
  return await waitFor(found, { signal, timeoutMs: withinMs, everyMs: LOOK_EVERY_MS, what });
}
