import type { StoreTime } from './certificate-store.ts';

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** Time that stands still until a test moves it. Begins now, as certificates are made with the time of the machine. */
export class TestTime implements StoreTime {
  #nowMs = Date.now();
  readonly #sleepers = new Set<Sleeper>();

  readonly now = (): number => this.#nowMs;
  readonly random = Math.random;

  readonly wait = async (milliseconds: number, signal: AbortSignal): Promise<void> => {
    if (signal.aborted || milliseconds <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const sleeper = { atMs: this.#nowMs + milliseconds, wake: resolve };
    this.#sleepers.add(sleeper);
    signal.addEventListener('abort', resolve as () => void, { once: true });
    await promise;
    signal.removeEventListener('abort', resolve as () => void);
    this.#sleepers.delete(sleeper);
  };

  /** Resolves once so many wait: all that goes on has come to rest. */
  async sleeping(count: number): Promise<void> {
    while (this.#sleepers.size !== count) await new Promise(setImmediate);
  }

  /** Moves on, from one waking to the next; whoever wakes comes to rest again before it goes on. */
  async advance(milliseconds: number): Promise<void> {
    const endMs = this.#nowMs + milliseconds;
    const count = this.#sleepers.size;
    for (;;) {
      const next = [...this.#sleepers].reduce<Sleeper | undefined>((first, sleeper) => (first === undefined || sleeper.atMs < first.atMs ? sleeper : first), undefined);
      if (next === undefined || next.atMs > endMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.wake();
      while (this.#sleepers.has(next)) await new Promise(setImmediate);
      await this.sleeping(count);
    }
    this.#nowMs = endMs;
  }
}
