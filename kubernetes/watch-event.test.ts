import test from 'ava';
import { MAX_RETRY_AFTER_MS, parseListPage, parseRetryAfter, parseStatus, parseWatchEvent } from './watch-event.ts';

const metadata = { name: 'a', resourceVersion: '7' };

test('each type of event is what the API server means by it', (t) => {
  const event = (type: string): unknown => parseWatchEvent(JSON.stringify({ type, object: { metadata } }));
  for (const type of ['ADDED', 'MODIFIED']) t.deepEqual(event(type), { ok: true, value: { kind: 'set', version: '7', object: { metadata } } });
  t.deepEqual(event('DELETED'), { ok: true, value: { kind: 'deleted', version: '7', object: { metadata } } });
  t.deepEqual(event('BOOKMARK'), { ok: true, value: { kind: 'bookmark', version: '7', hasAll: false } });
  t.deepEqual(event('RENAMED'), { ok: false, error: 'an event of an unknown type' });
});

test('an error within a watch is told with its status', (t) => {
  const event = parseWatchEvent('{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version: 1 (9)"}}');
  t.deepEqual(event, { ok: true, value: { kind: 'failed', status: { code: 410, message: 'too old resource version: 1 (9)', retryAfterMs: undefined } } });
  for (const object of [undefined, null, 'x', [], { code: '410' }, { code: 1.5 }]) {
    t.deepEqual(parseWatchEvent(JSON.stringify({ type: 'ERROR', object })), { ok: true, value: { kind: 'failed', status: { code: 0, message: '', retryAfterMs: undefined } } });
  }
});

test('what is no event is refused without its text', (t) => {
  for (const line of ['', 'null', '[]', '"ADDED"', '{"type":"ADDED","secret":', '{"type":"ADDED"}', '{"type":"ADDED","object":{"metadata":{"resourceVersion":""}}}', '{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":7}}}']) {
    const parsed = parseWatchEvent(line);
    t.true(!parsed.ok && !parsed.error.includes('secret'), line);
  }
});

test('a page of a list has a version, objects and perhaps the name of the next one', (t) => {
  t.deepEqual(parseListPage('{"metadata":{"resourceVersion":"9","continue":"more"},"items":[{"a":1}]}'), { ok: true, value: { version: '9', next: 'more', items: [{ a: 1 }] } });
  for (const items of ['', ',"items":null', ',"items":[]']) t.deepEqual(parseListPage(`{"metadata":{"resourceVersion":"9"}${items}}`), { ok: true, value: { version: '9', next: '', items: [] } });
  for (const text of ['{}', '{"metadata":{"resourceVersion":"9"},"items":{}}', '[{"metadata":{"resourceVersion":"9"}}]', '<html>']) t.false(parseListPage(text).ok, text);
});

test('a status is what HTTP says, with the words of the body where it has any', (t) => {
  t.deepEqual(parseStatus('{"code":1,"message":"no","details":{"retryAfterSeconds":2}}', 429), { code: 429, message: 'no', retryAfterMs: 2000 });
  t.deepEqual(parseStatus('<html>bad gateway</html>', 502), { code: 502, message: '', retryAfterMs: undefined });
  t.is(parseStatus(JSON.stringify({ message: 'x'.repeat(10_000) }), 500).message.length, 300);
});

test('how long to wait is bounded, and a date or anything else says nothing', (t) => {
  t.is(parseRetryAfter('5'), 5000);
  t.is(parseRetryAfter('0'), 0);
  t.is(parseRetryAfter('86400'), MAX_RETRY_AFTER_MS);
  for (const header of [undefined, '', '-1', '1.5', '9999999', 'Fri, 31 Dec 1999 23:59:59 GMT']) t.is(parseRetryAfter(header), undefined);
  t.is(parseStatus('{"details":{"retryAfterSeconds":1e300}}', 429).retryAfterMs, MAX_RETRY_AFTER_MS);
});
