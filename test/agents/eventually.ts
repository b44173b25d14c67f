import { setTimeout as delay } from 'node:timers/promises';

const LOOK_EVERY_MS = 20;
/** As lab/wait.ts: times as much on machines that say that they are slow. */
const PATIENCE = Number(process.env['LANDBRIDGE_PATIENCE'] || 1);

/** Waits until something is so, and says what it was instead if it does not come to be. */
export async function eventually<T>(look: () => T | Promise<T>, isSo: (value: T) => boolean, withinMs: number): Promise<T> {
  const endMs = performance.now() + withinMs * PATIENCE;
  for (;;) {
    const value = await look();
    if (isSo(value)) return value;
    if (performance.now() > endMs) throw new Error(`still after ${withinMs * PATIENCE} ms: ${JSON.stringify(value)?.slice(0, 2000)}`);
    await delay(LOOK_EVERY_MS);
  }
}
