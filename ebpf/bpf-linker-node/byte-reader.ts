/** What a parser met that can not be: caught by the parser that it is thrown in, so that parsers are total. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

/** Runs a parser; what it finds malformed becomes a value. */
export function parsed<T>(parse: () => T): Parsed<T> {
  try {
    return { ok: true, value: parse() };
  } catch (thrown) {
    // Anything else is a fault of the parser.
    if (!(thrown instanceof Malformed)) throw thrown;
    return { ok: false, error: thrown.message };
  }
}

/** Reads little-endian numbers and strings of foreign bytes, within bounds. */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;

  /** `what`: the name of the bytes, for messages. */
  constructor(bytes: Uint8Array, what: string) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  get size(): number {
    return this.bytes.length;
  }

  u8(at: number): number {
    return this.#view.getUint8(this.#place(at, 1));
  }

  u16(at: number): number {
    return this.#view.getUint16(this.#place(at, 2), true);
  }

  u32(at: number): number {
    return this.#view.getUint32(this.#place(at, 4), true);
  }

  i32(at: number): number {
    return this.#view.getInt32(this.#place(at, 4), true);
  }

  /** As a number: offsets and sizes that are not exact in one can not be of a file. */
  u64(at: number): number {
    const value = this.#view.getBigUint64(this.#place(at, 8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Malformed(`${this.#what}: a number of 64 bits at ${at} is too large`);
    return Number(value);
  }

  slice(from: number, size: number): Uint8Array {
    return this.bytes.subarray(this.#place(from, size), from + size);
  }

  /** Up to the NUL that ends it. */
  text(at: number): string {
    this.#place(at, 1);
    const end = this.bytes.indexOf(0, at);
    if (end < 0) throw new Malformed(`${this.#what}: a string at ${at} does not end`);
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + at, end - at).toString('utf8');
  }

  #place(at: number, size: number): number {
    if (at < 0 || size < 0 || at + size > this.bytes.length) throw new Malformed(`${this.#what}: ${size} bytes at ${at} are beyond its end at ${this.bytes.length}`);
    return at;
  }
}
