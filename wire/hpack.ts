/** Header compression for HTTP/2 (RFC 7541). Decodes all of it; encodes without state. */
import { Buffer } from 'node:buffer';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { decodeHuffman, maxDecodedLength } from './hpack-huffman.ts';
import { type HeaderField, STATIC_TABLE_SIZE, staticField, staticName } from './hpack-static-table.ts';

export type { HeaderField } from './hpack-static-table.ts';

export type HpackError =
  /** More than the limits allow. The table is in step: the stream is refused, the connection lives. */
  | { readonly kind: 'too-large' }
  /** COMPRESSION_ERROR (RFC 9113, section 4.3): nothing that follows can be decoded. */
  | { readonly kind: 'malformed'; readonly reason: string };

export interface HpackLimits {
  /** What the peer may use for its dynamic table until {@link HpackDecoder.announce} says otherwise. */
  readonly maxTableBytes: number;
  /** Names, values and 32 for each field (RFC 9113, section 6.5.2). */
  readonly maxListBytes: number;
  readonly maxFields: number;
}

/** The size of the dynamic table before any SETTINGS (RFC 9113, section 6.5.2). */
export const DEFAULT_TABLE_BYTES = 4096;
/** Of each field in the table (RFC 7541, section 4.1) and in the list (RFC 9113, section 6.5.2). */
export const FIELD_OVERHEAD_BYTES = 32;
/** Octets of an integer after its prefix: enough for 2^28, far more than any block has (RFC 7541, section 5.1). */
const MAX_INTEGER_OCTETS = 4;
/** Strings are put together here, one after the other: a place for each connection would stay empty most of the time. */
const SCRATCH = Buffer.allocUnsafeSlow(4096);

/** What a decoder has to know to go on where another one stopped. */
export interface HpackDecoderState {
  readonly tableLimit: number;
  readonly tableMax: number;
  /** -1: none is. */
  readonly updateDue: number;
  /** The newest is last. */
  readonly table: readonly HeaderField[];
}

const NO_BLOCK = new Uint8Array(0);

const malformed = (reason: string): HpackError => ({ kind: 'malformed', reason });

/** One for each connection and direction. After `malformed` it must not be used again. */
export class HpackDecoder {
  readonly #maxListBytes: number;
  readonly #maxFields: number;
  /** Most that the peer may choose. */
  #tableLimit: number;
  /** What the peer has chosen. */
  #tableMax: number;
  /** The next block must begin with an update to no more than this; -1: it need not. */
  #updateDue = -1;
  /** The newest is last. */
  readonly #table: HeaderField[] = [];
  #tableBytes = 0;

  #block: Uint8Array = NO_BLOCK;
  #at = 0;
  /** Why the block being decoded is malformed. */
  #fault: string | undefined;

  constructor({ maxTableBytes, maxListBytes, maxFields }: HpackLimits) {
    this.#maxListBytes = maxListBytes;
    this.#maxFields = maxFields;
    this.#tableLimit = maxTableBytes;
    this.#tableMax = maxTableBytes;
  }

  get state(): HpackDecoderState {
    return { tableLimit: this.#tableLimit, tableMax: this.#tableMax, updateDue: this.#updateDue, table: [...this.#table] };
  }

  /** Goes on where another decoder stopped. A table that is larger than was allowed is cut. */
  restore({ tableLimit, tableMax, updateDue, table }: HpackDecoderState): void {
    this.#tableLimit = tableLimit;
    this.#tableMax = tableMax;
    for (const field of table) this.#insert(field);
    this.#updateDue = updateDue;
  }

  /** What the dynamic table holds, as RFC 7541, section 4.1 counts. */
  get tableBytes(): number {
    return this.#tableBytes;
  }

  /** The peer has acknowledged the size of SETTINGS. If it is less than what is in use, the next block must begin with an update (RFC 7541, section 4.2). */
  announce(maxTableBytes: number): void {
    this.#tableLimit = maxTableBytes;
    if (maxTableBytes < this.#tableMax) this.#updateDue = this.#updateDue < 0 ? maxTableBytes : Math.min(this.#updateDue, maxTableBytes);
  }

  /** Decodes a whole field block, all its fragments put together. */
  decode(block: Uint8Array): Result<readonly HeaderField[], HpackError> {
    this.#block = block;
    this.#at = 0;
    this.#fault = undefined;
    const result = this.#decodeFields();
    this.#block = NO_BLOCK;
    return result;
  }

  #decodeFields(): Result<readonly HeaderField[], HpackError> {
    this.#takeSizeUpdates();
    if (this.#fault !== undefined) return err(malformed(this.#fault));
    const fields: HeaderField[] = [];
    const end = this.#block.length;
    let count = 0;
    let listBytes = 0;
    while (this.#at < end) {
      const field = this.#takeField();
      if (field === undefined) return err(malformed(this.#fault ?? 'field is not decodable'));
      count++;
      listBytes += field[0].length + field[1].length + FIELD_OVERHEAD_BYTES;
      // Past a limit the fields are only decoded for what they do to the table.
      if (listBytes <= this.#maxListBytes && count <= this.#maxFields) fields.push(field);
      else fields.length = 0;
    }
    return listBytes <= this.#maxListBytes && count <= this.#maxFields ? ok(fields) : err({ kind: 'too-large' });
  }

  /** RFC 7541, section 4.2: at the beginning of a block only. */
  #takeSizeUpdates(): void {
    const block = this.#block;
    while (this.#at < block.length && ((block[this.#at] as number) & 0xe0) === 0x20) {
      const size = this.#takeInteger(0x1f);
      if (size < 0) return;
      if (size > (this.#updateDue < 0 ? this.#tableLimit : this.#updateDue)) {
        this.#fault = 'table size update is over the limit';
        return;
      }
      this.#updateDue = -1;
      this.#tableMax = size;
      this.#evict(0);
    }
    if (this.#updateDue >= 0) this.#fault = 'table size update is missing';
  }

  #takeField(): HeaderField | undefined {
    const first = this.#block[this.#at] as number;
    if (first >= 0x80) {
      const index = this.#takeInteger(0x7f);
      return index < 0 ? undefined : this.#fieldAt(index);
    }
    if (first >= 0x40) {
      const field = this.#takeLiteral(0x3f);
      if (field !== undefined) this.#insert(field);
      return field;
    }
    if (first >= 0x20) {
      this.#fault = 'table size update is not at the beginning';
      return undefined;
    }
    // Without indexing, and never indexed: the difference is for those who encode the field again.
    return this.#takeLiteral(0x0f);
  }

  #takeLiteral(prefixMask: number): HeaderField | undefined {
    const index = this.#takeInteger(prefixMask);
    if (index < 0) return undefined;
    const name = index === 0 ? this.#takeString() : this.#fieldAt(index)?.[0];
    if (name === undefined) return undefined;
    const value = this.#takeString();
    return value === undefined ? undefined : [name, value];
  }

  #fieldAt(index: number): HeaderField | undefined {
    if (index === 0) {
      this.#fault = 'index is 0';
      return undefined;
    }
    const field = index <= STATIC_TABLE_SIZE ? staticField(index) : this.#table[this.#table.length - (index - STATIC_TABLE_SIZE)];
    if (field === undefined) this.#fault = 'index is past the end of the table';
    return field;
  }

  /** RFC 7541, section 4.4: one that is larger than the table empties it. */
  #insert(field: HeaderField): void {
    const bytes = field[0].length + field[1].length + FIELD_OVERHEAD_BYTES;
    this.#evict(bytes);
    if (bytes > this.#tableMax) return;
    this.#table.push(field);
    this.#tableBytes += bytes;
  }

  #evict(needed: number): void {
    while (this.#table.length > 0 && this.#tableBytes + needed > this.#tableMax) {
      const [name, value] = this.#table.shift() as HeaderField;
      this.#tableBytes -= name.length + value.length + FIELD_OVERHEAD_BYTES;
    }
  }

  /** RFC 7541, section 5.1. The mask is the prefix with all bits set. -1 if it does not end, or is too long. */
  #takeInteger(mask: number): number {
    const block = this.#block;
    let value = (block[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let octets = 0; octets < MAX_INTEGER_OCTETS; octets++) {
      if (this.#at >= block.length) {
        this.#fault = 'integer is cut off';
        return -1;
      }
      const octet = block[this.#at++] as number;
      value += (octet & 0x7f) << (7 * octets);
      if (octet < 0x80) return value;
    }
    this.#fault = 'integer is too long';
    return -1;
  }

  /** RFC 7541, section 5.2. */
  #takeString(): string | undefined {
    const block = this.#block;
    if (this.#at >= block.length) {
      this.#fault = 'string is missing';
      return undefined;
    }
    const isHuffman = (block[this.#at] as number) >= 0x80;
    const length = this.#takeInteger(0x7f);
    if (length < 0) return undefined;
    const start = this.#at;
    const end = start + length;
    if (end > block.length) {
      this.#fault = 'string is cut off';
      return undefined;
    }
    this.#at = end;
    const room = isHuffman ? maxDecodedLength(length) : length;
    const scratch = room <= SCRATCH.length ? SCRATCH : Buffer.allocUnsafeSlow(room);
    if (!isHuffman) {
      for (let i = 0; i < length; i++) scratch[i] = block[start + i] as number;
      return scratch.toString('latin1', 0, length);
    }
    const decoded = decodeHuffman(block, start, end, scratch);
    if (decoded < 0) {
      this.#fault = 'Huffman code is wrong';
      return undefined;
    }
    return scratch.toString('latin1', 0, decoded);
  }
}

/** Octets that encode(fields) needs at most: a field's own, its representation, and two lengths. */
export function maxEncodedLength(fields: readonly HeaderField[]): number {
  let bytes = 0;
  for (const [name, value] of fields) bytes += name.length + value.length + 1 + 2 * (1 + MAX_INTEGER_OCTETS);
  return bytes;
}

/** Encodes by the static table and literals without indexing, so that the peer's table stays empty and nothing needs to be kept. */
export function encodeHeaders(fields: readonly HeaderField[]): Uint8Array {
  const target = new Uint8Array(maxEncodedLength(fields));
  return target.subarray(0, encodeHeadersInto(target, 0, fields));
}

/** As {@link encodeHeaders}, into target from `offset`. Returns the offset after the last octet, or -1 if {@link maxEncodedLength} is more than there is room. */
export function encodeHeadersInto(target: Uint8Array, offset: number, fields: readonly HeaderField[]): number {
  if (target.length - offset < maxEncodedLength(fields)) return -1;
  let at = offset;
  for (const [name, value] of fields) {
    const known = staticName(name);
    const index = known?.values.get(value);
    if (index !== undefined) {
      target[at++] = 0x80 | index;
      continue;
    }
    if (known === undefined) {
      target[at++] = 0;
      at = writeString(target, at, name);
    } else {
      at = writeInteger(target, at, 0x0f, known.index);
    }
    at = writeString(target, at, value);
  }
  return at;
}

/** RFC 7541, section 5.1. All bits before the prefix are 0: literals without indexing, strings without Huffman. */
function writeInteger(target: Uint8Array, offset: number, mask: number, value: number): number {
  let at = offset;
  if (value < mask) {
    target[at++] = value;
    return at;
  }
  target[at++] = mask;
  let rest = value - mask;
  while (rest >= 0x80) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

function writeString(target: Uint8Array, offset: number, text: string): number {
  const at = writeInteger(target, offset, 0x7f, text.length);
  for (let i = 0; i < text.length; i++) target[at + i] = text.charCodeAt(i);
  return at + text.length;
}
