/** An encoder that uses all of HPACK (RFC 7541), which the product's own does not: for tests of the decoder. */
import { HUFFMAN_CODE_BITS } from './hpack-huffman.ts';
import { FIELD_OVERHEAD_BYTES } from './hpack.ts';
import { type HeaderField, STATIC_TABLE_SIZE, staticField } from './hpack-static-table.ts';

export type Representation = 'indexed' | 'incremental' | 'without' | 'never';

export interface EncoderStep {
  readonly field: HeaderField;
  /** `indexed` and a name from a table are used where there is one. */
  readonly representation: Representation;
  readonly takesNameFromTable: boolean;
  readonly isNameHuffman: boolean;
  readonly isValueHuffman: boolean;
}

const CODES = ((): readonly string[] => {
  const codes: string[] = [];
  let code = 0n;
  let length = 0;
  for (const { bits, symbol } of HUFFMAN_CODE_BITS.map((bits, symbol) => ({ bits, symbol })).sort((a, b) => a.bits - b.bits || a.symbol - b.symbol)) {
    code <<= BigInt(bits - length);
    length = bits;
    codes[symbol] = code.toString(2).padStart(bits, '0');
    code++;
  }
  return codes;
})();

/** The bits of symbols, 256 being EOS, as text. */
export function huffmanBits(symbols: readonly number[]): string {
  return symbols.map((symbol) => CODES[symbol]).join('');
}

/** Octets of a text of bits, filled up with ones. */
export function packBits(bits: string): number[] {
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  return (padded.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2));
}

export function encodeInteger(first: number, mask: number, value: number): number[] {
  if (value < mask) return [first | value];
  const octets = [first | mask];
  let rest = value - mask;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) | 0x80);
  return [...octets, rest];
}

export function encodeString(text: string, isHuffman: boolean): number[] {
  const octets = [...text].map((char) => char.charCodeAt(0));
  if (!isHuffman) return [...encodeInteger(0, 0x7f, octets.length), ...octets];
  const packed = packBits(huffmanBits(octets));
  return [...encodeInteger(0x80, 0x7f, packed.length), ...packed];
}

export class ExampleEncoder {
  #max: number;
  /** The newest is first. */
  #table: HeaderField[] = [];

  constructor(maxTableBytes: number) {
    this.#max = maxTableBytes;
  }

  get tableBytes(): number {
    return this.#table.reduce((sum, [name, value]) => sum + name.length + value.length + FIELD_OVERHEAD_BYTES, 0);
  }

  resize(maxTableBytes: number): number[] {
    this.#max = maxTableBytes;
    this.#evict();
    return encodeInteger(0x20, 0x1f, maxTableBytes);
  }

  encode(step: EncoderStep): number[] {
    const [name, value] = step.field;
    const whole = this.#find((field) => field[0] === name && field[1] === value);
    if (step.representation === 'indexed' && whole > 0) return encodeInteger(0x80, 0x7f, whole);
    const index = step.takesNameFromTable ? Math.max(0, this.#find((field) => field[0] === name)) : 0;
    const [first, mask] = step.representation === 'never' ? [0x10, 0x0f] : step.representation === 'without' ? [0, 0x0f] : [0x40, 0x3f];
    if (first === 0x40) {
      this.#table.unshift(step.field);
      this.#evict();
    }
    return [...encodeInteger(first, mask, index), ...(index === 0 ? encodeString(name, step.isNameHuffman) : []), ...encodeString(value, step.isValueHuffman)];
  }

  #find(isWanted: (field: HeaderField) => boolean): number {
    for (let index = 1; index <= STATIC_TABLE_SIZE; index++) if (isWanted(staticField(index) as HeaderField)) return index;
    const at = this.#table.findIndex(isWanted);
    return at < 0 ? -1 : STATIC_TABLE_SIZE + 1 + at;
  }

  #evict(): void {
    while (this.tableBytes > this.#max) this.#table.pop();
  }
}
