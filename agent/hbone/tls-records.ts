import type { NativeMemory } from '@landbridge/native/memory.ts';
import type { HandshakeResult } from '@landbridge/native/tls-handshake.ts';
import { TAG_BYTES } from '@landbridge/native/aes-gcm.ts';
import { ALERT, type Alert, alertName, CONTENT_TYPE, type ContentType, encodeKeyUpdate, HANDSHAKE_HEADER_BYTES, HandshakeReassembly, MAX_CIPHERTEXT_BYTES, MAX_PLAINTEXT_BYTES, parseAlert, RECORD_HEADER_BYTES } from '@landbridge/wire/tls13.ts';
import { type Suite, TrafficKeys, type TrafficKeysState } from './traffic-keys.ts';

/** What sealing adds to a record: header, content type and tag. */
export const RECORD_OVERHEAD = RECORD_HEADER_BYTES + 1 + TAG_BYTES;
const KEY_UPDATE_BYTES = HANDSHAKE_HEADER_BYTES + 1;
/**
 * Records sealed under one key before it is replaced: a third of what RFC 8446, section 5.5, allows for full ones
 * (2^24.5). A peer that goes beyond 2^25 is cut, as nothing good can be meant by it.
 */
export const RECORDS_PER_KEY = 2 ** 23;
const MOST_RECORDS_PER_KEY = 2 ** 25;
/** Records in a row without application data: key updates, tickets and empty ones. */
const MAX_IDLE_RECORDS = 64;

const EMPTY = Buffer.alloc(0);
/** Most partial records are the beginning of a short one. */
const SMALL_PARTIAL = 512;

/** What the peer did wrong; `alert` is the answer, undefined where the peer itself gave up by an alert. */
export interface RecordFault {
  readonly kind: 'bad-record' | 'record-overflow' | 'unexpected-message' | 'key-limit' | 'record-flood' | 'peer-alert';
  readonly alert: Alert | undefined;
  readonly text: string;
}

/** Of a connection whose peer has not ended it. */
export interface TlsRecordsState {
  readonly role: 'client' | 'server';
  readonly suite: Suite;
  readonly tx: TrafficKeysState;
  readonly rx: TrafficKeysState;
  /** Received, and not a whole record; whole ones where a handshake read too much. */
  readonly partial: Buffer;
  /** The beginning of a post-handshake message. */
  readonly handshake: Buffer;
  readonly owesKeyUpdate: boolean;
}

/** All flights of one side of a handshake: certificate chains are the longest part. */
export const MAX_HANDSHAKE_BYTES = 128 * 1024;

/** Why a state can be none of this engine's; undefined where it can. A read goes behind what is partial. */
export function recordsFault({ suite, tx, rx, partial, handshake }: TlsRecordsState, mostPartial: number): string | undefined {
  if (!TrafficKeys.fits(suite, tx) || !TrafficKeys.fits(suite, rx)) return 'a secret of another length than its suite has';
  if (partial.length > mostPartial) return 'a partial record longer than any record';
  return handshake.length > MAX_HANDSHAKE_BYTES ? 'a handshake message longer than any that is read' : undefined;
}

/**
 * The record layer of one TLS 1.3 connection after its handshake (RFC 8446, section 5): opens and seals, follows
 * KeyUpdate both ways, and keeps partial records. It does no I/O.
 */
export class TlsRecords implements Disposable {
  readonly #role: 'client' | 'server';
  readonly #rx: TrafficKeys;
  readonly #tx: TrafficKeys;
  readonly #recordsPerKey: number;
  /** The beginning of a record that is not complete. */
  #partial: Buffer | undefined;
  #partialSize = 0;
  /** The beginning of a post-handshake message that is not complete. */
  #handshake: HandshakeReassembly | undefined;
  #idleRecords = 0;
  /** The peer asked for new keys of ours (RFC 8446, section 4.6.3). */
  #owesKeyUpdate = false;
  /** The peer sent close_notify: nothing follows. */
  hasEnded = false;
  fault: RecordFault | undefined;

  /** After a handshake, or where another process stopped. */
  constructor(role: 'client' | 'server', result: HandshakeResult | Omit<TlsRecordsState, 'role'>, recordsPerKey = RECORDS_PER_KEY) {
    this.#role = role;
    this.#recordsPerKey = recordsPerKey;
    if ('tx' in result) {
      this.#tx = new TrafficKeys(result.suite, result.tx.secret, 'seal', result.tx.records);
      this.#rx = new TrafficKeys(result.suite, result.rx.secret, 'open', result.rx.records);
      this.#owesKeyUpdate = result.owesKeyUpdate;
      if (result.partial.length > 0) this.keepPartial(result.partial, 0, result.partial.length);
      if (result.handshake.length > 0) this.#handshake = new HandshakeReassembly(role, result.handshake);
      return;
    }
    const [own, peer] = role === 'client' ? [result.clientSecret, result.serverSecret] : [result.serverSecret, result.clientSecret];
    this.#tx = new TrafficKeys(result.suite, own, 'seal');
    this.#rx = new TrafficKeys(result.suite, peer, 'open');
  }

  get state(): TlsRecordsState {
    return { role: this.#role, suite: this.#tx.suite, tx: this.#tx.state, rx: this.#rx.state, partial: this.#partial?.subarray(0, this.#partialSize) ?? EMPTY, handshake: Buffer.from(this.#handshake?.pending ?? EMPTY), owesKeyUpdate: this.#owesKeyUpdate };
  }

  /** Moves the partial record to the beginning of `into`, where what arrives next is to follow; returns its size. */
  takePartial(into: Buffer): number {
    const size = this.#partialSize;
    if (size > 0) this.#partial?.copy(into, 0, 0, size);
    this.#partialSize = 0;
    return size;
  }

  /** Keeps bytes as the beginning of a record; after a handshake also as many whole ones as were read too much. */
  keepPartial(bytes: Buffer, from: number, to: number): void {
    const size = to - from;
    // Given back when it is empty, so that an idle connection holds none.
    if (this.#partial === undefined || this.#partial.length < size) this.#partial = Buffer.allocUnsafeSlow(size <= SMALL_PARTIAL ? SMALL_PARTIAL : Math.max(size, RECORD_HEADER_BYTES + MAX_CIPHERTEXT_BYTES));
    bytes.copy(this.#partial, 0, from, to);
    this.#partialSize = size;
  }

  /**
   * Opens all whole records of the first `size` bytes of `source`, and keeps the rest. Application data goes to the
   * beginning of `target`; returns how much. Look at `fault` and `hasEnded` afterwards: data before them counts.
   */
  open(source: NativeMemory, size: number, target: NativeMemory): number {
    const bytes = source.bytes;
    let at = 0;
    let out = 0;
    while (size - at >= RECORD_HEADER_BYTES) {
      const length = ((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number);
      if (length > MAX_CIPHERTEXT_BYTES) return this.#fail(out, 'record-overflow', ALERT.RECORD_OVERFLOW, `a record of ${length} bytes`);
      if (size - at < RECORD_HEADER_BYTES + length) break;
      if (bytes[at] !== CONTENT_TYPE.APPLICATION_DATA) return this.#fail(out, 'unexpected-message', ALERT.UNEXPECTED_MESSAGE, `a record of type ${bytes[at]} that is not encrypted`);
      if (length < TAG_BYTES + 1) return this.#fail(out, 'bad-record', ALERT.BAD_RECORD_MAC, 'a record too short to be sealed');
      if (this.#rx.records >= MOST_RECORDS_PER_KEY) return this.#fail(out, 'key-limit', ALERT.UNEXPECTED_MESSAGE, 'too many records under one key');
      const plain = length - TAG_BYTES;
      if (!this.#rx.next().open(source.address + at + RECORD_HEADER_BYTES, plain, target.address + out, source.address + at, RECORD_HEADER_BYTES)) return this.#fail(out, 'bad-record', ALERT.BAD_RECORD_MAC, 'a record that is not authentic');
      at += RECORD_HEADER_BYTES + length;
      out = this.#content(target.bytes, out, out + plain - 1);
      if (this.fault !== undefined || this.hasEnded) return out;
    }
    if (at < size) this.keepPartial(bytes, at, size);
    else this.#partial = undefined;
    return out;
  }

  /** Handles the inner plaintext from `from`, whose last byte is at `last`; returns where application data ends now. */
  #content(target: Buffer, from: number, last: number): number {
    let end = last;
    while (end >= from && target[end] === 0) end--;
    if (end < from) return this.#fail(from, 'unexpected-message', ALERT.UNEXPECTED_MESSAGE, 'a record without content type');
    if (end - from > MAX_PLAINTEXT_BYTES) return this.#fail(from, 'record-overflow', ALERT.RECORD_OVERFLOW, 'a record of more than 16384 bytes');
    const type = target[end];
    if (type === CONTENT_TYPE.APPLICATION_DATA) {
      if (this.#handshake !== undefined) return this.#fail(from, 'unexpected-message', ALERT.UNEXPECTED_MESSAGE, 'data inside a handshake message');
      if (end > from) {
        this.#idleRecords = 0;
        return end;
      }
    } else if (type === CONTENT_TYPE.ALERT) {
      this.#alert(target.subarray(from, end));
    } else if (type === CONTENT_TYPE.HANDSHAKE) {
      this.#handshakeRecord(target.subarray(from, end));
    } else {
      return this.#fail(from, 'unexpected-message', ALERT.UNEXPECTED_MESSAGE, `a record of content type ${type}`);
    }
    if (++this.#idleRecords > MAX_IDLE_RECORDS) return this.#fail(from, 'record-flood', ALERT.UNEXPECTED_MESSAGE, 'too many records without data');
    return from;
  }

  #alert(content: Buffer): void {
    if (this.#handshake !== undefined) return void this.#fail(0, 'unexpected-message', ALERT.UNEXPECTED_MESSAGE, 'an alert inside a handshake message');
    const alert = parseAlert(content);
    if (!alert.ok) this.#fail(0, 'unexpected-message', alert.error.alert, alert.error.reason);
    else if (alert.value.kind === 'close') this.hasEnded = true;
    else if (alert.value.kind === 'fatal') this.#fail(0, 'peer-alert', undefined, `the peer gave up: ${alertName(alert.value.code)}`);
  }

  #handshakeRecord(content: Buffer): void {
    const handshake = (this.#handshake ??= new HandshakeReassembly(this.#role));
    const messages = handshake.push(content);
    if (!messages.ok) return void this.#fail(0, 'unexpected-message', messages.error.alert, messages.error.reason);
    // Messages come seldom and connections live long.
    if (handshake.pending.length === 0) this.#handshake = undefined;
    for (const message of messages.value) {
      // Tickets are for resumption, which is never asked for.
      if (message.kind !== 'key-update') continue;
      this.#rx.update();
      // Any number of requests is answered by one update.
      if (message.requestsUpdate) this.#owesKeyUpdate = true;
    }
  }

  #fail(out: number, kind: RecordFault['kind'], alert: Alert | undefined, text: string): number {
    this.fault ??= { kind, alert, text };
    return out;
  }

  get owesKeyUpdate(): boolean {
    return this.#owesKeyUpdate || this.#tx.records >= this.#recordsPerKey;
  }

  /**
   * Seals bytes as records to `out` from `at`; returns where they end. The byte behind each record's content must be
   * writable and is put back. Room is needed for {@link sealedSize}.
   */
  seal(bytes: Buffer, address: number, from: number, size: number, out: NativeMemory, at: number, type: ContentType = CONTENT_TYPE.APPLICATION_DATA): number {
    let to = at;
    let done = 0;
    do {
      if (this.owesKeyUpdate) to = this.#sealKeyUpdate(out, to);
      const part = Math.min(size - done, MAX_PLAINTEXT_BYTES);
      const last = from + done + part;
      const behind = bytes[last] as number;
      bytes[last] = type;
      to = this.#sealOne(address + done, part + 1, out, to);
      bytes[last] = behind;
      done += part;
    } while (done < size);
    return to;
  }

  /** Most bytes that sealing `size` bytes can take, with a KeyUpdate before each record. */
  static sealedSize(size: number): number {
    return size + (Math.floor(size / MAX_PLAINTEXT_BYTES) + 1) * 2 * (RECORD_OVERHEAD + KEY_UPDATE_BYTES);
  }

  #sealOne(address: number, size: number, out: NativeMemory, at: number): number {
    const length = size + TAG_BYTES;
    const header = out.bytes;
    header[at] = CONTENT_TYPE.APPLICATION_DATA;
    header[at + 1] = 3;
    header[at + 2] = 3;
    header[at + 3] = length >> 8;
    header[at + 4] = length;
    this.#tx.next().seal(address, size, out.address + at + RECORD_HEADER_BYTES, out.address + at, RECORD_HEADER_BYTES);
    return at + RECORD_HEADER_BYTES + length;
  }

  #sealKeyUpdate(out: NativeMemory, at: number): number {
    this.#owesKeyUpdate = false;
    // Sealed in place: its plaintext lies where its ciphertext goes.
    const body = at + RECORD_HEADER_BYTES;
    out.bytes.set(encodeKeyUpdate(false), body);
    out.bytes[body + KEY_UPDATE_BYTES] = CONTENT_TYPE.HANDSHAKE;
    const end = this.#sealOne(out.address + body, KEY_UPDATE_BYTES + 1, out, at);
    this.#tx.update();
    return end;
  }

  [Symbol.dispose](): void {
    this.#rx[Symbol.dispose]();
    this.#tx[Symbol.dispose]();
    this.#partial = undefined;
  }
}
