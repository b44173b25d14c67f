import test from 'ava';
import fc from 'fast-check';
import type { HeaderField } from './hpack-static-table.ts';
import { parseConnectRequest, parseResponseHead, trailersFault } from './http2-request.ts';

const names = fc.oneof(fc.constantFrom(':method', ':authority', ':scheme', ':path', ':status', 'baggage', 'forwarded', 'traceparent', 'te', 'host', 'upgrade', 'x-istio-source', 'X'), fc.string({ unit: 'binary-ascii', maxLength: 8 }));
const values = fc.oneof(fc.constantFrom('CONNECT', 'GET', '200', '/', 'a:1', 'trailers', ''), fc.string({ unit: 'binary-ascii', maxLength: 12 }));
const lists = fc.array(fc.tuple(names, values) as fc.Arbitrary<HeaderField>, { maxLength: 8 });

test('any list of fields gives an answer, and a good one obeys RFC 9113', (t) => {
  fc.assert(
    fc.property(fc.boolean(), lists, (isConnect, more) => {
      const fields: readonly HeaderField[] = isConnect ? [[':method', 'CONNECT'], [':authority', 'a:1'], ...more] : more;
      const parsed = parseConnectRequest(fields);
      if (!parsed.ok) return t.true(parsed.error.kind === 'malformed' ? parsed.error.reason.length > 0 : parsed.error.method !== 'CONNECT');
      t.deepEqual(fields.filter(([name]) => name.startsWith(':')).map(([name]) => name).sort(), [':authority', ':method']);
      t.true(fields.every(([name, value]) => name === name.toLowerCase() && !/[\r\n\0]/.test(value) && !' \t'.includes(value.at(0) ?? 'x') && !' \t'.includes(value.at(-1) ?? 'x')));
      t.false(fields.some(([name]) => name === 'upgrade'));
    }),
    { numRuns: 1000 },
  );
});

test('the order of other fields does not matter', (t) => {
  const more = fc.uniqueArray(fc.tuple(fc.constantFrom('baggage', 'forwarded', 'traceparent', 'x-forwarded-network', 'x-istio-source', 'accept', 'via'), fc.constantFrom('a', 'b', '')) as fc.Arbitrary<HeaderField>, { selector: ([name]) => name });
  fc.assert(
    fc.property(more, (list) => {
      const connect: readonly HeaderField[] = [[':method', 'CONNECT'], [':authority', 'a:1']];
      t.deepEqual(parseConnectRequest([...connect, ...list]), parseConnectRequest([...connect, ...list.toReversed()]));
    }),
  );
});

test('any list of fields gives an answer as response and as trailers', (t) => {
  fc.assert(
    fc.property(lists, (fields) => {
      const parsed = parseResponseHead(fields);
      if (parsed.ok) t.true(Number.isInteger(parsed.value.status) && parsed.value.status >= 100 && parsed.value.status <= 999);
      const fault = trailersFault(fields);
      if (fault === undefined) t.false(fields.some(([name]) => name.startsWith(':')));
    }),
    { numRuns: 500 },
  );
  t.pass();
});
