import test from 'ava';
import fc from 'fast-check';
import { encodeMuxFrames, MAX_MUX_PAYLOAD_BYTES, MUX_HEADER_BYTES, MuxReader } from './nri-mux.ts';

const channel = fc.integer({ min: 0, max: 3 });

test('each channel is one stream of bytes, wherever the socket cuts the frames', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(channel, fc.uint8Array({ maxLength: 40 })), { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 }), (writes, cuts) => {
      const bytes = Buffer.concat(writes.map(([to, data]) => encodeMuxFrames(to, data)));
      const reader = new MuxReader();
      const read = new Map<number, Buffer>();
      for (let at = 0, i = 0; at < bytes.length; at += cuts[i++ % cuts.length] as number) {
        const pushed = reader.push(bytes.subarray(at, at + (cuts[i % cuts.length] as number)));
        if (!pushed.ok) return t.fail(pushed.error);
        for (const piece of pushed.value) {
          t.true(piece.bytes.length > 0);
          read.set(piece.channel, Buffer.concat([read.get(piece.channel) ?? Buffer.alloc(0), piece.bytes]));
        }
      }
      for (const to of [0, 1, 2, 3]) t.true((read.get(to) ?? Buffer.alloc(0)).equals(Buffer.concat(writes.filter(([wrote]) => wrote === to).map(([, data]) => data))));
    }),
  );
});

test('what is longer than a frame may be goes in several, and a longer frame is refused', (t) => {
  const bytes = encodeMuxFrames(1, new Uint8Array(MAX_MUX_PAYLOAD_BYTES + 1));
  t.is(bytes.length, MAX_MUX_PAYLOAD_BYTES + 1 + 2 * MUX_HEADER_BYTES);
  const read = new MuxReader().push(bytes);
  t.deepEqual(read.ok && read.value.map((piece) => piece.bytes.length), [MAX_MUX_PAYLOAD_BYTES, 1]);
  const header = Buffer.alloc(MUX_HEADER_BYTES);
  header.writeUInt32BE(MAX_MUX_PAYLOAD_BYTES + 1, 4);
  t.false(new MuxReader().push(header).ok);
});

test('any bytes give pieces that are no more than what came, or an error', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 5 }), (chunks) => {
      const reader = new MuxReader();
      for (const chunk of chunks) {
        const read = reader.push(chunk);
        if (!read.ok) return t.true(read.error.length < 100);
        t.true(read.value.reduce((sum, piece) => sum + piece.bytes.length, 0) <= chunk.length);
      }
    }),
  );
});

test('a frame is, byte for byte, what the runtime reads', (t) => {
  t.is(Buffer.from(encodeMuxFrames(2, Uint8Array.of(7, 8))).toString('hex'), '00000002000000020708');
});
