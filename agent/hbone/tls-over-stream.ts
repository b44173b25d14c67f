import { nativeMemory } from '@landbridge/native/memory.ts';
import type { TlsContext } from '@landbridge/native/tls-context.ts';
import { type HandshakeResult, TlsHandshake } from '@landbridge/native/tls-handshake.ts';
import { ALERT, type Alert, CONTENT_TYPE, encodeAlert, MAX_CIPHERTEXT_BYTES, RECORD_HEADER_BYTES } from '@landbridge/wire/tls13.ts';
import { ByteQueue } from './byte-queue.ts';
import { type Channel, type ChannelOwner, NOTHING, OVER } from './channel.ts';
import type { Failure, FailureReason } from './failure.ts';
import { ENDED, type Near, type NearOwner, NOTHING_YET } from './near.ts';
import { innerPlainIn, innerSealedIn, sealedOut } from './scratch.ts';
import { MAX_HANDSHAKE_BYTES, recordsFault, TlsRecords, type TlsRecordsState } from './tls-records.ts';

/** Sealed bytes that wait for the outer stream before the inner session is held back. */
const MAX_WAITING = 256 * 1024;
/** Taken in one step, so that a partial record fits before it. */
const STEP_BYTES = 64 * 1024;
const control = nativeMemory(16);

/** Of an open session which neither side has ended. */
export interface TlsOverStreamState {
  readonly records: TlsRecordsState;
  /** Sealed, and not taken by the outer stream yet. */
  readonly outgoing: readonly Buffer[];
}

/** Why a state can be none of this engine's; undefined where it can. */
export function innerFault({ records, outgoing }: TlsOverStreamState): string | undefined {
  if (records.role !== 'client') return 'a session inside a stream of the other role';
  if (outgoing.reduce((sum, { length }) => sum + length, 0) > MAX_WAITING + sealedOut.bytes.length) return 'more waits for a stream than ever does';
  return recordsFault(records, RECORD_HEADER_BYTES + MAX_CIPHERTEXT_BYTES);
}

export interface InnerListener {
  onSecure(channel: TlsOverStream, result: HandshakeResult): void;
  onHandshakeFailed(channel: TlsOverStream, failure: Failure): void;
}

/**
 * A TLS 1.3 client inside a stream: the near side of that stream, and the channel of an HTTP/2 session of its own. What
 * carries the stream can neither read nor change what passes.
 */
export class TlsOverStream implements Near, Channel {
  readonly inbound = innerPlainIn;
  readonly queued = 0;
  readonly mustBeTaken = true;
  readonly #outgoing = new ByteQueue();
  /** Undefined where the handshake was another process'. */
  readonly #listener: InnerListener | undefined;
  #handshake: TlsHandshake | undefined;
  #handshakeBytes = 0;
  #early: Buffer | undefined;
  #records: TlsRecords | undefined;
  /** The outer stream. */
  readonly #outer: NearOwner;
  owner: ChannelOwner | undefined;
  failure: Failure | undefined;
  #isEnding = false;
  #isClosed = false;
  /** Opened and not taken yet. */
  #plain = 0;
  #hasEnded = false;

  constructor(outer: NearOwner, options: TlsOverStreamState | { readonly context: TlsContext; readonly listener: InnerListener }) {
    this.#outer = outer;
    if ('records' in options) {
      this.#records = new TlsRecords('client', options.records);
      for (const part of options.outgoing) this.#outgoing.append(part, 0, part.length);
      return;
    }
    this.#listener = options.listener;
    this.#handshake = new TlsHandshake(options.context, 'client');
  }

  /** Whether it could go on in another process. */
  get isSettled(): boolean {
    return this.#records !== undefined && this.failure === undefined && !this.#isEnding && !this.#isClosed && !this.#hasEnded && this.#records.fault === undefined;
  }

  /** While nothing is read from the outer stream or written to it. */
  get state(): TlsOverStreamState {
    return { records: (this.#records as TlsRecords).state, outgoing: this.#outgoing.parts };
  }

  /** Erases its keys; it goes on in another process, or has never begun in this one. */
  forget(): void {
    this.#isClosed = true;
    this.#records?.[Symbol.dispose]();
    this.#records = this.owner = undefined;
    this.#outgoing.clear();
  }

  /** Sends the first flight, once it is joined to its stream. */
  begin(): void {
    this.#handshake?.advance();
    this.#sendHandshake();
  }

  // -- As near side of the outer stream

  get mayPull(): boolean {
    return this.#outgoing.size > 0 || this.#isEnding;
  }

  get hasFailed(): boolean {
    return this.#isClosed && !this.#isEnding;
  }

  pull(bytes: Buffer, _address: number, offset: number, size: number): number {
    const wasBlocked = this.isBlocked;
    const moved = this.#outgoing.moveTo(bytes, offset, size);
    // The outer session is in the middle of a frame: what sends more now would write over it.
    if (wasBlocked && !this.isBlocked) this.owner?.onRoom();
    if (moved > 0) return moved;
    return this.#isEnding ? ENDED : NOTHING_YET;
  }

  push(bytes: Buffer, _address: number, offset: number, size: number): boolean {
    for (let at = 0; at < size && !this.#isClosed; at += STEP_BYTES) this.#take(bytes, offset + at, Math.min(STEP_BYTES, size - at));
    return !this.hasFailed;
  }

  endPush(): void {
    this.#hasEnded = true;
    if (this.#handshake !== undefined) this.#failHandshake('tls-truncated', 'the stream ended during the handshake inside it');
    else if (!this.#isClosed) this.owner?.onChannel();
  }

  #take(bytes: Buffer, from: number, size: number): void {
    const records = this.#records;
    if (records !== undefined) {
      const have = records.takePartial(innerSealedIn.bytes);
      bytes.copy(innerSealedIn.bytes, have, from, from + size);
      return this.#open(records, have + size);
    }
    const have = this.#early?.length ?? 0;
    this.#early?.copy(innerSealedIn.bytes, 0);
    this.#early = undefined;
    bytes.copy(innerSealedIn.bytes, have, from, from + size);
    this.#handshakeBytes += size;
    this.#feed(have + size);
  }

  #feed(size: number): void {
    const { bytes, address } = innerSealedIn;
    let at = 0;
    while (this.#handshake !== undefined && size - at >= RECORD_HEADER_BYTES) {
      const length = RECORD_HEADER_BYTES + bytes.readUInt16BE(at + 3);
      if (length > RECORD_HEADER_BYTES + MAX_CIPHERTEXT_BYTES || this.#handshakeBytes > MAX_HANDSHAKE_BYTES) return this.#failHandshake('tls-record-overflow', 'a handshake longer than any that is needed');
      if (size - at < length) break;
      const handshake = this.#handshake;
      const state = handshake.feed(address + at, length);
      at += length;
      this.#sendHandshake();
      if (state.kind === 'failed') return this.#failHandshake(`tls-${state.fault}`, state.text);
      if (state.kind === 'done') return this.#secure(handshake, at, size);
    }
    if (at < size && this.#handshake !== undefined) this.#early = Buffer.from(bytes.subarray(at, size));
  }

  #secure(handshake: TlsHandshake, at: number, size: number): void {
    const result = handshake.result();
    if (result === undefined) return this.#failHandshake('tls-protocol', 'the handshake ended without keys');
    const rest = at < size ? Buffer.from(innerSealedIn.bytes.subarray(at, size)) : undefined;
    handshake[Symbol.dispose]();
    this.#handshake = undefined;
    this.#records = new TlsRecords('client', result);
    this.#listener?.onSecure(this, result);
    if (rest !== undefined && !this.#isClosed) this.#take(rest, 0, rest.length);
  }

  #open(records: TlsRecords, size: number): void {
    this.#plain = records.open(innerSealedIn, size, innerPlainIn);
    const { fault } = records;
    if (fault !== undefined) {
      this.failure ??= { reason: `tls-${fault.kind}`, text: fault.text };
      if (fault.alert !== undefined) this.#sendAlert(fault.alert);
    }
    if (records.hasEnded) this.#hasEnded = true;
    if (this.#plain > 0 || this.failure !== undefined || this.#hasEnded) this.owner?.onChannel();
    this.#plain = 0;
  }

  #sendHandshake(): void {
    const bytes = this.#handshake?.takeOutput();
    if (bytes === undefined) return;
    this.#outgoing.append(bytes, 0, bytes.length);
    this.#outer.onNear();
  }

  #failHandshake(reason: FailureReason, text: string): void {
    if (this.#isClosed) return;
    this.failure ??= { reason, text };
    this.close();
    this.#listener?.onHandshakeFailed(this, this.failure);
  }

  /** Gives up a handshake that takes too long. */
  abandon(): void {
    if (this.#handshake !== undefined) this.#failHandshake('tls-timeout', 'the handshake took too long');
  }

  // -- As channel of the inner session

  get mayReceive(): boolean {
    return this.#plain > 0 || this.#hasEnded || this.failure !== undefined;
  }

  get isBlocked(): boolean {
    return this.#outgoing.size > MAX_WAITING;
  }

  receive(): number {
    const plain = this.#plain;
    this.#plain = 0;
    if (plain > 0) return plain;
    return this.#hasEnded || this.failure !== undefined ? OVER : NOTHING;
  }

  send(bytes: Buffer, address: number, from: number, size: number): void {
    if (this.#records === undefined || this.#isClosed) return;
    const end = this.#records.seal(bytes, address + from, from, size, sealedOut, 0);
    this.#outgoing.append(sealedOut.bytes, 0, end);
    this.#outer.onNear();
  }

  flush(): void {
    if (this.#outgoing.size > 0) this.#outer.onNear();
  }

  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    // The end of what carries it proves nothing: anybody on the way may have made it (RFC 8446, section 6.1).
    if (this.failure === undefined) this.#sendAlert(ALERT.CLOSE_NOTIFY);
    this.#outer.onNear();
  }

  #sendAlert(alert: Alert): void {
    if (this.#records === undefined || this.#isClosed) return;
    control.bytes.set(encodeAlert(alert));
    const end = this.#records.seal(control.bytes, control.address, 0, 2, sealedOut, 0, CONTENT_TYPE.ALERT);
    this.#outgoing.append(sealedOut.bytes, 0, end);
  }

  /** From either side: the stream is over, or the session is. What waits still leaves where the session has ended in order. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#handshake?.[Symbol.dispose]();
    this.#records?.[Symbol.dispose]();
    this.#handshake = this.#records = undefined;
    if (!this.#isEnding) this.#outgoing.clear();
    this.#hasEnded = true;
    const { owner } = this;
    this.owner = undefined;
    owner?.onChannel();
    this.#outer.onNear();
  }
}
