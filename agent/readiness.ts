import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Logger } from 'pino';

/** Something without which the agent is not ready. */
export interface ReadinessTask {
  /** May be called more than once. */
  done(): void;
}

export interface ThreadHeartbeat {
  readonly thread: number;
  readonly lastSeenMs: number;
}

/** A data thread that has said nothing for so long is stuck: connections of its share of the pods' are not carried. */
export const THREAD_STUCK_MS = 10_000;

/** Whether the agent does its work, and what it waits for. */
export class Readiness {
  readonly #log: Logger | undefined;
  readonly #pending = new Map<ReadinessTask, string>();
  #heartbeat: (() => readonly ThreadHeartbeat[]) | undefined;
  #now: () => number = () => performance.now();

  constructor(log?: Logger) {
    this.#log = log;
  }

  /** A task that is pending until it is done. Names are shown to whoever asks. */
  register(name: string): ReadinessTask {
    const task: ReadinessTask = {
      done: () => {
        if (!this.#pending.delete(task)) return;
        this.#log?.info({ task: name, pending: this.pending() }, 'a task of readiness is done');
      },
    };
    this.#pending.set(task, name);
    return task;
  }

  /** From here on a stuck data thread is pending too. `now` is on the clock of `lastSeenMs`. */
  watchThreads(heartbeat: () => readonly ThreadHeartbeat[], now?: () => number): void {
    this.#heartbeat = heartbeat;
    if (now !== undefined) this.#now = now;
  }

  /** Sorted; empty when ready. */
  pending(): readonly string[] {
    return [...new Set([...this.#pending.values(), ...this.#stuckThreads()])].sort();
  }

  #stuckThreads(): readonly string[] {
    if (this.#heartbeat === undefined) return [];
    try {
      const nowMs = this.#now();
      return this.#heartbeat().filter(({ lastSeenMs }) => nowMs - lastSeenMs > THREAD_STUCK_MS).map(({ thread }) => `data thread ${thread}`);
    } catch (thrown) {
      this.#log?.error({ error: LandbridgeError.from(thrown).message }, 'the data threads can not be asked');
      return ['data threads'];
    }
  }
}
