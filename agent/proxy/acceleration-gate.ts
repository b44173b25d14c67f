import type { AcceleratedPair, PairEnd } from '../capture/accelerated-pair.ts';
import type { PlainSocket } from '../hbone/plain-socket.ts';
import type { RelayGate } from '../hbone/relay-pair.ts';
import type { ReaderWatch, WaitingForReader } from './reader-watch.ts';

/**
 * Keeps what comes by TCP, the end of a direction too, until the application has read what came before past the agent.
 * Without, two queues would have bytes for it, and one edge (epoll) would tell of both.
 */
export class AccelerationGate implements RelayGate {
  readonly #pair: AcceleratedPair;
  readonly #sockets: Readonly<Record<PairEnd, PlainSocket>>;
  readonly #readers: ReaderWatch;
  readonly #waiting: Readonly<Record<PairEnd, WaitingForReader>>;

  /** `again`: runs the relay. */
  constructor(pair: AcceleratedPair, sockets: Readonly<Record<PairEnd, PlainSocket>>, readers: ReaderWatch, again: () => void) {
    this.#pair = pair;
    this.#sockets = sockets;
    this.#readers = readers;
    this.#waiting = { client: { onReaders: again }, server: { onReaders: again } };
  }

  isOpen(from: PairEnd): boolean {
    // Of what has not arrived yet it is not known what comes before it: an event tells of it.
    if (!this.#sockets[from].hasArrived) return false;
    // From here on the sender goes by TCP, until all that is held here was read.
    const waiting = this.#waiting[from];
    if (this.#hasReadAll(from)) {
      this.#readers.clear(waiting);
      return true;
    }
    this.#readers.wait(waiting);
    return false;
  }

  /** Whether the other application has read everything that `sender` sent past the agent, or never will. */
  #hasReadAll(sender: PairEnd): boolean {
    const isAllRead = (): boolean => {
      const state = this.#pair.state(sender);
      if (state?.isBlocking === true) this.#pair.evict();
      return state === undefined || state.sent === state.read;
    };
    if (isAllRead()) return true;
    this.#readers.look(this.#pair.readers);
    return isAllRead() || this.#pair.isGone(sender === 'client' ? 'server' : 'client');
  }

  /** The relay has ended. */
  close(): void {
    for (const waiting of Object.values(this.#waiting)) this.#readers.clear(waiting);
  }
}
