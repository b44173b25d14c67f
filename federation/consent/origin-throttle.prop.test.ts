import test from 'ava';
import fc from 'fast-check';
import { type Entry, MAX_ORIGINS, OriginThrottle, THROTTLE_LIMITS, unitsOf } from './origin-throttle.ts';

const LIMITS = { burst: 5, perSecond: 10, firstBurst: 5, maxWaiting: 8, maxWaitingBytes: 1000, everyMs: 250 };
const step = fc.record({ afterMs: fc.nat(400), cluster: fc.constantFrom('west', 'mallory'), name: fc.constantFrom('a', 'b', 'c', 'd'), bytes: fc.nat(40) });

test('of each key the last value comes last, nothing is lost below the limits, and no cluster goes faster than it may', (t) => {
  fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 120 }), (steps) => {
    const throttle = new OriginThrottle(LIMITS);
    const seen: { readonly entry: Entry; readonly atMs: number }[] = [];
    const written = new Map<string, Uint8Array>();
    let nowMs = 0;
    const take = (atMs: number): void => void seen.push(...throttle.take(atMs).map((entry) => ({ entry, atMs })));
    const until = (atMs: number): void => {
      for (let due = throttle.nextAtMs; due !== undefined && due <= atMs; due = throttle.nextAtMs) take(due);
      nowMs = atMs;
    };
    for (const [i, { afterMs, cluster, name, bytes }] of steps.entries()) {
      until(nowMs + afterMs);
      const entry = { key: `${cluster}.${name}`, value: new Uint8Array(bytes).fill(i) };
      written.set(entry.key, entry.value);
      if (throttle.admit(entry, nowMs)) seen.push({ entry, atMs: nowMs });
    }
    until(nowMs + 60_000);
    t.is(throttle.throttled.size, 0);
    for (const [key, value] of written) t.is(seen.findLast(({ entry }) => entry.key === key)?.entry.value, value, key);
    for (const cluster of ['west', 'mallory']) {
      const times = seen.filter(({ entry }) => entry.key.startsWith(cluster)).map(({ atMs }) => atMs);
      for (const [i, from] of times.entries()) for (const [j, to] of times.entries()) if (j > i) t.true(j - i + 1 <= LIMITS.burst + 1 + ((to - from) * LIMITS.perSecond) / 1000, `${times}`);
    }
  }), { numRuns: 500 });
});

test('a cluster that floods holds up no other, and is named', (t) => {
  const throttle = new OriginThrottle(LIMITS);
  for (let i = 0; i < 1000; i++) throttle.admit({ key: `mallory.svc.${i}`, value: new Uint8Array(10) }, 0);
  for (let i = 0; i < LIMITS.burst; i++) t.true(throttle.admit({ key: `west.svc.${i}`, value: new Uint8Array(10) }, 0));
  t.deepEqual([...throttle.throttled.keys()], ['mallory']);
  t.deepEqual(throttle.throttled.get('mallory'), { waiting: LIMITS.maxWaiting, lost: 1000 - LIMITS.burst - LIMITS.maxWaiting });
});

test('what waits is bounded in bytes too, and a long record costs as it is long but is not kept for ever', (t) => {
  const throttle = new OriginThrottle({ ...LIMITS, burst: 1 });
  t.is(unitsOf(256 * 1024), 129);
  t.true(throttle.admit({ key: 'm.a', value: new Uint8Array(256 * 1024) }, 0));
  t.false(throttle.admit({ key: 'm.a', value: new Uint8Array(600) }, 1000), 'the debt of the first one');
  t.false(throttle.admit({ key: 'm.b', value: new Uint8Array(600) }, 1000));
  t.is(throttle.throttled.get('m')?.lost, 1);
  t.false(throttle.admit({ key: 'm.a', value: new Uint8Array(900) }, 1000), 'in the place of its earlier value');
  t.is(throttle.throttled.get('m')?.lost, 1);
  t.deepEqual(throttle.take(60_000).map(({ value }) => value.length), [900]);
});

test('all that a cluster may have passes at once at the beginning, and a snapshot of 500 services later', (t) => {
  const throttle = new OriginThrottle();
  const admitted = (count: number, bytes: number): number => Array.from({ length: count }, (_, i) => throttle.admit({ key: `west.svc.${i}`, value: new Uint8Array(bytes) }, 0)).filter((is) => is).length;
  t.is(admitted(50_000, 500), 50_000);
  throttle.settle();
  t.is(admitted(1000, 500), 1000);
  t.is(admitted(2000, 500), 1000, 'what was left of the first burst is no use later');
  const later = new OriginThrottle();
  later.settle();
  for (let i = 0; i < THROTTLE_LIMITS.burst; i++) t.true(later.admit({ key: `north.svc.${i}`, value: new Uint8Array(500) }, 0));
  t.false(later.admit({ key: 'north.svc.x', value: new Uint8Array(500) }, 0));
});

test('names that somebody makes up share one place once there are many, and clusters that rest give theirs up', (t) => {
  const throttle = new OriginThrottle(LIMITS);
  for (let i = 0; i < MAX_ORIGINS; i++) t.true(throttle.admit({ key: `c${i}.meta`, value: new Uint8Array() }, 0));
  const admitted = Array.from({ length: 20 }, (_, i) => throttle.admit({ key: `made-up-${i}.meta`, value: new Uint8Array() }, 0)).filter((is) => is).length;
  t.true(admitted <= LIMITS.burst);
  t.deepEqual([...throttle.throttled.keys()], ['']);
  throttle.take(10_000);
  t.true(throttle.admit({ key: 'late.meta', value: new Uint8Array() }, 20_000));
  for (let i = 0; i < 20; i++) throttle.admit({ key: 'late.meta', value: new Uint8Array() }, 20_000);
  t.true(throttle.throttled.has('late'));
});
