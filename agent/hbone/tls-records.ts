import type { NativeMemory } from '@landbridge/native/memory.ts';
import type { HandshakeResult } from '@landbridge/native/tls-handshake.ts';
import { TAG_BYTES } from '@landbridge/native/aes-gcm.ts';
import { TrafficKeys } from './traffic-keys.ts';

export const HEADER_BYTES = 5;
/** Most plaintext of one record (RFC 8446, section 5.1). */
export const MAX_PLAINTEXT = 1 << 14;
/** Most of one sealed record after its header (RFC 8446, section 5.2). */
export const MAX_SEALED = MAX_PLAINTEXT + 256;
/** What sealing adds to a record: header, content type and tag. */
export const RECORD_OVERHEAD = HEADER_BYTES + 1 + TAG_BYTES;
/**
 * Records sealed under one key before it is replaced: a third of what RFC 8446, section 5.5, allows for full ones
 * (2^24.5). A peer that goes beyond 2^25 is cut, as nothing good can be meant by it.
 */
export const RECORDS_PER_KEY = 2 ** 23;
const MOST_RECORDS_PER_KEY = 2 ** 25;
/** Post-handshake messages may be split over records; tickets are the longest that are legal. */
const MAX_HANDSHAKE_BYTES = 64 * 1024;
/** Records in a row without application data: key updates, tickets and empty ones. */
const MAX_IDLE_RECORDS = 64;

/** Most partial records are the beginning of a short one. */
const SMALL_PARTIAL = 512;

export const ContentType = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;
const HandshakeType = { newSessionTicket: 4, keyUpdate: 24 } as const;
const MESSAGE_HEADER = 4;

/** Alerts that are sent (RFC 8446, section 6). */
export const Alert = { closeNotify: 0, unexpectedMessage: 10, badRecordMac: 20, recordOverflow: 22, decodeError: 50, internalError: 80 } as const;
const USER_CANCELED = 90;

/** What the peer did wrong; `alert` is the answer, undefined where the peer itself gave up by an alert. */
export interface RecordFault {
  readonly kind: 'bad-record' | 'record-overflow' | 'unexpected-message' | 'key-limit' | 'record-flood' | 'peer-alert';
  readonly alert: number | undefined;
  readonly text: string;
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
  #message: Buffer | undefined;
  #idleRecords = 0;
  /** The peer asked for new keys of ours (RFC 8446, section 4.6.3). */
  #owesKeyUpdate = false;
  /** The peer sent close_notify: nothing follows. */
  hasEnded = false;
  fault: RecordFault | undefined;

  constructor(role: 'client' | 'server', result: HandshakeResult, recordsPerKey = RECORDS_PER_KEY) {
    this.#role = role;
    this.#recordsPerKey = recordsPerKey;
    const [own, peer] = role === 'client' ? [result.clientSecret, result.serverSecret] : [result.serverSecret, result.clientSecret];
    this.#tx = new TrafficKeys(result.suite, own, 'seal');
    this.#rx = new TrafficKeys(result.suite, peer, 'open');
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
    if (this.#partial === undefined || this.#partial.length < size) this.#partial = Buffer.allocUnsafeSlow(size <= SMALL_PARTIAL ? SMALL_PARTIAL : Math.max(size, HEADER_BYTES + MAX_SEALED));
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
    while (size - at >= HEADER_BYTES) {
      const length = ((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number);
      if (length > MAX_SEALED) return this.#fail(out, 'record-overflow', Alert.recordOverflow, `a record of ${length} bytes`);
      if (size - at < HEADER_BYTES + length) break;
      if (bytes[at] !== ContentType.applicationData) return this.#fail(out, 'unexpected-message', Alert.unexpectedMessage, `a record of type ${bytes[at]} that is not encrypted`);
      if (length < TAG_BYTES + 1) return this.#fail(out, 'bad-record', Alert.badRecordMac, 'a record too short to be sealed');
      if (this.#rx.records >= MOST_RECORDS_PER_KEY) return this.#fail(out, 'key-limit', Alert.unexpectedMessage, 'too many records under one key');
      this.#rx.useNonce();
      const plain = length - TAG_BYTES;
      if (!this.#rx.cipher.open(source.address + at + HEADER_BYTES, plain, target.address + out, source.address + at, HEADER_BYTES)) return this.#fail(out, 'bad-record', Alert.badRecordMac, 'a record that is not authentic');
      at += HEADER_BYTES + length;
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
    if (end < from) return this.#fail(from, 'unexpected-message', Alert.unexpectedMessage, 'a record without content type');
    if (end - from > MAX_PLAINTEXT) return this.#fail(from, 'record-overflow', Alert.recordOverflow, 'a record of more than 16384 bytes');
    const type = target[end];
    if (type === ContentType.applicationData) {
      if (this.#message !== undefined) return this.#fail(from, 'unexpected-message', Alert.unexpectedMessage, 'data inside a handshake message');
      if (end > from) {
        this.#idleRecords = 0;
        return end;
      }
    } else if (type === ContentType.alert) {
      this.#alert(target, from, end);
    } else if (type === ContentType.handshake) {
      this.#handshake(target.subarray(from, end));
    } else {
      return this.#fail(from, 'unexpected-message', Alert.unexpectedMessage, `a record of content type ${type}`);
    }
    if (++this.#idleRecords > MAX_IDLE_RECORDS) return this.#fail(from, 'record-flood', Alert.unexpectedMessage, 'too many records without data');
    return from;
  }

  #alert(target: Buffer, from: number, end: number): void {
    const description = target[from + 1];
    if (end - from !== 2) this.#fail(0, 'unexpected-message', Alert.decodeError, 'an alert of another size than two');
    else if (description === Alert.closeNotify) this.hasEnded = true;
    // Followed by close_notify (RFC 8446, section 6.1).
    else if (description !== USER_CANCELED) this.#fail(0, 'peer-alert', undefined, `alert ${description}`);
  }

  #handshake(fragment: Buffer): void {
    if (fragment.length === 0) return void this.#fail(0, 'unexpected-message', Alert.unexpectedMessage, 'an empty handshake record');
    let bytes = this.#message === undefined ? fragment : Buffer.concat([this.#message, fragment]);
    this.#message = undefined;
    while (bytes.length >= MESSAGE_HEADER) {
      const size = MESSAGE_HEADER + bytes.readUIntBE(1, 3);
      if (size > MAX_HANDSHAKE_BYTES) return void this.#fail(0, 'unexpected-message', Alert.decodeError, `a handshake message of ${size} bytes`);
      if (bytes.length < size) break;
      const isLast = bytes.length === size;
      if (!this.#postHandshake(bytes.subarray(0, size), isLast)) return;
      bytes = bytes.subarray(size);
    }
    // A copy: the record's place is used again.
    if (bytes.length > 0) this.#message = Buffer.from(bytes);
  }

  #postHandshake(message: Buffer, isLast: boolean): boolean {
    const type = message[0];
    // Tickets are for resumption, which is never asked for.
    if (type === HandshakeType.newSessionTicket && this.#role === 'client') return true;
    if (type !== HandshakeType.keyUpdate) this.#fail(0, 'unexpected-message', Alert.unexpectedMessage, `a handshake message of type ${type} after the handshake`);
    else if (message.length !== MESSAGE_HEADER + 1 || (message[MESSAGE_HEADER] as number) > 1) this.#fail(0, 'unexpected-message', Alert.decodeError, 'a malformed KeyUpdate');
    // What follows is under the next key: it can not share a record (RFC 8446, section 5.1).
    else if (!isLast) this.#fail(0, 'unexpected-message', Alert.unexpectedMessage, 'bytes after KeyUpdate');
    else {
      this.#rx.update();
      // Any number of requests is answered by one update.
      if (message[MESSAGE_HEADER] === 1) this.#owesKeyUpdate = true;
      return true;
    }
    return false;
  }

  #fail(out: number, kind: RecordFault['kind'], alert: number | undefined, text: string): number {
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
  seal(bytes: Buffer, address: number, from: number, size: number, out: NativeMemory, at: number, type: number = ContentType.applicationData): number {
    let to = at;
    let done = 0;
    do {
      if (this.owesKeyUpdate) to = this.#sealKeyUpdate(out, to);
      const part = size - done > MAX_PLAINTEXT ? MAX_PLAINTEXT : size - done;
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
    return size + (Math.floor(size / MAX_PLAINTEXT) + 1) * 2 * (RECORD_OVERHEAD + MESSAGE_HEADER + 1);
  }

  #sealOne(address: number, size: number, out: NativeMemory, at: number): number {
    const length = size + TAG_BYTES;
    const header = out.bytes;
    header[at] = ContentType.applicationData;
    header[at + 1] = 3;
    header[at + 2] = 3;
    header[at + 3] = length >> 8;
    header[at + 4] = length;
    this.#tx.useNonce();
    this.#tx.cipher.seal(address, size, out.address + at + HEADER_BYTES, out.address + at, HEADER_BYTES);
    return at + HEADER_BYTES + length;
  }

  #sealKeyUpdate(out: NativeMemory, at: number): number {
    this.#owesKeyUpdate = false;
    // Sealed in place: its plaintext lies where its ciphertext goes.
    const body = at + HEADER_BYTES;
    out.bytes.set([HandshakeType.keyUpdate, 0, 0, 1, 0, ContentType.handshake], body);
    const end = this.#sealOne(out.address + body, MESSAGE_HEADER + 2, out, at);
    this.#tx.update();
    return end;
  }

  [Symbol.dispose](): void {
    this.#rx[Symbol.dispose]();
    this.#tx[Symbol.dispose]();
    this.#partial = undefined;
  }
}
