import test from 'ava';
import fc from 'fast-check';
import { ByteQueue } from './byte-queue.ts';

const step = fc.oneof(fc.record({ kind: fc.constant('append' as const), size: fc.oneof(fc.nat(100), fc.integer({ min: 16_000, max: 17_000 }), fc.integer({ min: 280_000, max: 700_000 })) }), fc.record({ kind: fc.constant('take' as const), size: fc.oneof(fc.nat(100), fc.nat(400_000)) }));

test('bytes come out as they went in, whatever their number', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const queue = new ByteQueue();
      let expected = Buffer.alloc(0);
      let next = 0;
      for (const { kind, size } of steps) {
        if (kind === 'append') {
          const bytes = Buffer.alloc(size + 3, (next = (next + 37) % 251));
          queue.append(bytes, 3, size);
          expected = Buffer.concat([expected, bytes.subarray(3)]);
        } else {
          const target = Buffer.alloc(size + 2, 255);
          const moved = queue.moveTo(target, 1, size);
          if (moved !== Math.min(size, expected.length) || !target.subarray(1, 1 + moved).equals(expected.subarray(0, moved))) return false;
          if (target[0] !== 255 || target[moved + 1] !== 255) return false;
          expected = expected.subarray(moved);
        }
        if (queue.size !== expected.length) return false;
      }
      const rest = Buffer.alloc(expected.length);
      return queue.moveTo(rest, 0, rest.length) === expected.length && rest.equals(expected) && queue.size === 0;
    }),
    { numRuns: 100 },
  );
  t.pass();
});

test('what is cleared is gone', (t) => {
  const queue = new ByteQueue();
  queue.append(Buffer.from('hello'), 0, 5);
  queue.clear();
  t.is(queue.size, 0);
  t.is(queue.moveTo(Buffer.alloc(5), 0, 5), 0);
  queue.append(Buffer.from('again'), 0, 5);
  const out = Buffer.alloc(5);
  queue.moveTo(out, 0, 5);
  t.is(out.toString(), 'again');
});
