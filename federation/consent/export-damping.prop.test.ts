import type { Endpoint, ServiceRecord } from '@landbridge/core/records.ts';
import test from 'ava';
import fc from 'fast-check';
import { endpoint } from '../records/example-records.ts';
import { damp, type Damping, type Exports, HOLD_MS, MAX_CHANGES, NO_DAMPING } from './export-damping.ts';

const record = (port: number): ServiceRecord => ({ kind: 'svc', namespace: 'shop', name: 'cart', exportedAt: 1, type: 'ClusterSetIP', ports: [{ name: '', protocol: 'TCP', port }], sessionAffinity: 'None', ipFamilies: ['IPv4'] });
const [FIRST, SECOND] = [record(80), record(81)];
const ENDPOINTS: readonly Endpoint[] = [endpoint('a')];
const KEY = 'shop/cart';

const said = (each: ServiceRecord | undefined, endpoints = ENDPOINTS): Exports => ({ services: new Map(each === undefined ? [] : [[KEY, each]]), endpoints: new Map(each === undefined ? [] : [[KEY, endpoints]]) });
const applied = ({ exports }: Damping): ServiceRecord | undefined => exports.services.get(KEY);

const history = fc.array(fc.record({ afterMs: fc.oneof(fc.nat(2000), fc.nat(60_000)), record: fc.constantFrom(FIRST, SECOND, undefined) }), { minLength: 1, maxLength: 60 });

test('whatever a service does: at most five changes at once, then one in thirty seconds, and in the end what it says', (t) => {
  fc.assert(fc.property(history, (moments) => {
    let damping = NO_DAMPING;
    let nowMs = 0;
    let last: ServiceRecord | undefined;
    const changesMs: number[] = [];
    const step = (atMs: number, each: ServiceRecord | undefined): void => {
      const before = applied(damping);
      damping = damp(damping, said(each), atMs);
      if (applied(damping) !== before) changesMs.push(atMs);
      t.is(damping.held, applied(damping) === each ? 0 : 1);
    };
    for (const { afterMs, record: each } of moments) {
      // As the service does: it looks when it asked to be called, too.
      for (let due = damping.nextAtMs; due !== undefined && due <= nowMs + afterMs; due = damping.nextAtMs) step(due, last);
      nowMs += afterMs;
      step(nowMs, (last = each));
    }
    // The first sight is no change of what was known.
    for (let i = 0; i + MAX_CHANGES + 2 < changesMs.length; i++) t.true((changesMs[i + MAX_CHANGES + 2] as number) - (changesMs[i] as number) >= HOLD_MS, `${changesMs}`);
    if (damping.nextAtMs !== undefined) step(damping.nextAtMs, last);
    t.is(applied(damping), last);
    t.is(damping.nextAtMs, undefined);
  }), { numRuns: 500 });
});

test('an export that comes and goes each second changes once in thirty seconds, with its last endpoints, and is free again when it rests', (t) => {
  let damping = NO_DAMPING;
  const changesMs: number[] = [];
  for (let nowMs = 0; nowMs < 300_000; nowMs += 1000) {
    const before = applied(damping);
    damping = damp(damping, said(nowMs % 2000 === 0 ? FIRST : undefined), nowMs);
    if (applied(damping) !== before) changesMs.push(nowMs);
    if (applied(damping) !== undefined) t.is(damping.exports.endpoints.get(KEY), ENDPOINTS);
  }
  t.true(changesMs.filter((at) => at > 10_000).length <= 10, `${changesMs}`);
  t.true(changesMs.slice(MAX_CHANGES + 1).every((at, i, all) => i === 0 || at - (all[i - 1] as number) >= HOLD_MS));
  damping = damp(damping, said(FIRST), 300_000 + HOLD_MS);
  t.is(applied(damping), FIRST);
  damping = damp(damping, said(SECOND), 300_000 + 10 * HOLD_MS);
  t.is(applied(damping), SECOND, 'at once');
});

test('endpoints are never held, and what says the same stays the same', (t) => {
  let damping = damp(NO_DAMPING, said(FIRST), 0);
  for (let i = 1; i < 50; i++) {
    const endpoints = [endpoint(`pod-${i}`)];
    damping = damp(damping, said(FIRST, endpoints), i);
    t.is(damping.exports.endpoints.get(KEY), endpoints);
  }
  const same: Exports = damping.said;
  t.is(damp(damping, same, 100), damping);
});

test('what is gone for good is forgotten', (t) => {
  const gone = damp(damp(damp(NO_DAMPING, said(FIRST), 0), said(undefined), 1000), said(undefined), 10 * HOLD_MS);
  t.is(gone.known.size, 0);
});
