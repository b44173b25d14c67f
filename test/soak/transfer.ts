import { setTimeout as delay } from 'node:timers/promises';
import type { Socket } from 'node:net';
import { contentAt, firstFault, type Way } from './content.ts';

/** What one connection is to carry. The client decides and tells the server first. */
export interface TransferSpec {
  readonly id: number;
  readonly upBytes: number;
  readonly downBytes: number;
  /** Which direction begins when the other one has ended. */
  readonly order: 'together' | 'up-first' | 'down-first';
  /** Who cuts the connection, after how many bytes of its own. */
  readonly reset: { readonly by: 'client' | 'server'; readonly at: number } | undefined;
  /** A byte that its sender leaves out, to see whether it is missed. */
  readonly leaveOut: { readonly way: Way; readonly at: number } | undefined;
}

export type TransferEnd =
  | { readonly kind: 'complete' }
  /** Cut as the spec says. */
  | { readonly kind: 'reset' }
  | ({ readonly kind: 'fault' } & TransferFault);

export interface TransferFault {
  readonly text: string;
  /** When it was noticed, by the machine's monotonic clock, which all processes share: of the faults of both ends the first is the cause. */
  readonly atNs: number;
}

/** The spec as JSON, filled up. */
const HEAD_BYTES = 512;
const LARGEST_CHUNK = 256 * 1024;
const STALL_MS = 60_000;

export const encodeHead = (spec: TransferSpec): Buffer => Buffer.from(JSON.stringify(spec).padEnd(HEAD_BYTES));

/** Resolves with what a client says first; undefined where it goes before. */
export async function readHead(socket: Socket): Promise<TransferSpec | undefined> {
  return await new Promise((resolve) => {
    const look = (): void => {
      const head = socket.read(HEAD_BYTES) as Buffer | null;
      if (head === null || head.length < HEAD_BYTES) return socket.readableEnded ? resolve(undefined) : undefined;
      socket.off('readable', look);
      resolve(JSON.parse(head.toString()) as TransferSpec);
    };
    socket.on('readable', look);
    socket.once('close', () => resolve(undefined));
    look();
  });
}

/** One end of a transfer: sends its direction, and holds the other one against what it should be. */
export class Transfer {
  readonly #socket: Socket;
  readonly #spec: TransferSpec;
  readonly #role: 'client' | 'server';
  readonly #onBytes: (size: number) => void;
  readonly #over = Promise.withResolvers<TransferEnd>();
  readonly #heardAll = Promise.withResolvers<void>();
  #isOver = false;
  #received = 0;
  #hasEnded = false;
  #hasSent = false;
  #movedAtMs = performance.now();

  /** `onBytes` is told of bytes that came and are right. */
  constructor(socket: Socket, spec: TransferSpec, role: 'client' | 'server', onBytes: (size: number) => void) {
    this.#socket = socket;
    this.#spec = spec;
    this.#role = role;
    this.#onBytes = onBytes;
  }

  async run(): Promise<TransferEnd> {
    const socket = this.#socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('end', () => this.#ended());
    socket.on('error', (error) => this.#lost(String(error)));
    socket.on('close', () => this.#lost('closed'));
    // All that may have happened before anyone listened.
    if (socket.readableEnded) this.#ended();
    if (socket.destroyed) this.#lost('closed');
    const timer = setInterval(() => {
      if (performance.now() - this.#movedAtMs > STALL_MS) this.#fault('nothing moves');
    }, 1000);
    this.#pour().catch((error: unknown) => this.#fault(String(error)));
    const end = await this.#over.promise;
    clearInterval(timer);
    socket.destroy();
    return end;
  }

  get #sends(): Way {
    return this.#role === 'client' ? 'up' : 'down';
  }

  get #hears(): Way {
    return this.#role === 'client' ? 'down' : 'up';
  }

  #bytesOf(way: Way): number {
    return way === 'up' ? this.#spec.upBytes : this.#spec.downBytes;
  }

  #where(): string {
    return `${this.#role} of ${JSON.stringify(this.#spec)} heard ${this.#received}${this.#hasEnded ? ' and the end' : ''}${this.#hasSent ? ', sent all' : ''}`;
  }

  #finish(end: TransferEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#over.resolve(end);
    this.#heardAll.resolve();
  }

  #fault(text: string): void {
    this.#finish({ kind: 'fault', text: `${text}: ${this.#where()}`, atNs: Number(process.hrtime.bigint()) });
  }

  #take(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#movedAtMs = performance.now();
    const fault = firstFault(this.#spec.id, this.#hears, this.#received, chunk);
    if (fault >= 0) return this.#fault(`a wrong byte at ${fault}`);
    this.#received += chunk.length;
    if (this.#received > this.#bytesOf(this.#hears)) return this.#fault('too many bytes');
    this.#onBytes(chunk.length);
  }

  #ended(): void {
    this.#hasEnded = true;
    // Half a message must not look like a whole one, whoever was cut.
    if (this.#received !== this.#bytesOf(this.#hears)) this.#fault('an end before the end');
    this.#heardAll.resolve();
    this.#complete();
  }

  #lost(text: string): void {
    if (this.#hasEnded && this.#hasSent) return this.#finish({ kind: 'complete' });
    if (this.#spec.reset === undefined) this.#fault(text);
    else this.#finish({ kind: 'reset' });
  }

  #complete(): void {
    if (this.#hasEnded && this.#hasSent) this.#finish({ kind: 'complete' });
  }

  async #pour(): Promise<void> {
    const way = this.#sends;
    const { order, reset, id, leaveOut } = this.#spec;
    if ((order === 'up-first' && way === 'down') || (order === 'down-first' && way === 'up')) await this.#heardAll.promise;
    const own = reset?.by === this.#role ? reset.at : undefined;
    const gap = leaveOut?.way === way ? leaveOut.at : Number.POSITIVE_INFINITY;
    const bytes = this.#bytesOf(way);
    for (let at = 0; at < bytes && !this.#isOver; ) {
      if (own !== undefined && at >= own) return this.#cut();
      const size = Math.min(randomSize(), bytes - at, gap > at ? gap - at : Number.POSITIVE_INFINITY);
      const chunk = contentAt(id, way, at >= gap ? at + 1 : at, size);
      at += size;
      this.#movedAtMs = performance.now();
      if (!this.#socket.write(chunk)) await drained(this.#socket);
    }
    if (this.#isOver) return;
    if (own !== undefined) return this.#cut();
    this.#socket.end(() => {
      this.#hasSent = true;
      this.#complete();
    });
  }

  #cut(): void {
    this.#socket.resetAndDestroy();
    this.#finish({ kind: 'reset' });
  }
}

/** Mostly large, often a few bytes. */
function randomSize(): number {
  const dice = Math.random();
  if (dice < 0.1) return 1 + Math.floor(Math.random() * 16);
  if (dice < 0.3) return 1 + Math.floor(Math.random() * 5000);
  return 1 + Math.floor(Math.random() * LARGEST_CHUNK);
}

async function drained(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
    if (socket.destroyed) done();
  });
  // Lets other connections have their turn.
  await delay(0);
}
