import test from 'ava';
import { setNewest } from './newest.ts';

test('beyond the limit the entry that was set longest ago is forgotten, also where it was there first', (t) => {
  const entries = new Map<string, number>();
  for (const [key, value] of [['a', 1], ['b', 2], ['a', 3]] as const) setNewest(entries, key, value, 2);
  t.deepEqual([...entries], [['b', 2], ['a', 3]]);
  setNewest(entries, 'c', 4, 2);
  t.deepEqual([...entries], [['a', 3], ['c', 4]]);
  setNewest(entries, 'd', 5, 0);
  t.deepEqual([...entries.keys()], ['c', 'd'], 'one at a time');
});
