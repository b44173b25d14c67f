import { setTimeout as delay } from 'node:timers/promises';
import { LandbridgeError } from '@landbridge/core/errors.ts';

export interface WaitOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** Time between two looks. */
  readonly everyMs?: number;
  /** What is waited for, for the message; a function is asked at the time of the failure. */
  readonly what: string | (() => string);
}

/** How many times slower than usual this machine is, as one is that is emulated: all waits are as many times longer. */
const PATIENCE = Number(process.env['LANDBRIDGE_PATIENCE'] || 1);

/** As long as something may take here that takes `ms` on an ordinary machine, in milliseconds. */
export const patient = (ms: number): number => ms * PATIENCE;

/** Looks until `look` returns something. @throws LandbridgeError `timeout` */
export async function waitFor<T>(look: () => Promise<T | undefined> | T | undefined, options: WaitOptions): Promise<T> {
  const timeoutMs = patient(options.timeoutMs);
  const end = performance.now() + timeoutMs;
  for (;;) {
    options.signal.throwIfAborted();
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) {
      const what = typeof options.what === 'string' ? options.what : options.what();
      throw new LandbridgeError('timeout', `waited ${Math.round(timeoutMs / 1000)} s for ${what}`);
    }
    await delay(options.everyMs ?? 100, undefined, { signal: options.signal });
  }
}
