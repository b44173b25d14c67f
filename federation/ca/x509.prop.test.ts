import test from 'ava';
import fc from 'fast-check';
import { makeRequest, requestBytes, requestPem } from './example-requests.ts';
import { parseRequest } from './x509.ts';

const request = requestBytes(makeRequest());
const original = parseRequest(requestPem(request));

test('any text and any bytes give an answer, and no random ones a key', (t) => {
  fc.assert(fc.property(fc.oneof(fc.string({ maxLength: 400 }), fc.uint8Array({ maxLength: 400 }).map(requestPem)), (text) => {
    t.false(parseRequest(text).ok);
  }), { numRuns: 300 });
});

test('a request that was changed, cut or lengthened anywhere gives its own key or none', (t) => {
  const change = fc.record({ at: fc.nat({ max: request.length - 1 }), remove: fc.nat({ max: 3 }), insert: fc.uint8Array({ maxLength: 3 }) });
  fc.assert(fc.property(fc.array(change, { minLength: 1, maxLength: 2 }), (changes) => {
    let bytes = request;
    for (const { at, remove, insert } of changes) bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
    const parsed = parseRequest(requestPem(bytes));
    t.true(!parsed.ok || (original.ok && parsed.value.equals(original.value)));
  }), { numRuns: 300 });
});
