import type { EventLoop, Task } from './event-loop.ts';

/** A server's handshake, whose first flight is there. */
export interface WaitingHandshake {
  /** Its turn: what it costs is spent now. */
  begin(): void;
  /** Gives way to others. */
  giveWay(): void;
}

/** Begun in one round of the loop: each takes a third of a millisecond or more, in which nothing else moves. */
const BEGUN_PER_ROUND = 4;
/** Each holds about 70 KiB of OpenSSL's. An honest peer needs its place for a round trip. */
export const MAX_BEGUN = 1024;

/**
 * Lets handshakes begin a few at a time, so that a flood of them leaves turns to connections that are open. Where too
 * many have begun the oldest gives way: who needs longest is the likeliest never to end.
 */
export class HandshakeTurns implements Task {
  readonly #loop: EventLoop;
  readonly #waiting = new Set<WaitingHandshake>();
  /** Insertion order is the order in which they began. */
  readonly #begun = new Set<WaitingHandshake>();
  isScheduled = false;

  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  wait(handshake: WaitingHandshake): void {
    this.#waiting.add(handshake);
    this.#loop.schedule(this);
  }

  /** It is over, in whichever way. */
  ended(handshake: WaitingHandshake): void {
    this.#waiting.delete(handshake);
    this.#begun.delete(handshake);
  }

  run(): void {
    let left = BEGUN_PER_ROUND;
    for (const handshake of this.#waiting) {
      if (left-- === 0) return this.#loop.schedule(this);
      this.#waiting.delete(handshake);
      this.#makeRoom();
      this.#begun.add(handshake);
      handshake.begin();
    }
  }

  #makeRoom(): void {
    if (this.#begun.size < MAX_BEGUN) return;
    for (const oldest of this.#begun) {
      this.#begun.delete(oldest);
      return oldest.giveWay();
    }
  }
}
