import { generateKeyPairSync } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { requestBytes } from '../example-requests.ts';
import { makeRequest, type SubjectName } from '../x509.ts';
import { readRequestedNames } from './requested-names.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const name: fc.Arbitrary<SubjectName> = fc.record({ kind: fc.constantFrom('dns', 'uri'), value: fc.stringMatching(/^[!-~]{1,60}$/) });

test('names that were asked for are those that are read', (t) => {
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 8 }), (names) => {
      t.deepEqual(readRequestedNames(requestBytes(makeRequest(privateKey, names))), { ok: true, value: names });
    }),
    { numRuns: 50 },
  );
});

test('whatever is changed or cut off in a request, there are names or a short reason', (t) => {
  const whole = requestBytes(makeRequest(privateKey, [{ kind: 'uri', value: 'spiffe://west.landbridge/ns/shop/sa/cart' }]));
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), fc.nat(whole.length), (at, byte, length) => {
      const changed = Buffer.from(whole.subarray(0, length));
      if (at < changed.length) changed[at] = byte;
      const names = readRequestedNames(changed);
      if (!names.ok) t.true(names.error.length > 0 && names.error.length < 300);
      else t.true(names.value.length > 0);
    }),
  );
});
