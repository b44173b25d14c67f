/**
 * What a stream carries: each byte depends on the stream, the direction and the place. Pages are cut from one block of
 * noise at a place of their own and say at their beginning which they are, so that comparing costs little.
 */

const PAGE_BYTES = 4096;
const NOISE_BYTES = 1 << 20;

export type Way = 'up' | 'down';

const noise = makeNoise();

/** The same in every process (xorshift32). */
function makeNoise(): Buffer {
  const bytes = Buffer.allocUnsafeSlow(NOISE_BYTES);
  let state = 0x9e3779b9;
  for (let i = 0; i < NOISE_BYTES; i += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32LE(state, i);
  }
  return bytes;
}

function scramble(value: number): number {
  let hash = value ^ (value >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const page = Buffer.allocUnsafeSlow(PAGE_BYTES);

/** The content of one page, good until the next call. */
function pageOf(stream: number, way: Way, index: number): Buffer {
  const from = scramble(scramble(stream * 2 + (way === 'up' ? 0 : 1)) ^ index) % (NOISE_BYTES - PAGE_BYTES);
  noise.copy(page, 0, from, from + PAGE_BYTES);
  page.writeUInt32LE(stream, 0);
  page.writeUInt32LE(way === 'up' ? 1 : 2, 4);
  page.writeUInt32LE(index, 8);
  return page;
}

/** The bytes of a stream from a place on. */
export function contentAt(stream: number, way: Way, position: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0; at < size; ) {
    const place = position + at;
    const offset = place % PAGE_BYTES;
    const part = Math.min(PAGE_BYTES - offset, size - at);
    pageOf(stream, way, (place - offset) / PAGE_BYTES).copy(bytes, at, offset, offset + part);
    at += part;
  }
  return bytes;
}

/** Looks at what came from a place on; returns the first place that is not as it should be, or -1. */
export function firstFault(stream: number, way: Way, position: number, bytes: Buffer): number {
  for (let at = 0; at < bytes.length; ) {
    const place = position + at;
    const offset = place % PAGE_BYTES;
    const part = Math.min(PAGE_BYTES - offset, bytes.length - at);
    const expected = pageOf(stream, way, (place - offset) / PAGE_BYTES);
    if (bytes.compare(expected, offset, offset + part, at, at + part) !== 0) {
      for (let i = 0; i < part; i++) if (bytes[at + i] !== expected[offset + i]) return place + i;
    }
    at += part;
  }
  return -1;
}
