import test from 'ava';
import fc from 'fast-check';
import { DEFAULT_DURATION_MS, MAX_DURATION_MS, parseLease } from './lease.ts';

test('whatever stands in a Lease, it is refused or makes sense', (t) => {
  const spec = fc.record({ holderIdentity: fc.anything(), leaseDurationSeconds: fc.oneof(fc.integer(), fc.anything()), leaseTransitions: fc.oneof(fc.integer(), fc.anything()) }, { requiredKeys: [] });
  const lease = fc.record({ metadata: fc.oneof(fc.constant({ name: 'a', resourceVersion: '1' }), fc.anything()), spec: fc.oneof(spec, fc.anything()) }, { requiredKeys: [] });
  let taken = 0;
  fc.assert(fc.property(fc.oneof(lease, fc.anything()), (value) => {
    const parsed = parseLease(value);
    if (!parsed.ok) return true;
    taken += 1;
    const { durationMs, transitions } = parsed.value;
    return durationMs > 0 && durationMs <= MAX_DURATION_MS && Number.isSafeInteger(transitions + 1) && transitions >= 0 && transitions < 2 ** 31;
  }), { numRuns: 2000 });
  t.true(taken > 100);
});

test('a Lease as an API server tells it', (t) => {
  const metadata = { name: 'landbridge-federation', namespace: 'x', resourceVersion: '17', annotations: { a: 'b' } };
  t.deepEqual(parseLease({ metadata, spec: { holderIdentity: 'pod-1_x', leaseDurationSeconds: 15, leaseTransitions: 3, renewTime: '2026-01-01T00:00:00.000000Z' } }), { ok: true, value: { name: 'landbridge-federation', version: '17', holder: 'pod-1_x', durationMs: 15_000, transitions: 3, annotations: { a: 'b' } } });
  t.deepEqual(parseLease({ metadata: { name: 'a', resourceVersion: '1' } }), { ok: true, value: { name: 'a', version: '1', holder: '', durationMs: DEFAULT_DURATION_MS, transitions: 0, annotations: {} } });
  t.false(parseLease({ metadata: { name: 'a' }, spec: {} }).ok);
});
