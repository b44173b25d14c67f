import test from 'ava';
import { wayPatience } from './way-patience.ts';

test('a way is waited for by its own measure, and not for ever', (t) => {
  t.is(wayPatience([]), 0);
  t.true(wayPatience([1]) < 100, 'of a cluster nearby nothing is waited for');
  // RFC 6298: 1.2, 2.4 and 4.8 s after the first time.
  t.true(wayPatience([600]) >= 8400);
  t.is(wayPatience([60_000]), 10_000);
});

test('what was lost once says nothing of the way', (t) => {
  t.is(wayPatience([10, 3000, 12, 11, 9]), wayPatience([11]));
});
