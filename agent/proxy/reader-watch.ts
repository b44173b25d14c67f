import { runIterator } from '@landbridge/native/bpf-iterator.ts';
import { DeadlineList } from '../hbone/deadline-list.ts';
import type { EventLoop } from '../hbone/event-loop.ts';

/** Who waits is asked so often whether it still must, */
const SOON_MS = 2;
/** and after so many times that it did not help, as seldom as this. */
const PATIENCE = 50;
const LATER_MS = 50;

/** Bytes that may not be sent on before an application has read what came past the agent. */
export interface WaitingForReader {
  /** Looks again. */
  onReaders(): void;
}

/** Finds out who has read what was put into its socket past the agent: nothing tells when that happens. */
export class ReaderWatch {
  readonly #loop: EventLoop;
  readonly #soon = new DeadlineList<WaitingForReader>(SOON_MS, (waiting) => waiting.onReaders());
  readonly #later = new DeadlineList<WaitingForReader>(LATER_MS, (waiting) => waiting.onReaders());
  readonly #times = new WeakMap<WaitingForReader, number>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(loop: EventLoop) {
    this.#loop = loop;
    loop.watch(this.#soon);
    loop.watch(this.#later);
  }

  /** Looks at all accelerated sockets of the node, once in a round for whoever asks. `readers`: the link of the iterator. */
  look(readers: number): void {
    if (this.#lookedAtMs === this.#loop.nowMs) return;
    this.#lookedAtMs = this.#loop.nowMs;
    runIterator(readers);
  }

  /** Calls back after a while. */
  wait(waiting: WaitingForReader): void {
    const times = (this.#times.get(waiting) ?? 0) + 1;
    this.#times.set(waiting, times);
    (times > PATIENCE ? this.#later : this.#soon).set(waiting, this.#loop.nowMs);
  }

  /** It waits no more. */
  clear(waiting: WaitingForReader): void {
    if (!this.#times.delete(waiting)) return;
    this.#soon.clear(waiting);
    this.#later.clear(waiting);
  }
}
