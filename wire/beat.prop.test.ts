import test from 'ava';
import fc from 'fast-check';
import { type Beat, decodeBeat, encodeBeat, INTERVAL_STEP_MS, MAX_ASKS, MAX_BEAT_BYTES, MAX_INTERVAL_MS, signedBeatBytes } from './beat.ts';

const counter = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
const beat: fc.Arbitrary<Beat> = fc.record({
  epoch: counter,
  sequence: counter,
  intervalMs: fc.integer({ min: 1, max: MAX_INTERVAL_MS / INTERVAL_STEP_MS }).map((steps) => steps * INTERVAL_STEP_MS),
  digest: fc.stringMatching(/^[0-9a-f]{16}$/),
  asks: fc.array(name, { maxLength: MAX_ASKS }),
  signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
});

test('what was encoded is decoded to the same, and is 87 bytes when nobody is asked', (t) => {
  fc.assert(
    fc.property(beat, (value) => {
      const bytes = encodeBeat(value);
      const decoded = decodeBeat(bytes);
      t.deepEqual(decoded, { ok: true, value });
      t.true(bytes.length <= MAX_BEAT_BYTES);
      if (value.asks.length === 0) t.is(bytes.length, 87);
    }),
  );
});

test('any bytes are decoded or refused, and what is decoded is what its bytes say', (t) => {
  const damaged = fc.tuple(beat, fc.array(fc.tuple(fc.nat(150), fc.nat(255)), { maxLength: 3 }), fc.nat(700)).map(([value, changes, length]) => {
    const bytes = Buffer.from(encodeBeat(value));
    for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte;
    return Uint8Array.from(bytes.subarray(0, length));
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged), (bytes) => {
      const decoded = decodeBeat(bytes);
      if (decoded.ok) t.deepEqual(Buffer.from(encodeBeat(decoded.value)), Buffer.from(bytes));
    }),
  );
});

test('the signature covers the cluster and every field but itself', (t) => {
  fc.assert(
    fc.property(beat, name, (value, cluster) => {
      const signed = Buffer.from(signedBeatBytes(cluster, value)).toString('hex');
      t.not(Buffer.from(signedBeatBytes(`${cluster}x`, value)).toString('hex'), signed);
      for (const other of [{ epoch: (value.epoch + 1) % 2 ** 48 }, { sequence: (value.sequence + 1) % 2 ** 48 }, { intervalMs: (value.intervalMs % MAX_INTERVAL_MS) + INTERVAL_STEP_MS }, { asks: value.asks.length === 0 ? ['east'] : [] }]) {
        t.not(Buffer.from(signedBeatBytes(cluster, { ...value, ...other })).toString('hex'), signed);
      }
    }),
  );
});
