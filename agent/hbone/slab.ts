import { nativeMemory, type NativeMemory } from '@landbridge/native/memory.ts';

/** A piece of memory that is lent for as long as bytes wait in it. */
export interface Slab extends NativeMemory {
  /** Bytes from `start` to `end` wait. */
  start: number;
  end: number;
}

export const SMALL_SLAB = 16 * 1024;
/** Room for 256 KiB of application data, 16 KiB of other frames, and what sealing adds to both. */
export const LARGE_SLAB = 288 * 1024;
/** Slabs that a thread keeps for the next use: at most 9 MiB and 1 MiB. */
const KEPT = { large: 32, small: 64 } as const;

const free = { large: [] as Slab[], small: [] as Slab[] };

/** Lends memory for at least `size` bytes, which must not be more than {@link LARGE_SLAB}. */
export function takeSlab(size: number): Slab {
  // Bytes that do not fit would be lost without a word.
  if (size > LARGE_SLAB) throw new RangeError(`a slab of ${size} bytes`);
  const kind = size <= SMALL_SLAB ? 'small' : 'large';
  const slab = free[kind].pop();
  if (slab === undefined) return { ...nativeMemory(kind === 'small' ? SMALL_SLAB : LARGE_SLAB), start: 0, end: 0 };
  slab.start = slab.end = 0;
  return slab;
}

/** Lends memory with a copy of some bytes, as {@link takeSlab} does. */
export function slabOf(bytes: Buffer, from = 0, to = bytes.length): Slab {
  const slab = takeSlab(to - from);
  slab.end = bytes.copy(slab.bytes, 0, from, to);
  return slab;
}

export function giveSlab(slab: Slab): void {
  const kind = slab.bytes.length === SMALL_SLAB ? 'small' : 'large';
  if (free[kind].length < KEPT[kind]) free[kind].push(slab);
}
