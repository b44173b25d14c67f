import { nativeMemory, type NativeMemory } from '@landbridge/native/memory.ts';

/** A piece of memory that is lent for as long as bytes wait in it. */
export interface Slab extends NativeMemory {
  /** Bytes from `start` to `end` wait. */
  start: number;
  end: number;
}

export const SMALL_SLAB = 16 * 1024;
/** Room for 256 KiB of application data with the headers, tags and type bytes of its records. */
export const LARGE_SLAB = 280 * 1024;
/** Slabs that a thread keeps for the next use: at most 8.75 MiB and 1 MiB. */
const KEPT = { large: 32, small: 64 } as const;

const free = { large: [] as Slab[], small: [] as Slab[] };

/** Lends memory for at least `size` bytes, which must not be more than {@link LARGE_SLAB}. */
export function takeSlab(size: number): Slab {
  const kind = size <= SMALL_SLAB ? 'small' : 'large';
  const slab = free[kind].pop();
  if (slab === undefined) return { ...nativeMemory(kind === 'small' ? SMALL_SLAB : LARGE_SLAB), start: 0, end: 0 };
  slab.start = slab.end = 0;
  return slab;
}

export function giveSlab(slab: Slab): void {
  const kind = slab.bytes.length === SMALL_SLAB ? 'small' : 'large';
  if (free[kind].length < KEPT[kind]) free[kind].push(slab);
}
