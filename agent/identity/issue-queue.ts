import { orAborted } from '@landbridge/core/or-aborted.ts';

/** How much somebody needs a certificate: a connection waits for it, or soon nothing of the identity works, or there is time. */
export type Urgency = 'wanted' | 'expiring' | 'renewal';

const ORDER: readonly Urgency[] = ['wanted', 'expiring', 'renewal'];

interface Waiting {
  readonly urgency: () => Urgency;
  readonly begin: () => void;
}

/** Lets few requests be under way at once; who needs it most comes first, of the same need who came first. Holds as many as there are identities. */
export class IssueQueue {
  readonly #limit: number;
  readonly #waiting = new Set<Waiting>();
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves with a turn, which lasts until it is disposed of. How urgent it is is asked when one is free: that may change meanwhile. Rejects with the signal's reason. */
  async turn(urgency: () => Urgency, signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#running < this.#limit) {
      this.#running++;
    } else {
      const begun = Promise.withResolvers<void>();
      const waiting: Waiting = { urgency, begin: begun.resolve };
      this.#waiting.add(waiting);
      try {
        await orAborted(begun.promise, signal);
      } catch (thrown) {
        // It may have been given the turn just before.
        if (!this.#waiting.delete(waiting)) this.#next();
        throw thrown;
      }
    }
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        this.#next();
      },
    };
  }

  /** Gives the turn that has ended to somebody else. */
  #next(): void {
    let first: Waiting | undefined;
    for (const waiting of this.#waiting) if (first === undefined || ORDER.indexOf(waiting.urgency()) < ORDER.indexOf(first.urgency())) first = waiting;
    if (first === undefined) {
      this.#running--;
      return;
    }
    this.#waiting.delete(first);
    first.begin();
  }
}
