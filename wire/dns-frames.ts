/** Messages of DNS over TCP: each after its length in two bytes (RFC 1035, section 4.2.2; RFC 7766, section 8). */
import { Buffer } from 'node:buffer';
import { err, ok, type Result } from '@landbridge/core/result.ts';

const LENGTH_BYTES = 2;
export const MAX_DNS_FRAME_BYTES = 0xffff;

/** A message of at most {@link MAX_DNS_FRAME_BYTES} as it is sent, in one piece (RFC 7766, section 8). */
export function encodeDnsFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + message.length);
  frame.writeUInt16BE(message.length, 0);
  frame.set(message, LENGTH_BYTES);
  return frame;
}

/** Takes a stream apart; keeps no more than one message that is not whole, in no more than twice the bytes that came of it. */
export class DnsFrameReader {
  #kept: Buffer = Buffer.alloc(0);
  #length = 0;

  /** Messages that are whole by now; they hold until the next call. An error is for good: nobody says where the next message begins. */
  push(chunk: Uint8Array): Result<readonly Buffer[]> {
    const messages: Buffer[] = [];
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    while (this.#length > 0 && bytes.length > 0) {
      // First the rest of its length, then the rest of it.
      const taken = bytes.subarray(0, this.#wanted() - this.#length);
      this.#keep(taken);
      bytes = bytes.subarray(taken.length);
      if (this.#length < this.#wanted()) continue;
      if (this.#length === LENGTH_BYTES) return err(NO_MESSAGE);
      messages.push(this.#kept.subarray(LENGTH_BYTES, this.#length));
      this.#kept = Buffer.alloc(0);
      this.#length = 0;
    }
    let at = 0;
    while (at + LENGTH_BYTES <= bytes.length) {
      const end = at + LENGTH_BYTES + bytes.readUInt16BE(at);
      if (end === at + LENGTH_BYTES) return err(NO_MESSAGE);
      if (end > bytes.length) break;
      messages.push(bytes.subarray(at + LENGTH_BYTES, end));
      at = end;
    }
    if (at < bytes.length) this.#keep(bytes.subarray(at));
    return ok(messages);
  }

  /** Bytes of what is kept that can be told by now. */
  #wanted(): number {
    return this.#length < LENGTH_BYTES ? LENGTH_BYTES : LENGTH_BYTES + this.#kept.readUInt16BE(0);
  }

  /** A copy: what was pushed is written over. */
  #keep(bytes: Buffer): void {
    const length = this.#length + bytes.length;
    if (length > this.#kept.length) this.#kept = Buffer.concat([this.#kept.subarray(0, this.#length)], Math.max(length, 2 * this.#length));
    this.#kept.set(bytes, this.#length);
    this.#length = length;
  }
}

const NO_MESSAGE = 'a message without a byte';
