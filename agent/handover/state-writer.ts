/** Bytes of a batch: a header, then records, each of fields; what reads them is in state-reader.ts. */

/** `LBHO`. */
export const BATCH_MAGIC = 0x4c42484f;
export const BATCH_FORMAT = 1;
/** Magic, format and number of records. */
export const BATCH_HEADER_BYTES = 10;
/** Tag and length of a record or field. */
export const FIELD_HEADER_BYTES = 5;
/** A number, as JavaScript has it. */
export const NUMBER_BYTES = 8;
/** Set in the tag of a field that a reader who does not know it must not skip. Of records all are so: each is a connection. */
export const MUST_UNDERSTAND = 0x80;

const FIRST_ROOM = 4096;
/** From this size on a value is not copied: what connections have queued is most of a batch. */
const LARGE = 4096;

/** A batch in parts, one behind the other. */
export interface BatchParts {
  readonly parts: readonly Uint8Array[];
  readonly size: number;
}

/**
 * Puts fields one behind the other. Large values stay where they are, and must stay as they are until the batch is
 * written. What it holds may be secret: {@link clear} leaves no copy behind.
 */
export class StateWriter {
  #bytes = Buffer.allocUnsafeSlow(FIRST_ROOM);
  #end = 0;
  /** Each with the place in the bytes before which it goes. */
  #large: (readonly [before: number, value: Uint8Array])[] = [];
  #largeBytes = 0;

  get size(): number {
    return this.#end + this.#largeBytes;
  }

  #reserve(size: number): number {
    const at = this.#end;
    if (at + size > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(at + size, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes.fill(0, 0, at);
      this.#bytes = grown;
    }
    this.#end = at + size;
    return at;
  }

  #header(tag: number, length: number): number {
    const at = this.#reserve(FIELD_HEADER_BYTES);
    this.#bytes[at] = tag;
    this.#bytes.writeUInt32BE(length, at + 1);
    return at;
  }

  bytes(tag: number, value: Uint8Array): void {
    this.#header(tag, value.length);
    this.#append(value);
  }

  /** One field of several parts. */
  parts(tag: number, parts: readonly Uint8Array[]): void {
    this.#header(tag, parts.reduce((sum, { length }) => sum + length, 0));
    for (const part of parts) this.#append(part);
  }

  #append(value: Uint8Array): void {
    if (value.length < LARGE) {
      const at = this.#reserve(value.length);
      this.#bytes.set(value, at);
    } else {
      this.#large.push([this.#end, value]);
      this.#largeBytes += value.length;
    }
  }

  text(tag: number, value: string): void {
    const length = Buffer.byteLength(value);
    this.#header(tag, length);
    const at = this.#reserve(length);
    this.#bytes.write(value, at);
  }

  /** Any number that JavaScript has, as the eight bytes that it has it in. */
  number(tag: number, value: number): void {
    this.#header(tag, NUMBER_BYTES);
    const at = this.#reserve(NUMBER_BYTES);
    this.#bytes.writeDoubleBE(value, at);
  }

  /** A field whose content is fields, which `write` writes. */
  nested(tag: number, write: () => void): void {
    const at = this.#header(tag, 0);
    const before = this.size;
    write();
    this.#bytes.writeUInt32BE(this.size - before, at + 1);
  }

  /** All fields as the records of a batch: good until {@link clear}. */
  batch(records: number): BatchParts {
    const header = Buffer.alloc(BATCH_HEADER_BYTES);
    header.writeUInt32BE(BATCH_MAGIC, 0);
    header.writeUInt16BE(BATCH_FORMAT, 4);
    header.writeUInt32BE(records, 6);
    const parts: Uint8Array[] = [header];
    let from = 0;
    for (const [before, value] of this.#large) {
      if (before > from) parts.push(this.#bytes.subarray(from, before));
      parts.push(value);
      from = before;
    }
    parts.push(this.#bytes.subarray(from, this.#end));
    return { parts, size: header.length + this.size };
  }

  clear(): void {
    this.#bytes.fill(0, 0, this.#end);
    this.#large = [];
    this.#end = this.#largeBytes = 0;
  }
}
