/** Events of the bus on their way to what is made of them: a value that is overtaken while it waits costs nothing, and nobody else is held up. */
import { type BusEvent, splitBusKey } from '../bus/bus.ts';
import { inSlices } from '../in-slices.ts';

/** Above this whoever reads the bus waits; the records of 64 clusters that have 1,500 endpoints each are about as many bytes. */
export const MAX_QUEUED_BYTES = 32 * 1024 * 1024;

export class EntryQueue {
  readonly #take: (event: BusEvent) => void;
  readonly #maxBytes: number;
  /** Entries by their keys, which have no spaces; the others by their kinds. In the order in which they are taken. */
  readonly #waiting = new Map<string, BusEvent>();
  /** How many entries of each cluster that is. */
  readonly #ofCluster = new Map<string, number>();
  #bytes = 0;
  #added = Promise.withResolvers<void>();
  #roomMade = Promise.withResolvers<void>();

  /** `take` is called with one event at a time. */
  constructor(take: (event: BusEvent) => void, maxBytes = MAX_QUEUED_BYTES) {
    this.#take = take;
    this.#maxBytes = maxBytes;
  }

  /** A later value of a key has the place of the one that waits, what is no entry comes after all that waits. */
  add(event: BusEvent): void {
    if (event.kind === 'entry') {
      const before = this.#waiting.get(event.key);
      // One that was asked for by itself has no revision, and may be older than what the watch tells.
      if (before !== undefined && event.revision === 0) return;
      this.#bytes += event.value.length - lengthOf(before);
      this.#waiting.set(event.key, event);
      if (before === undefined) this.#count(event.key, 1);
    } else {
      const id = ` ${event.kind}`;
      this.#waiting.delete(id);
      this.#waiting.set(id, event);
    }
    this.#added.resolve();
  }

  /** Whether the cluster has written something that is not taken yet. */
  waitsFor(cluster: string): boolean {
    return this.#ofCluster.has(cluster);
  }

  /** Resolves at once while there is room. Who adds without waiting for it is not refused. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#bytes > this.#maxBytes && !signal.aborted) await this.#roomMade.promise;
  }

  /** Runs until the signal aborts. What waits then is forgotten. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => {
      this.#added.resolve();
      this.#roomMade.resolve();
    }, { once: true });
    while (!signal.aborted) {
      await this.#added.promise;
      this.#added = Promise.withResolvers();
      // All that has come with it is there then, and the next that comes is read by others' turns.
      await new Promise(setImmediate);
      await inSlices(this.#takeAll(signal));
    }
  }

  *#takeAll(signal: AbortSignal): Generator<void, void> {
    for (const [id, event] of this.#waiting) {
      if (signal.aborted) return;
      this.#waiting.delete(id);
      this.#bytes -= lengthOf(event);
      if (event.kind === 'entry') this.#count(event.key, -1);
      this.#take(event);
      if (this.#bytes <= this.#maxBytes) {
        this.#roomMade.resolve();
        this.#roomMade = Promise.withResolvers();
      }
      yield;
    }
  }

  #count(key: string, by: 1 | -1): void {
    const cluster = splitBusKey(key)?.cluster ?? '';
    const count = (this.#ofCluster.get(cluster) ?? 0) + by;
    if (count > 0) this.#ofCluster.set(cluster, count);
    else this.#ofCluster.delete(cluster);
  }
}

const lengthOf = (event: BusEvent | undefined): number => (event?.kind === 'entry' ? event.value.length : 0);
