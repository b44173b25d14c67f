import type { ServiceRecord } from '@landbridge/core/records.ts';
import test from 'ava';
import fc from 'fast-check';
import { endpoint, service } from '../records/example-records.ts';
import { DEFAULT_GUARD_TIMES, type GuardState, guardOf, HANDFUL, MANY_SHARE, nextGuard, type PeerExports } from './export-guard.ts';

const { settleMs, holdMs } = DEFAULT_GUARD_TIMES;
const records = Array.from({ length: 40 }, (_, index) => service(`s${index}`) as ServiceRecord);
const exporting = (indexes: Iterable<number>): PeerExports => {
  const keys = [...indexes];
  return { services: new Map(keys.map((index) => [`shop/s${index}`, records[index] as ServiceRecord])), endpoints: new Map(keys.map((index) => [`shop/s${index}`, [endpoint(`p${index}`)]])) };
};
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);
const after = (state: GuardState, indexes: Iterable<number>, nowMs: number): GuardState => nextGuard(state, exporting(indexes), nowMs, DEFAULT_GUARD_TIMES);

test('a handful goes after a moment', (t) => {
  const start = guardOf(exporting(range(0, 10)));
  const gone = after(start, range(HANDFUL, 10), 0);
  t.deepEqual([gone.exports.services.size, gone.isHolding, gone.dueMs], [10, false, settleMs]);
  const later = after(gone, range(HANDFUL, 10), settleMs);
  t.deepEqual([later.exports.services.size, later.dueMs], [10 - HANDFUL, undefined]);
});

test('many are held for a minute, with their endpoints, and what comes back was never away', (t) => {
  const start = guardOf(exporting(range(0, 20)));
  const gone = after(start, range(7, 20), 0);
  t.true(gone.isHolding);
  const held = after(gone, range(7, 20), holdMs - 1);
  t.deepEqual([held.exports.services.size, held.exports.endpoints.size, held.dueMs], [20, 20, holdMs]);
  t.is(held.exports.services.get('shop/s0'), records[0]);
  const back = after(held, range(0, 20), holdMs - 1);
  t.deepEqual([back.exports.services.size, back.isHolding, back.vanished.size], [20, false, 0]);
  const released = after(held, range(7, 20), holdMs);
  t.deepEqual([released.exports.services.size, released.isHolding], [13, false]);
});

test('many that vanish one after the other are many as well', (t) => {
  let state = guardOf(exporting(range(0, 20)));
  for (const count of range(1, 20)) state = after(state, range(count, 20), count * 300);
  t.true(state.isHolding);
  t.true(state.exports.services.size >= 20 * (1 - MANY_SHARE));
});

test('those that are held stay so while the others come back one after the other', (t) => {
  let state = after(guardOf(exporting(range(0, 20))), range(8, 20), 0);
  for (const count of range(0, 8)) {
    state = after(state, [...range(0, count), ...range(8, 20)], 10 * settleMs + count);
    t.deepEqual([state.exports.services.size, state.vanished.size, state.isHolding], [20, 8 - count, true]);
  }
  state = after(state, [...range(0, 7), ...range(8, 20)], holdMs);
  t.deepEqual([state.exports.services.size, state.isHolding], [19, false]);
});

test('what changes and what is new is not held, and a view in which nothing vanished is passed on as it is', (t) => {
  const start = guardOf(exporting(range(0, 20)));
  const gone = after(start, range(10, 20), 0);
  const other = exporting(range(10, 25));
  const next = nextGuard(gone, { ...other, endpoints: new Map([...other.endpoints, ['shop/s12', []]]) }, 10, DEFAULT_GUARD_TIMES);
  t.deepEqual([next.exports.services.has('shop/s24'), next.exports.endpoints.get('shop/s12')], [true, []]);
  const same = exporting(range(0, 20));
  t.is(nextGuard(start, same, 10, DEFAULT_GUARD_TIMES).exports.services, same.services);
});

test('whatever vanishes when: nothing is lost that is exported, many stay for their time, and in the end all is gone that is not exported', (t) => {
  const step = fc.record({ waitMs: fc.oneof(fc.nat(2000), fc.nat(90_000)), present: fc.uniqueArray(fc.nat(39)) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
      let state = guardOf(exporting(range(0, 40)));
      let nowMs = 0;
      for (const { waitMs, present } of steps) {
        nowMs += waitMs;
        const before = state;
        state = after(state, present, nowMs);
        for (const index of present) t.true(state.exports.services.has(`shop/s${index}`));
        // What is missing now and was there before had its time.
        for (const key of before.exports.services.keys()) {
          if (state.exports.services.has(key)) continue;
          t.true(nowMs - (before.vanished.get(key)?.atMs ?? nowMs) >= (before.vanished.get(key)?.isHeld === true ? holdMs : settleMs));
        }
      }
      // In the end everything that is not exported is gone.
      const present = steps.at(-1)?.present ?? [];
      for (let rounds = 0; rounds < 3; rounds += 1) state = after(state, present, (nowMs += holdMs));
      t.is(state.exports.services.size, present.length);
    }),
  );
});
