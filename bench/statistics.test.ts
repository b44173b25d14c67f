import test from 'ava';
import { median, summarise, threeDigits } from './statistics.ts';

test('the median is the middle value whatever the order, and the mean of two middle ones', (t) => {
  t.is(median([9, 1, 5]), 5);
  t.is(median([10, 1, 2, 4]), 3);
  t.is(median([7]), 7);
  t.is(median([]), Number.NaN);
});

test('one outlier moves the range, not the median', (t) => {
  t.deepEqual(summarise([1, 100, 1.1]), { median: 1.1, min: 1, max: 100 });
  t.deepEqual(summarise([]), { median: Number.NaN, min: Number.NaN, max: Number.NaN });
});

test('numbers have three digits and no exponent', (t) => {
  t.deepEqual([0.1234, 4.5678, 78.94, 123.4, 123456.7, 0, 0.00012345, -2.5].map(threeDigits), ['0.123', '4.57', '78.9', '123', '123457', '0', '0.0001', '-2.50']);
  t.is(threeDigits(Number.NaN), '–');
});
