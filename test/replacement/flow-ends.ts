/** Connections of several kinds whose ends check each byte that comes. Both ends are processes of their own: whoever leads them compares what each sent with what the other one got. */
import type { Socket } from 'node:net';
import { PatternCheck, patternAt } from '../handover/patterned-stream.ts';

/** How one end behaves until it is told to finish. */
type Behaviour =
  | 'quiet'
  /** Says something, and again some time after it was answered. */
  | 'asks'
  | 'answers'
  /** As much as goes at once at first, then steadily. */
  | 'sends'
  /** A little now and then. */
  | 'drips'
  /** Has said all it has to say. */
  | 'ended'
  /** Reads nothing. */
  | 'sleeps';

/** Client and server. */
export const KINDS: Readonly<Record<string, readonly [Behaviour, Behaviour]>> = {
  idle: ['quiet', 'quiet'],
  chat: ['asks', 'answers'],
  'bulk up': ['sends', 'quiet'],
  'bulk down': ['quiet', 'sends'],
  'client half-closed': ['ended', 'drips'],
  'server half-closed': ['drips', 'ended'],
  'slow reader': ['sleeps', 'sends'],
};
const NAMES = Object.keys(KINDS);
/** Most connections of a node are idle or say little. */
const MIX = ['chat', 'idle', 'client half-closed', 'idle', 'bulk down', 'idle', 'chat', 'server half-closed', 'idle', 'idle', 'bulk up', 'chat', 'idle', 'idle', 'client half-closed', 'idle', 'chat', 'server half-closed', 'slow reader', 'idle'];

export const kindOf = (flow: number): string => MIX[flow % MIX.length] as string;

/** What a client says before anything else: who it is, and what it will do. */
export const HELLO_BYTES = 8;

export function hello(flow: number): Buffer {
  const bytes = Buffer.alloc(HELLO_BYTES);
  bytes.writeUInt32LE(flow, 0);
  bytes.writeUInt32LE(NAMES.indexOf(kindOf(flow)), 4);
  return bytes;
}

/** `kind` is undefined for what is no hello. */
export const readHello = (bytes: Buffer): { readonly flow: number; readonly kind: string | undefined } => ({ flow: bytes.readUInt32LE(0), kind: NAMES[bytes.readUInt32LE(4)] });

const LITTLE = 64;
const CHUNK = 16 * 1024;
/** Sent at once, so that buffers on the way are full for a while. */
const BURST = 2 * 1024 * 1024;
const LAST_WORDS = 1000;
const MOMENT_MS = 100;

/** What one end has seen. */
export interface EndReport {
  readonly flow: number;
  readonly kind: string;
  readonly sent: number;
  readonly received: number;
  /** Empty where it ended in order. */
  readonly fault: string;
}

/** One end of one connection. */
export class FlowEnd {
  readonly flow: number;
  readonly kind: string;
  readonly #socket: Socket;
  readonly #behaviour: Behaviour;
  /** Of the other end: whether it ends before it is told to. */
  readonly #peerEnds: boolean;
  readonly #stream: number;
  readonly #check: PatternCheck;
  #sent = 0;
  #answered = 0;
  #askedMs = 0;
  #hasPeerEnded = false;
  #isFinishing = false;
  #fault = '';
  /** From a question to its answer, the longest so far. */
  longestMs = 0;
  answers = 0;
  readonly over: Promise<void>;

  constructor(socket: Socket, side: 'client' | 'server', flow: number, kind: string) {
    const [client, server] = KINDS[kind] as readonly [Behaviour, Behaviour];
    this.flow = flow;
    this.kind = kind;
    this.#socket = socket;
    this.#behaviour = side === 'client' ? client : server;
    this.#peerEnds = (side === 'client' ? server : client) === 'ended';
    this.#stream = 2 * flow + (side === 'client' ? 0 : 1);
    this.#check = new PatternCheck(2 * flow + (side === 'client' ? 1 : 0));
    this.over = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#fail(error.code ?? error.message));
    socket.on('end', () => this.#ended());
    socket.on('close', () => {
      if (!this.#isFinishing || !this.#hasPeerEnded) this.#fail('closed');
    });
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    if (this.#behaviour === 'sleeps') socket.pause();
    this.#begin();
  }

  #begin(): void {
    switch (this.#behaviour) {
      case 'asks':
        return this.#ask();
      case 'sends':
        return this.#send(BURST);
      case 'drips':
        return this.#drip();
      case 'ended':
        return this.#finish();
    }
  }

  #say(size: number): boolean {
    const bytes = patternAt(this.#stream, this.#sent, size);
    this.#sent += size;
    return this.#socket.write(bytes);
  }

  get #isQuiet(): boolean {
    return this.#isFinishing || this.#socket.destroyed;
  }

  #ask(): void {
    if (this.#isQuiet) return;
    this.#askedMs = performance.now();
    this.#say(LITTLE);
  }

  #send(most: number): void {
    for (let left = most; left > 0 && !this.#isQuiet; left -= CHUNK) {
      if (this.#say(CHUNK)) continue;
      this.#socket.once('drain', () => this.#send(left - CHUNK));
      return;
    }
    if (!this.#isQuiet) setTimeout(() => this.#send(CHUNK), MOMENT_MS);
  }

  #drip(): void {
    if (this.#isQuiet) return;
    this.#say(LITTLE);
    setTimeout(() => this.#drip(), MOMENT_MS);
  }

  #take(bytes: Buffer): void {
    this.#check.take(bytes);
    if (this.#check.wrongAt !== undefined) this.#fail(`wrong from byte ${this.#check.wrongAt} on`);
    if (this.#isQuiet) return;
    if (this.#behaviour === 'answers') for (; this.#answered + LITTLE <= this.#check.size; this.#answered += LITTLE) this.#say(LITTLE);
    if (this.#behaviour !== 'asks' || this.#check.size < this.#sent) return;
    this.answers++;
    this.longestMs = Math.max(this.longestMs, performance.now() - this.#askedMs);
    setTimeout(() => this.#ask(), MOMENT_MS);
  }

  /** How long its question waits now. */
  get waitsMs(): number {
    return this.#behaviour === 'asks' && !this.#isQuiet && this.#check.size < this.#sent ? performance.now() - this.#askedMs : 0;
  }

  get isOver(): boolean {
    return this.#socket.destroyed;
  }

  get hasFailed(): boolean {
    return this.#fault !== '';
  }

  #ended(): void {
    this.#hasPeerEnded = true;
    if (this.#isFinishing) return;
    if (this.#peerEnds) return;
    // A server ends with its client; a client is told to.
    if (this.#stream % 2 === 1) return this.#finish();
    this.#fail('end');
  }

  #fail(why: string): void {
    this.#fault ||= why;
    this.#socket.destroy();
  }

  #finish(): void {
    if (this.#isFinishing) return;
    this.#isFinishing = true;
    this.#socket.resume();
    if (this.#behaviour !== 'ended') this.#say(LAST_WORDS);
    this.#socket.end();
  }

  /** Says its last words. A server without a word to wait for does so where its client has ended long ago. */
  finish(): void {
    if (!this.#socket.destroyed) this.#finish();
  }

  get report(): EndReport {
    return { flow: this.flow, kind: this.kind, sent: this.#sent, received: this.#check.size, fault: this.#fault };
  }
}

/** What is wrong with connections of which both ends have told what they saw: of a kind, how often. */
export function faultsOf(clients: readonly EndReport[], servers: readonly EndReport[]): Readonly<Record<string, number>> {
  const faults: Record<string, number> = {};
  const byFlow = new Map(servers.map((server) => [server.flow, server]));
  for (const client of clients) {
    const fault = faultOf(client, byFlow.get(client.flow));
    if (fault !== '') faults[`${client.kind}: ${fault}`] = (faults[`${client.kind}: ${fault}`] ?? 0) + 1;
  }
  return faults;
}

/** What is wrong with one; empty where all that either end sent came once and in order, and both ended. */
export function faultOf(client: EndReport, server: EndReport | undefined): string {
  if (client.fault !== '') return client.fault;
  if (server === undefined) return 'its server has not ended';
  if (server.fault !== '') return `at the server: ${server.fault}`;
  return client.sent === server.received && server.sent === client.received ? '' : `${server.received} of ${client.sent} bytes up, ${client.received} of ${server.sent} down`;
}
