import { Buffer } from 'node:buffer';
import test from 'ava';
import fc from 'fast-check';
import { DnsFrameReader, encodeDnsFrame } from './dns-frames.ts';

const message = fc.uint8Array({ minLength: 1, maxLength: 300 });

/** Cuts bytes at places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...[...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

test('messages come out as they were sent, wherever the stream is cut', (t) => {
  fc.assert(fc.property(fc.array(message, { maxLength: 20 }), fc.array(fc.nat()), (messages, places) => {
    const reader = new DnsFrameReader();
    const read = cut(Buffer.concat(messages.map(encodeDnsFrame)), places).flatMap((chunk) => {
      const pushed = reader.push(chunk);
      if (!pushed.ok) throw new Error(pushed.error);
      // What was pushed is written over.
      const kept = pushed.value.map((each) => Uint8Array.from(each));
      chunk.fill(0xee);
      return kept;
    });
    t.deepEqual(read, messages.map((each) => Uint8Array.from(each)));
  }));
});

test('the longest message comes out byte by byte', (t) => {
  const longest = Buffer.alloc(0xffff, 'x');
  const reader = new DnsFrameReader();
  const read: Buffer[] = [];
  for (const byte of encodeDnsFrame(longest)) {
    const pushed = reader.push(Uint8Array.of(byte));
    if (pushed.ok) read.push(...pushed.value);
  }
  t.deepEqual(read, [longest]);
});

test('a message without a byte ends it', (t) => {
  for (const chunks of [['0000'], ['00', '00'], ['0001410000']]) {
    const reader = new DnsFrameReader();
    t.false(chunks.map((hex) => reader.push(Buffer.from(hex, 'hex')).ok).at(-1), chunks.join(' '));
  }
});
