import { LandbridgeError } from '@landbridge/core/errors.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import { close } from '@landbridge/native/stream-socket.ts';
import type { SeqpacketSocket } from '@landbridge/native/seqpacket.ts';
import { beginGiving, type Fate, given, type GiverEvent, type GiverOutcome, type GiverState } from './giver-protocol.ts';
import { CONNECTIONS_PER_BATCH, HANDOVER_FORMATS, type HandedBatch, type HandoverSource, machineMs, MAX_BATCH_SOCKETS, MAX_PACKET_SOCKETS, type Staying, type Taker } from './handed-batch.ts';
import { type HandoverPacket, HELLO } from './handover-packet.ts';
import { closeInbox, hear, lastOf, sendPacket } from './handover-channel.ts';

/** For the successor's greeting; it may be busy with its pods. */
const GREETING_MS = 2000;
/** For one rehearsal: nothing stands still meanwhile. */
const REHEARSAL_MS = 2000;
/** How long a batch stands still for a successor that does not take it. */
const BATCH_MS = 300;
const BYE_MS = 1000;
/** Before the source is asked again for what was not ready to move. */
const LATER_MS = 50;
/** Before `abort` is tried again where the kernel had no room for it. */
const ABORT_RETRY_MS = 10;

/** What became of a batch. */
export interface GivenBatch {
  readonly fate: Fate;
  readonly connections: number;
  /** Connections between nodes, each with some of those in it. */
  readonly tunnels: number;
  readonly stateBytes: number;
  /** From the moment on at which its connections stopped until the source lets them go on; where they were given, until it has left them, which may be later than they go on. */
  readonly heldMs: number;
}

export interface GivingOptions {
  /** Ends the hand-over between two batches. */
  readonly signal: AbortSignal;
  /** Ends the wait for what can not move yet; what can goes on to. Default: never. */
  readonly patience?: AbortSignal;
  /** Default 300. */
  readonly batchMs?: number;
  readonly onBatch?: (batch: GivenBatch) => void;
  /** Before each state does its work. For tests. */
  readonly onState?: (state: GiverState) => void;
}

export interface Giving {
  readonly outcome: GiverOutcome;
  readonly batches: number;
  /** Of applications. */
  readonly connections: number;
  /** All that is here still. */
  readonly staying: Staying;
}

interface Held {
  readonly batch: HandedBatch;
  readonly tunnels: number;
  readonly frozenAtMs: number;
}

/** Gives a source's connections to the process at the other end, which was found to be trusted, as far as it takes them. The socket is the caller's to close. */
export async function giveConnections(socket: SeqpacketSocket, source: HandoverSource, options: GivingOptions): Promise<Giving> {
  const giver = new Giver(socket, source, options);
  return await giver.run();
}

class Giver {
  readonly #socket: SeqpacketSocket;
  readonly #source: HandoverSource;
  readonly #options: GivingOptions;
  /** As it says itself. */
  #taker: Taker = { sockets: MAX_PACKET_SOCKETS, resets: false };
  #held: Held | undefined;
  #batches = 0;
  #connections = 0;

  constructor(socket: SeqpacketSocket, source: HandoverSource, options: GivingOptions) {
    this.#socket = socket;
    this.#source = source;
    this.#options = options;
  }

  async run(): Promise<Giving> {
    let state = beginGiving;
    await this.#begin();
    while (state.kind !== 'ended') {
      this.#options.onState?.(state);
      state = given(state, await this.#perform(state), HANDOVER_FORMATS[0] as number);
    }
    return { outcome: state.outcome, batches: this.#batches, connections: this.#connections, staying: await this.#staying() };
  }

  async #begin(): Promise<void> {
    try {
      await this.#source.begin();
    } catch {
      // Nor will it give a batch, and then says why.
    }
  }

  async #staying(): Promise<Staying> {
    try {
      return await this.#source.staying();
    } catch {
      // Nothing is anywhere once the data plane has ended.
      return {};
    }
  }

  async #perform(state: Exclude<GiverState, { readonly kind: 'ended' }>): Promise<GiverEvent> {
    switch (state.kind) {
      case 'greeting': {
        const sent = sendPacket(this.#socket.descriptor, HELLO);
        // Nothing stands still yet.
        return sent.kind === 'passed' ? await this.#hear(GREETING_MS, this.#options.signal) : { kind: 'gone' };
      }
      case 'rehearsing':
        return await this.#rehearse();
      case 'watching':
        return await this.#hear(REHEARSAL_MS, this.#options.signal);
      case 'asking':
        return await this.#ask();
      case 'pausing':
        await waitFor(LATER_MS, this.#options.signal);
        return { kind: 'passed' };
      case 'sending':
        return this.#send(state.number);
      case 'offered':
        return await this.#hear(this.#options.batchMs ?? BATCH_MS);
      case 'closing':
        return { kind: 'rest', packets: closeInbox(this.#socket) };
      case 'aborting': {
        const sent = sendPacket(this.#socket.descriptor, { kind: 'abort', number: state.number });
        if (sent.kind !== 'failed') return sent;
        await waitFor(ABORT_RETRY_MS, new AbortController().signal);
        return { kind: 'busy' };
      }
      case 'settling':
        return await this.#settle(state.fate);
      case 'parting':
        return sendPacket(this.#socket.descriptor, { kind: 'done' }).kind === 'passed' ? await this.#hear(BYE_MS) : { kind: 'gone' };
      default:
        return state satisfies never;
    }
  }

  async #hear(milliseconds: number, signal?: AbortSignal): Promise<GiverEvent> {
    const deadline = AbortSignal.timeout(milliseconds);
    const heard = await hear(this.#socket, signal === undefined ? deadline : AbortSignal.any([signal, deadline]));
    if (heard.kind === 'packet' && heard.packet.kind === 'hello') this.#taker = { sockets: Math.min(heard.packet.sockets, MAX_BATCH_SOCKETS), resets: heard.packet.resets };
    return heard.kind === 'nonsense' ? { kind: 'nonsense' } : heard;
  }

  async #rehearse(): Promise<GiverEvent> {
    if (this.#options.signal.aborted) return { kind: 'none-left' };
    try {
      const batch = await this.#source.rehearse(this.#taker.sockets);
      if (batch === undefined) return { kind: 'none-left' };
      const { connections, bytes, fds } = batch;
      return this.#sendBatch(batch, { kind: 'rehearsal', connections, bytes, sockets: fds.length });
    } catch (thrown) {
      return failed(thrown);
    }
  }

  async #ask(): Promise<GiverEvent> {
    if (this.#options.signal.aborted) return { kind: 'none-left' };
    try {
      const next = await this.#source.next(CONNECTIONS_PER_BATCH, this.#taker);
      if (next.kind === 'batch') this.#held = { batch: next.batch, tunnels: next.tunnels, frozenAtMs: next.frozenAtMs };
      return { kind: next.kind === 'later' && this.#options.patience?.aborted === true ? 'none-left' : next.kind };
    } catch (thrown) {
      return failed(thrown);
    }
  }

  #send(number: number): GiverEvent {
    const { bytes, fds, connections } = this.#batch();
    const { frozenAtMs } = this.#held as Held;
    return this.#sendBatch(this.#batch(), { kind: 'batch', number, connections, bytes, sockets: fds.length, frozenAtMs });
  }

  #sendBatch({ memory, fds }: HandedBatch, packet: HandoverPacket): GiverEvent {
    try {
      const last = fds.length - lastOf(fds.length);
      for (let at = 0; at < last; at += MAX_PACKET_SOCKETS) {
        const sent = sendPacket(this.#socket.descriptor, { kind: 'sockets', count: MAX_PACKET_SOCKETS }, fds.slice(at, at + MAX_PACKET_SOCKETS));
        // Without the batch they are nothing: the hand-over ends, and with it what has come.
        if (sent.kind !== 'passed') return sent;
      }
      return sendPacket(this.#socket.descriptor, packet, [memory, ...fds.slice(last)]);
    } catch (thrown) {
      return failed(thrown);
    } finally {
      close(memory);
    }
  }

  async #settle(fate: Fate): Promise<GiverEvent> {
    const batch = this.#batch();
    const { tunnels, frozenAtMs } = this.#held as Held;
    try {
      if (fate === 'given') await this.#source.commit(batch);
      else await this.#source.rollback(batch, fate === 'kept' ? 'again' : 'refused');
    } catch (thrown) {
      return failed(thrown);
    } finally {
      this.#held = undefined;
    }
    if (fate === 'given') {
      this.#batches++;
      this.#connections += batch.connections;
    }
    this.#options.onBatch?.({ fate, connections: batch.connections, tunnels, stateBytes: batch.bytes, heldMs: machineMs() - frozenAtMs });
    return { kind: 'passed' };
  }

  #batch(): HandedBatch {
    if (this.#held === undefined) throw new LandbridgeError('internal', 'there is no batch');
    return this.#held.batch;
  }
}

const failed = (thrown: unknown): GiverEvent => ({ kind: 'failed', reason: LandbridgeError.from(thrown).message });
