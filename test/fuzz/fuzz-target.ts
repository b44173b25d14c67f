/** A parser of foreign bytes as the fuzzer sees it. */
export interface FuzzTarget {
  /** As in `--only`, and of the file with its past failures. */
  readonly name: string;
  /** Inputs that are accepted, or nearly: the places from which mutations start. */
  readonly examples: readonly Uint8Array[];
  /** Pieces that mean something to the parser. */
  readonly dictionary: readonly Uint8Array[];
  /** Throws for what must not be: whatever the parser throws, and {@link expect} for what it says. */
  readonly check: (input: Uint8Array) => void;
}

/** Fails the check. The text is constant, so that an input which fails in another way is not mistaken for a smaller one. */
export function expect(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

export const utf8 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));
export const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
/** Undefined for what is no JSON. */
export function jsonOf(input: Uint8Array): unknown {
  try {
    return JSON.parse(utf8Text(input));
  } catch {
    return undefined;
  }
}

export const utf8Text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
export const latin1Text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** Several byte strings in one, each after its length in two bytes: for what is called again and again, such as the blocks of one connection. */
export function joinParts(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts.flatMap((part) => [Buffer.from([part.length >> 8, part.length & 0xff]), part])));
}

/** The time of one input is bounded, and so are the calls that it makes. */
const MAX_PARTS = 200;

/** Whatever the bytes are: a part that is cut off ends with them, and parts past the limit are left out. */
export function splitParts(bytes: Uint8Array): readonly Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at + 2 <= bytes.length && parts.length < MAX_PARTS; ) {
    const length = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    parts.push(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return parts;
}
