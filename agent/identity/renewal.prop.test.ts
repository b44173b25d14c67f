import test from 'ava';
import fc from 'fast-check';
import { isExpiring, renewAt, retryAfter } from './renewal.ts';

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const HOUR_MS = 3_600_000;

test('a day-long certificate leaves an authority half a day to come back, and more than the longest back-off', (t) => {
  fc.assert(fc.property(random, fc.nat(), (at, notBeforeMs) => {
    const lifetime = { notBeforeMs, notAfterMs: notBeforeMs + 24 * HOUR_MS };
    const renewMs = renewAt(lifetime, notBeforeMs + 60_000, at);
    t.true(renewMs >= notBeforeMs + 8 * HOUR_MS);
    t.true(lifetime.notAfterMs - renewMs > 12 * HOUR_MS + 180_000);
    t.false(isExpiring(lifetime, renewMs));
    t.true(isExpiring(lifetime, lifetime.notAfterMs - 5 * HOUR_MS));
  }));
});

test('a clock that is ahead, and a life that is short, do not make it ask without end', (t) => {
  fc.assert(fc.property(random, fc.nat({ max: 48 * HOUR_MS }), fc.nat({ max: 24 * HOUR_MS }), (at, nowMs, life) => {
    const renewMs = renewAt({ notBeforeMs: 0, notAfterMs: life }, nowMs, at);
    t.true(renewMs >= nowMs + Math.max(1000, (life - nowMs) * 0.35));
  }));
});

test('waits grow from half a second, and are bounded: by less where nothing works without', (t) => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1000 }), fc.boolean(), random, (failures, isValid, at) => {
    const waitMs = retryAfter(failures, isValid, at);
    t.true(waitMs >= 400 && waitMs <= (isValid ? 180_000 : 12_000));
    t.true(failures > 1 || waitMs <= 600);
  }));
});
