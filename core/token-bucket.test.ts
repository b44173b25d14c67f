import test from 'ava';
import { TokenBucket } from './token-bucket.ts';

const taken = (bucket: TokenBucket, nowMs: number): number => {
  let count = 0;
  while (count < 10_000 && bucket.take(nowMs)) count++;
  return count;
};

test('a burst is allowed at once, and the rate from then on', (t) => {
  const bucket = new TokenBucket({ burst: 50, perSecond: 100 }, 0);
  t.is(taken(bucket, 0), 50);
  t.is(taken(bucket, 5), 0);
  t.is(taken(bucket, 10), 1);
  t.is(taken(bucket, 110), 10);
});

test('time that was not used is a burst again, and no more than that', (t) => {
  const bucket = new TokenBucket({ burst: 50, perSecond: 100 }, 0);
  t.is(taken(bucket, 0), 50);
  t.is(taken(bucket, 1_000_000), 50);
  t.is(taken(bucket, 1_000_000), 0);
});

test('a clock that stands still gives nothing', (t) => {
  const bucket = new TokenBucket({ burst: 1, perSecond: 1000 }, 7);
  t.true(bucket.take(7));
  t.false(bucket.take(7));
});
