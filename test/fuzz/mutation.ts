/** Inputs for a parser: noise, and accepted inputs that were damaged. */
import fc from 'fast-check';
import type { FuzzTarget } from './fuzz-target.ts';

/** Longest input that is made: past the limits of most parsers, and long enough that time which grows with the square of it shows. */
export const MAX_INPUT_BYTES = 128 * 1024;
const MAX_NOISE_BYTES = 512;
const MAX_MUTATIONS = 5;

/** A place in the input is a share of its length, so that it means something for every example. */
type Mutation =
  | { readonly kind: 'flip'; readonly at: number; readonly bits: number }
  | { readonly kind: 'set'; readonly at: number; readonly value: number }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'replace'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'remove'; readonly at: number; readonly length: number }
  | { readonly kind: 'repeat'; readonly at: number; readonly length: number; readonly times: number }
  | { readonly kind: 'move'; readonly at: number; readonly length: number; readonly to: number };

const at = fc.nat({ max: 0xffff });
const length = fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 200 }));
/** Ends of ranges, signs, beginnings of long forms. */
const EDGES = [0x00, 0x01, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xfe, 0xff];

function mutations(dictionary: readonly Uint8Array[]): fc.Arbitrary<Mutation> {
  const bytes = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 8 }), ...(dictionary.length === 0 ? [] : [fc.constantFrom(...dictionary)]));
  return fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), at, bits: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ kind: fc.constant('set' as const), at, value: fc.constantFrom(...EDGES) }),
    fc.record({ kind: fc.constant('insert' as const), at, bytes }),
    fc.record({ kind: fc.constant('replace' as const), at, bytes }),
    fc.record({ kind: fc.constant('remove' as const), at, length }),
    fc.record({ kind: fc.constant('repeat' as const), at, length, times: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 2, max: 40 }) }, { weight: 1, arbitrary: fc.integer({ min: 41, max: MAX_INPUT_BYTES }) }) }),
    fc.record({ kind: fc.constant('move' as const), at, length, to: at }),
  );
}

export function inputsFor({ examples, dictionary }: FuzzTarget): fc.Arbitrary<Uint8Array> {
  const noise = fc.oneof(fc.uint8Array({ maxLength: MAX_NOISE_BYTES }), fc.array(fc.constantFrom(...EDGES), { maxLength: 64 }).map((bytes) => Uint8Array.from(bytes)));
  if (examples.length === 0) return noise;
  const list = fc.array(mutations(dictionary), { maxLength: MAX_MUTATIONS });
  const mutated = fc.tuple(fc.constantFrom(...examples), list).map(([example, changes]) => changes.reduce(mutate, example));
  return fc.oneof({ weight: 1, arbitrary: noise }, { weight: 4, arbitrary: mutated });
}

export function mutate(input: Uint8Array, mutation: Mutation): Uint8Array {
  const start = Math.floor((mutation.at / 0x10000) * (input.length + 1));
  const before = input.subarray(0, start);
  switch (mutation.kind) {
    case 'flip':
    case 'set': {
      if (start === input.length) return input;
      const changed = Uint8Array.from(input);
      changed[start] = mutation.kind === 'set' ? mutation.value : (input[start] ?? 0) ^ mutation.bits;
      return changed;
    }
    case 'insert':
      return join(before, mutation.bytes, input.subarray(start));
    case 'replace':
      return join(before, mutation.bytes, input.subarray(start + mutation.bytes.length));
    case 'remove':
      return join(before, input.subarray(start + mutation.length));
    case 'repeat': {
      const piece = input.subarray(start, start + mutation.length);
      const times = piece.length === 0 ? 0 : Math.min(mutation.times, Math.floor((MAX_INPUT_BYTES - input.length) / piece.length));
      if (times < 1) return input;
      const repeated = Buffer.alloc(piece.length * times, piece);
      return join(before, repeated, input.subarray(start));
    }
    case 'move': {
      const piece = input.subarray(start, start + mutation.length);
      const rest = join(before, input.subarray(start + mutation.length));
      const to = Math.floor((mutation.to / 0x10000) * (rest.length + 1));
      return join(rest.subarray(0, to), piece, rest.subarray(to));
    }
    default:
      return mutation satisfies never;
  }
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts).subarray(0, MAX_INPUT_BYTES));
}
