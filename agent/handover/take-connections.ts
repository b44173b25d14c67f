import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { FileDescriptor } from '@landbridge/native/libc.ts';
import type { SeqpacketSocket } from '@landbridge/native/seqpacket.ts';
import { type HandedBatch, type HandoverSink, MAX_BATCH_SOCKETS, type PreparedBatch } from './handed-batch.ts';
import { hear, sendPacket } from './handover-channel.ts';
import { HELLO } from './handover-packet.ts';
import { beginTaking, taken, type TakerEvent, type TakerOutcome, type TakerState } from './taker-protocol.ts';

const GREETING_MS = 2000;
/** The old process may wait between two batches for what can not move yet; one that says nothing for longer has stopped. */
const SILENCE_MS = 60_000;

/** A batch that runs here. */
export interface TakenBatch {
  readonly connections: number;
  /** Connections between nodes, each with some of those in it. */
  readonly tunnels: number;
  readonly stateBytes: number;
  /** From the moment on at which its connections stopped in the old process until they went on in this one. Undefined where the old one did not say when that was. */
  readonly pauseMs: number | undefined;
}

export interface TakingOptions {
  /** Ends the hand-over between two batches. */
  readonly signal: AbortSignal;
  /** After each batch that runs here. */
  readonly onBatch?: (batch: TakenBatch) => void;
  readonly onRefusal?: (reason: string) => void;
  /** Before each state does its work. For tests. */
  readonly onState?: (state: TakerState) => void;
}

export interface Taking {
  readonly outcome: TakerOutcome;
  readonly batches: number;
  readonly connections: number;
}

/** Takes connections from the process at the other end, which was found to be trusted. The socket is the caller's to close. */
export async function takeConnections(socket: SeqpacketSocket, sink: HandoverSink, options: TakingOptions): Promise<Taking> {
  const taker = new Taker(socket, sink, options);
  return await taker.run();
}

interface Announced {
  readonly connections: number;
  readonly bytes: number;
  readonly frozenAtMs?: number | undefined;
}

class Taker {
  readonly #socket: SeqpacketSocket;
  readonly #sink: HandoverSink;
  readonly #options: TakingOptions;
  /** Of the batch that came last, until the sink has them. */
  #descriptors: readonly FileDescriptor[] = [];
  /** Sockets that have come before their batch. */
  #early: FileDescriptor[] = [];
  #announced: Announced = { connections: 0, bytes: 0 };
  #prepared: PreparedBatch | undefined;
  #batches = 0;
  #connections = 0;

  constructor(socket: SeqpacketSocket, sink: HandoverSink, options: TakingOptions) {
    this.#socket = socket;
    this.#sink = sink;
    this.#options = options;
  }

  async run(): Promise<Taking> {
    let state = beginTaking;
    while (state.kind !== 'ended') {
      this.#options.onState?.(state);
      state = taken(state, await this.#perform(state));
    }
    this.#dropEarly();
    return { outcome: state.outcome, batches: this.#batches, connections: this.#connections };
  }

  #dropEarly(): void {
    for (const socket of this.#early) socket[Symbol.dispose]();
    this.#early = [];
  }

  async #perform(state: Exclude<TakerState, { readonly kind: 'ended' }>): Promise<TakerEvent> {
    switch (state.kind) {
      case 'greeting':
        sendPacket(this.#socket.descriptor, HELLO);
        return await this.#hear(AbortSignal.timeout(GREETING_MS));
      case 'waiting':
        return await this.#hear(AbortSignal.any([this.#options.signal, AbortSignal.timeout(SILENCE_MS)]));
      case 'rehearsing':
        return await this.#rehearse();
      case 'taking':
        return await this.#take(state.number);
      case 'refusing':
        this.#options.onRefusal?.(state.reason);
        return sendPacket(this.#socket.descriptor, { kind: 'refuse', number: state.number, reason: state.reason });
      case 'judging':
        return await this.#hear(new AbortController().signal);
      case 'starting':
        return await this.#start();
      case 'discarding':
        await this.#sink.discard(this.#takePrepared());
        return { kind: 'passed' };
      case 'parting':
        return sendPacket(this.#socket.descriptor, { kind: 'bye' });
      default:
        return state satisfies never;
    }
  }

  async #hear(signal: AbortSignal): Promise<TakerEvent> {
    const heard = await hear(this.#socket, signal);
    if (heard.kind !== 'packet') return heard;
    const { packet, descriptors } = heard;
    if (packet.kind === 'sockets') {
      this.#early.push(...descriptors);
      return this.#early.length > MAX_BATCH_SOCKETS ? { kind: 'nonsense', reason: 'more sockets than a batch has' } : heard;
    }
    this.#descriptors = descriptors;
    if (packet.kind === 'batch' || packet.kind === 'rehearsal') this.#announced = packet;
    return heard;
  }

  async #rehearse(): Promise<TakerEvent> {
    try {
      const prepared = await this.#sink.prepare(this.#arrived());
      // A refusal is told when it matters: this agent may know more by then.
      if (prepared.kind === 'prepared') await this.#sink.discard(prepared.prepared);
    } catch (thrown) {
      return { kind: 'failed', reason: LandbridgeError.from(thrown).message };
    }
    return sendPacket(this.#socket.descriptor, { kind: 'rehearsed' });
  }

  /** The batch that has come, which is the sink's from now on. */
  #arrived(): HandedBatch {
    const [memory, ...last] = this.#descriptors;
    const sockets = [...this.#early, ...last];
    this.#descriptors = this.#early = [];
    const { bytes, connections } = this.#announced;
    return { memory: (memory as FileDescriptor).release(), bytes, fds: sockets.map((socket) => socket.release()), connections };
  }

  async #take(number: number): Promise<TakerEvent> {
    try {
      const taken = await this.#sink.take(this.#arrived(), { channel: this.#socket.descriptor, number });
      if (taken.kind === 'unsaid') this.#prepared = taken.prepared;
      if (taken.kind === 'started') this.#goesOn(taken.batch, taken.atMs);
      return taken;
    } catch (thrown) {
      return { kind: 'failed', reason: LandbridgeError.from(thrown).message };
    }
  }

  async #start(): Promise<TakerEvent> {
    const prepared = this.#takePrepared();
    try {
      this.#goesOn(prepared, await this.#sink.start(prepared));
    } catch (thrown) {
      return { kind: 'failed', reason: LandbridgeError.from(thrown).message };
    }
    return { kind: 'started' };
  }

  #goesOn({ connections, tunnels }: PreparedBatch, atMs: number): void {
    this.#batches++;
    this.#connections += connections;
    const { bytes: stateBytes, frozenAtMs } = this.#announced;
    this.#options.onBatch?.({ connections, tunnels, stateBytes, pauseMs: frozenAtMs === undefined ? undefined : Math.max(0, atMs - frozenAtMs) });
  }

  #takePrepared(): PreparedBatch {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    if (prepared === undefined) throw new LandbridgeError('internal', 'there is no prepared batch');
    return prepared;
  }
}
