/** Bytes of a batch: a header, then records, each of fields; what reads them is in state-reader.ts. */

/** `LBHO`. */
export const BATCH_MAGIC = 0x4c42484f;
export const BATCH_FORMAT = 1;
/** Magic, format and number of records. */
export const BATCH_HEADER_BYTES = 10;
/** Tag and length of a record or field. */
export const FIELD_HEADER_BYTES = 5;
/** Set in the tag of a field that a reader who does not know it must not skip. Of records all are so: each is a connection. */
export const MUST_UNDERSTAND = 0x80;

const FIRST_ROOM = 4096;

/** Puts fields one behind the other. What it holds may be secret: {@link finishBatch} and {@link clear} leave no copy behind. */
export class StateWriter {
  #bytes = Buffer.allocUnsafeSlow(FIRST_ROOM);
  #end = 0;

  get size(): number {
    return this.#end;
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
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
  }

  text(tag: number, value: string): void {
    this.bytes(tag, Buffer.from(value));
  }

  /** Any number that JavaScript has, as the eight bytes that it has it in. */
  number(tag: number, value: number): void {
    this.#header(tag, 8);
    const at = this.#reserve(8);
    this.#bytes.writeDoubleBE(value, at);
  }

  /** A field whose content is fields, which `write` writes. */
  nested(tag: number, write: () => void): void {
    const at = this.#header(tag, 0);
    write();
    this.#bytes.writeUInt32BE(this.#end - at - FIELD_HEADER_BYTES, at + 1);
  }

  /** All fields as the records of a batch, in memory of its own; the writer is empty then. */
  finishBatch(records: number): Buffer {
    const batch = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES + this.#end);
    batch.writeUInt32BE(BATCH_MAGIC, 0);
    batch.writeUInt16BE(BATCH_FORMAT, 4);
    batch.writeUInt32BE(records, 6);
    this.#bytes.copy(batch, BATCH_HEADER_BYTES, 0, this.#end);
    this.clear();
    return batch;
  }

  clear(): void {
    this.#bytes.fill(0, 0, this.#end);
    this.#end = 0;
  }
}
