import { setTimeout as delay } from 'node:timers/promises';
import { patient } from '@landbridge/lab/wait.ts';

const LOOK_EVERY_MS = 20;

/** Waits until something is so, and says what it was instead if it does not come to be. */
export async function eventually<T>(look: () => T | Promise<T>, isSo: (value: T) => boolean, withinMs = 60_000): Promise<T> {
  const endMs = performance.now() + patient(withinMs);
  for (;;) {
    const value = await look();
    if (isSo(value)) return value;
    if (performance.now() > endMs) throw new Error(`still after ${patient(withinMs)} ms: ${JSON.stringify(value)?.slice(0, 2000)}`);
    await delay(LOOK_EVERY_MS);
  }
}
