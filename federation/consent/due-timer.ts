import { waitFor } from '@landbridge/core/retry-delay.ts';

/** Calls back once a time has come that may be set anew, or taken back. */
export class DueTimer {
  readonly #onDue: () => void;
  #dueAtMs: number | undefined;
  #wait = new AbortController();

  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  /** Undefined while nothing is due. */
  get dueAtMs(): number | undefined {
    return this.#dueAtMs;
  }

  /** `dueAtMs` and `nowMs` by the same clock; the signal ends all waiting. */
  set(dueAtMs: number | undefined, nowMs: number, signal: AbortSignal): void {
    if (dueAtMs === this.#dueAtMs) return;
    this.#wait.abort();
    this.#dueAtMs = dueAtMs;
    if (dueAtMs === undefined || signal.aborted) return;
    this.#wait = new AbortController();
    const wait = AbortSignal.any([signal, this.#wait.signal]);
    void waitFor(Math.max(1, dueAtMs - nowMs), wait).then(() => {
      if (wait.aborted) return;
      this.#dueAtMs = undefined;
      this.#onDue();
    });
  }
}

/** Undefined where none is. */
export function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
