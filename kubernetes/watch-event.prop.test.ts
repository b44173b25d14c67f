import test from 'ava';
import fc from 'fast-check';
import { MAX_RETRY_AFTER_MS, parseListPage, parseRetryAfter, parseStatus, parseWatchEvent } from './watch-event.ts';

const json = fc.oneof(
  fc.json(),
  fc.string(),
  fc.record({ type: fc.oneof(fc.constantFrom('ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR'), fc.string()), object: fc.oneof(fc.jsonValue(), fc.record({ metadata: fc.oneof(fc.jsonValue(), fc.record({ resourceVersion: fc.oneof(fc.string(), fc.jsonValue()) })), code: fc.jsonValue(), details: fc.jsonValue() })) }, { requiredKeys: [] }).map((value) => JSON.stringify(value)),
  fc.record({ metadata: fc.record({ resourceVersion: fc.oneof(fc.string(), fc.jsonValue()), continue: fc.jsonValue() }, { requiredKeys: [] }), items: fc.jsonValue() }, { requiredKeys: [] }).map((value) => JSON.stringify(value)),
);

test('whatever a server says is an event or a reason, and an event has a version', (t) => {
  fc.assert(
    fc.property(json, (text) => {
      const event = parseWatchEvent(text);
      if (event.ok && event.value.kind !== 'failed') t.true(event.value.version !== '');
      if (event.ok && event.value.kind === 'failed') t.true(Number.isInteger(event.value.status.code));
      const page = parseListPage(text);
      if (page.ok) t.true(page.value.version !== '' && Array.isArray(page.value.items) && typeof page.value.next === 'string');
    }),
  );
});

test('nobody is told to wait for ever', (t) => {
  fc.assert(
    fc.property(fc.oneof(json, fc.double().map((retryAfterSeconds) => JSON.stringify({ details: { retryAfterSeconds } })), fc.nat().map(String)), (text) => {
      for (const waitMs of [parseRetryAfter(text), parseStatus(text, 503).retryAfterMs]) if (waitMs !== undefined) t.true(waitMs >= 0 && waitMs <= MAX_RETRY_AFTER_MS);
    }),
  );
});

test('objects of any shape come through as they are', (t) => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string({ minLength: 1 }), (fields, resourceVersion) => {
      const object: unknown = JSON.parse(JSON.stringify({ ...fields, metadata: { resourceVersion } }));
      t.deepEqual(parseWatchEvent(JSON.stringify({ type: 'ADDED', object })), { ok: true, value: { kind: 'set', version: resourceVersion, object } });
      t.deepEqual(parseListPage(JSON.stringify({ metadata: { resourceVersion }, items: [object] })), { ok: true, value: { version: resourceVersion, next: '', items: [object] } });
    }),
  );
});
