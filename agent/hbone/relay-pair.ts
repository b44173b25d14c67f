import { nativeMemory } from '@landbridge/native/memory.ts';
import type { EventLoop, Task } from './event-loop.ts';
import { ENDED, type Near, type NearOwner } from './near.ts';

/** Bytes on their way from one side to the other; nothing stays in it. */
const passing = nativeMemory(256 * 1024);

/** How two joined sides ended. */
export type RelayEnd = 'complete' | 'client-failed' | 'server-failed' | 'cut';

/** How far a relay has come. */
export interface RelayState {
  readonly clientEnded: boolean;
  readonly serverEnded: boolean;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Says when a side may be pulled from; who closes it runs the pair again once it is open. */
export interface RelayGate {
  isOpen(from: 'client' | 'server'): boolean;
}

/**
 * Joins two sides: carries bytes both ways until both directions have ended or one side fails, which cuts the other.
 * The end of one direction leaves the other open. No more is read from one side than the other one takes.
 */
export class RelayPair implements NearOwner, Task {
  readonly #loop: EventLoop;
  readonly #client: Near;
  readonly #server: Near;
  readonly #onClosed: (end: RelayEnd) => void;
  readonly #gate: RelayGate | undefined;
  isScheduled = false;
  #isClosed = false;
  #isFrozen = false;
  #clientEnded = false;
  #serverEnded = false;
  sentBytes = 0;
  receivedBytes = 0;

  constructor(loop: EventLoop, client: Near, server: Near, onClosed: (end: RelayEnd) => void, gate?: RelayGate) {
    this.#loop = loop;
    this.#client = client;
    this.#server = server;
    this.#onClosed = onClosed;
    this.#gate = gate;
  }

  /** Nothing moves until {@link goOn}, which begins where this one stopped, or another one did. */
  freeze(at: RelayState = this.state): void {
    this.#isFrozen = true;
    this.#clientEnded = at.clientEnded;
    this.#serverEnded = at.serverEnded;
    this.sentBytes = at.sentBytes;
    this.receivedBytes = at.receivedBytes;
  }

  get state(): RelayState {
    return { clientEnded: this.#clientEnded, serverEnded: this.#serverEnded, sentBytes: this.sentBytes, receivedBytes: this.receivedBytes };
  }

  goOn(): void {
    this.#isFrozen = false;
    this.#loop.schedule(this);
  }

  /** What was taken from the client for a way that led nowhere, a few kilobytes at most: goes before all else. */
  sendFirst(chunks: readonly Buffer[]): void {
    for (const chunk of chunks) {
      passing.bytes.set(chunk);
      if (!this.#server.push(passing.bytes, passing.address, 0, chunk.length)) return;
      this.sentBytes += chunk.length;
    }
  }

  onNear(): void {
    this.run();
  }

  run(): void {
    if (this.#isClosed || this.#isFrozen) return;
    const [client, server] = [this.#client, this.#server];
    if (client.hasFailed) return this.#close('client-failed');
    if (server.hasFailed) return this.#close('server-failed');
    if (!this.#clientEnded) {
      const moved = this.#move(client, server);
      this.sentBytes += moved;
      if (client.hasFailed) return this.#close('client-failed');
      if (server.hasFailed) return this.#close('server-failed');
    }
    if (!this.#serverEnded) {
      const moved = this.#move(server, client);
      this.receivedBytes += moved;
      if (server.hasFailed) return this.#close('server-failed');
      if (client.hasFailed) return this.#close('client-failed');
    }
    if (this.#clientEnded && this.#serverEnded && client.queued === 0 && server.queued === 0) this.#close('complete');
  }

  #move(from: Near, to: Near): number {
    let moved = 0;
    while (from.mayPull && to.queued === 0 && this.#gate?.isOpen(from === this.#client ? 'client' : 'server') !== false) {
      if (moved >= this.#loop.turnBytes) {
        this.#loop.schedule(this);
        return moved;
      }
      const size = from.pull(passing.bytes, passing.address, 0, passing.bytes.length);
      if (size === ENDED) {
        if (from === this.#client) this.#clientEnded = true;
        else this.#serverEnded = true;
        // Closing, which comes next where nothing is left to do, ends both directions by itself.
        if (!this.#clientEnded || !this.#serverEnded || to.queued > 0) to.endPush();
        return moved;
      }
      if (size < 0) return moved;
      moved += size;
      if (!to.push(passing.bytes, passing.address, 0, size)) return moved;
    }
    return moved;
  }

  /** Cuts both sides. */
  cut(): void {
    this.#close('cut');
  }

  #close(end: RelayEnd): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#client.close(end !== 'complete');
    this.#server.close(end !== 'complete');
    this.#onClosed(end);
  }
}

