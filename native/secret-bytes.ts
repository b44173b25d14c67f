/** Up to this size V8 keeps the bytes of a typed array in its heap (`--typed-array-max-size-in-heap`). */
const IN_HEAP_BYTES = 64;

/**
 * Memory for secrets, which whoever has it can erase: of its own, so that nothing of a pool is left, and outside of the
 * heap, where the collector of garbage moves bytes and leaves those in the old place as they are.
 */
export function secretBytes(size: number): Buffer {
  return size > IN_HEAP_BYTES ? Buffer.allocUnsafeSlow(size) : Buffer.from(new ArrayBuffer(size));
}
