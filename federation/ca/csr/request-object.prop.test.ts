import test from 'ava';
import fc from 'fast-check';
import { approved, isLeftOver, parseRequestObject, requestObject } from './request-object.ts';

const condition = fc.record({ type: fc.oneof(fc.constantFrom('Approved', 'Denied', 'Failed'), fc.string()), status: fc.oneof(fc.constantFrom('True', 'False'), fc.jsonValue()), reason: fc.oneof(fc.string(), fc.jsonValue()), message: fc.oneof(fc.string({ maxLength: 2000 }), fc.jsonValue()) }, { requiredKeys: [] });
const labels = fc.dictionary(fc.constantFrom('landbridge.dev/pod', 'landbridge.dev/run', '__proto__'), fc.oneof(fc.string(), fc.jsonValue()));
const value = fc.oneof(fc.jsonValue(), fc.record({
  metadata: fc.oneof(fc.jsonValue(), fc.record({ name: fc.oneof(fc.constantFrom('a', 'a/b', '..'), fc.string(), fc.jsonValue()), creationTimestamp: fc.oneof(fc.constant('2026-11-26T10:00:00Z'), fc.jsonValue()), labels: fc.oneof(labels, fc.jsonValue()) }, { requiredKeys: [] })),
  status: fc.oneof(fc.jsonValue(), fc.record({ certificate: fc.oneof(fc.base64String(), fc.jsonValue()), conditions: fc.oneof(fc.array(condition), fc.jsonValue()) }, { requiredKeys: [] })),
}, { requiredKeys: [] }));

test('whatever a server tells is an object with a name and a time, or none; what is denied has no certificate', (t) => {
  fc.assert(
    fc.property(value, (told) => {
      const parsed = parseRequestObject(told);
      if (!parsed.ok) return void t.true(parsed.error.length > 0);
      const { name, createdMs, outcome } = parsed.value;
      t.regex(name, /^[a-z0-9][-a-z0-9.]*$/);
      t.true(Number.isFinite(createdMs));
      if (outcome.kind === 'denied' || outcome.kind === 'failed') t.true(outcome.reason.length <= 200);
      const conditions = (told as { status?: { conditions?: readonly ({ type?: string; status?: string } | null)[] } }).status?.conditions;
      if (Array.isArray(conditions) && conditions.some((each) => each?.type === 'Denied' && each.status === 'True')) t.is(outcome.kind, 'denied');
    }),
  );
});

const metadata = { name: 'a', creationTimestamp: '2026-11-26T10:00:00Z' };

test('what is approved is pending until there is a certificate', (t) => {
  const kindOf = (status: object): unknown => {
    const parsed = parseRequestObject({ metadata, status });
    return parsed.ok ? parsed.value.outcome : parsed.error;
  };
  t.deepEqual(kindOf({}), { kind: 'pending', isApproved: false });
  const { status } = approved({ metadata, spec: {} }, new Date(0)) as { readonly status: object };
  t.deepEqual(kindOf(status), { kind: 'pending', isApproved: true });
  t.deepEqual(kindOf({ ...status, certificate: Buffer.from('x').toString('base64') }), { kind: 'issued', pem: 'x' });
  t.deepEqual(kindOf({ conditions: [{ type: 'Approved', status: 'True' }, { type: 'Failed', status: 'True', reason: 'R', message: 'm' }] }), { kind: 'failed', reason: 'R: m' });
});

test('a request is its maker’s for an hour, whatever the pod is called', (t) => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,200}[a-z0-9])?$/), (pod) => {
      const { metadata: made } = requestObject('', 'a.example/b', 600, { pod, run: 'r1' }) as { readonly metadata: { readonly labels: Readonly<Record<string, string>> } };
      t.regex(made.labels['landbridge.dev/pod'] ?? '', /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
      const parsed = parseRequestObject({ metadata: { ...metadata, labels: made.labels } });
      if (!parsed.ok) return t.fail(parsed.error);
      const { createdMs } = parsed.value;
      t.deepEqual([isLeftOver(parsed.value, { pod, run: 'r1' }, createdMs), isLeftOver(parsed.value, { pod, run: 'r2' }, createdMs), isLeftOver(parsed.value, { pod: `${pod}x`, run: 'r2' }, createdMs), isLeftOver(parsed.value, { pod, run: 'r1' }, createdMs + 3_600_001)], [false, true, false, true]);
    }),
  );
});
