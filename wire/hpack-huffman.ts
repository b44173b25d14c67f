/** The Huffman code of HPACK (RFC 7541, section 5.2 and appendix B). */

/**
 * Bits of the code of each octet, and of EOS at the end. The code is canonical: ordered by length, then by symbol, the codes count upwards,
 * so that the lengths are the whole table.
 */
export const HUFFMAN_CODE_BITS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];
const EOS = 256;
/** Padding is shorter than an octet (RFC 7541, section 5.2). */
const MAX_PADDING_BITS = 7;
const SHORTEST_CODE_BITS = 5;

/** A step of the machine: the next state in the low octet, the symbol in the one above, and two flags. */
const EMITS = 1 << 16;
const FAILS = 1 << 17;

/**
 * A machine that reads four bits at a time. 257 symbols make a tree of 256 inner nodes, which are the states; no code is shorter than
 * four bits, so a step emits one symbol at most. 16 KiB stay in the first-level cache, which a machine over whole octets (256 KiB) would not.
 */
const MACHINE = ((): { readonly steps: Uint32Array; readonly accepts: Uint8Array } => {
  const children = codeTree();
  const steps = new Uint32Array(256 * 16);
  for (let state = 0; state < 256; state++) {
    for (let nibble = 0; nibble < 16; nibble++) steps[(state << 4) | nibble] = stepOf(children, state, nibble);
  }
  // Padding is the beginning of EOS, which is all ones.
  const accepts = new Uint8Array(256);
  for (let state = 0, bits = 0; bits <= MAX_PADDING_BITS; bits++) {
    accepts[state] = 1;
    state = children[state * 2 + 1] as number;
  }
  return { steps, accepts };
})();
const STEPS = MACHINE.steps;
const ACCEPTS = MACHINE.accepts;

/** Two children for each inner node: another inner node, or the complement of a symbol. */
function codeTree(): Int16Array {
  const children = new Int16Array(2 * 256);
  const symbols = HUFFMAN_CODE_BITS.map((bits, symbol) => ({ bits, symbol })).sort((a, b) => a.bits - b.bits || a.symbol - b.symbol);
  let nodes = 1;
  let code = 0;
  let length = 0;
  for (const { bits, symbol } of symbols) {
    code *= 2 ** (bits - length);
    length = bits;
    let node = 0;
    for (let bit = bits - 1; bit > 0; bit--) {
      const at = node * 2 + ((code >>> bit) & 1);
      if (children[at] === 0) children[at] = nodes++;
      node = children[at] as number;
    }
    children[node * 2 + (code & 1)] = ~symbol;
    code++;
  }
  return children;
}

function stepOf(children: Int16Array, state: number, nibble: number): number {
  let node = state;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[node * 2 + ((nibble >> bit) & 1)] as number;
    if (child >= 0) {
      node = child;
      continue;
    }
    // EOS inside a string is an error (RFC 7541, section 5.2).
    if (~child === EOS) return FAILS;
    emitted = EMITS | (~child << 8);
    node = 0;
  }
  return emitted | node;
}

/** The most octets that `length` octets of Huffman code decode to. */
export function maxDecodedLength(length: number): number {
  return Math.floor((length * 8) / SHORTEST_CODE_BITS);
}

/**
 * Decodes source[start..end) into `target` from its beginning, which must have room for {@link maxDecodedLength}.
 * Returns how many octets there are, or -1 if the code is wrong.
 */
export function decodeHuffman(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  let state = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const octet = source[at] as number;
    const high = STEPS[(state << 4) | (octet >> 4)] as number;
    if (high >= EMITS) {
      if (high >= FAILS) return -1;
      target[length++] = high >> 8;
    }
    const low = STEPS[((high & 0xff) << 4) | (octet & 0xf)] as number;
    if (low >= EMITS) {
      if (low >= FAILS) return -1;
      target[length++] = low >> 8;
    }
    state = low & 0xff;
  }
  return ACCEPTS[state] === 1 ? length : -1;
}
