import koffi from 'koffi';

/**
 * Bytes whose address native code is told. The address holds for as long as `bytes` is referenced: memory of this kind
 * lies outside of the heap and is never moved.
 */
export interface NativeMemory {
  readonly bytes: Buffer;
  readonly address: number;
}

export function nativeMemory(size: number): NativeMemory {
  // From a pool of its own: a slice of Buffer's shared pool would keep all of that alive.
  const bytes = Buffer.allocUnsafeSlow(size);
  return { bytes, address: addressOf(bytes) };
}

export function addressOf(bytes: Uint8Array): number {
  return Number(koffi.address(bytes));
}

/** The memory at an address as a buffer, for as long as its owner keeps it. */
export function viewMemory(address: number, size: number): ArrayBuffer {
  return koffi.view(address, size) as ArrayBuffer;
}
