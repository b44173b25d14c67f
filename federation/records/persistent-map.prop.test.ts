import test from 'ava';
import fc from 'fast-check';
import { PersistentMap } from './persistent-map.ts';

type Change = readonly ['with', string, number] | readonly ['without', string] | readonly ['filter', number];
const key = fc.oneof(fc.constantFrom('a', 'b', 'c'), fc.string());
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(fc.constant('with' as const), key, fc.nat({ max: 9 })),
  fc.tuple(fc.constant('without' as const), key),
  fc.tuple(fc.constant('filter' as const), fc.nat({ max: 9 })),
);

const byKey = (a: readonly [string, number], b: readonly [string, number]): number => (a[0] < b[0] ? -1 : 1);

test('behaves as a Map that is copied before each change', (t) => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      let mine = PersistentMap.empty<number>();
      let plain = new Map<string, number>();
      for (const next of changes) {
        const before = [...mine.entries()];
        const old = mine;
        plain = new Map(plain);
        if (next[0] === 'with') {
          mine = mine.with(next[1], next[2]);
          plain.set(next[1], next[2]);
        } else if (next[0] === 'without') {
          mine = mine.without(next[1]);
          plain.delete(next[1]);
        } else {
          mine = mine.filter((value) => value !== next[1]);
          for (const [name, value] of plain) if (value === next[1]) plain.delete(name);
        }
        t.deepEqual([...old.entries()], before);
        t.deepEqual(new Map([...mine.entries()].sort(byKey)), new Map([...plain].sort(byKey)));
        t.is(mine.size, plain.size);
        const differing = new Set([...old.entries(), ...mine.entries()].flatMap(([name]) => (old.get(name) === mine.get(name) ? [] : [name])));
        for (const found of [mine.differing(old), old.differing(mine)]) t.deepEqual([...found].sort(), [...differing].sort());
        t.deepEqual([...mine.differing(PersistentMap.empty())].sort(), [...plain.keys()].sort());
        for (const [name, value] of plain) t.is(mine.get(name), value);
      }
    }),
  );
});
