import { waitFor } from '@landbridge/lab/wait.ts';

const LOOK_EVERY_MS = 20;

/** Waits for what is sure to come; fails with the words. */
export async function until(what: string | (() => string), holds: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<void> {
  const signal = new AbortController().signal;
  await waitFor(async () => ((await holds()) ? true : undefined), { signal, timeoutMs: withinMs, everyMs: LOOK_EVERY_MS, what });
}
