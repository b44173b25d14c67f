import test from 'ava';
import { LineLimit, MAX_LINE_SOURCES } from './line-limit.ts';

test('each source has its burst and its rate, and the next line says what was suppressed', (t) => {
  const limit = new LineLimit({ burst: 2, perSecond: 1 });
  t.deepEqual([limit.take('a', 0), limit.take('a', 0), limit.take('a', 0), limit.take('a', 500)], [0, 0, undefined, undefined]);
  t.is(limit.take('b', 500), 0);
  t.is(limit.take('a', 1100), 2);
  t.is(limit.take('a', 1100), undefined);
});

test('a source that went quiet is told once, and then forgotten', (t) => {
  const limit = new LineLimit({ burst: 1, perSecond: 1 });
  limit.take('a', 0);
  limit.take('a', 0);
  t.deepEqual([...limit.quiet(0)], []);
  t.deepEqual([...limit.quiet(1100)], [['a', 1]]);
  t.deepEqual([...limit.quiet(2200)], []);
  t.is(limit.take('a', 2200), 0, 'as if it had never been there');
});

test('beyond the bound, sources share one limit until there is room', (t) => {
  const limit = new LineLimit({ burst: 1, perSecond: 1 });
  for (let n = 0; n < MAX_LINE_SOURCES; n++) t.is(limit.take(`s${n}`, 0), 0);
  t.is(limit.take('further-1', 0), 0);
  t.is(limit.take('further-2', 0), undefined);
  t.is(limit.take('s1', 0), undefined, 'a known one keeps its own');
  t.deepEqual([...limit.quiet(1100)], [['s1', 1], ['further', 1]]);
  t.is(limit.take('further-2', 1200), 0);
  t.is(limit.take('further-3', 1200), 0);
});
