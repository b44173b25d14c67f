import test from 'ava';
import fc from 'fast-check';
import { exampleToken } from './example-token.ts';
import { encodeJoinToken, type JoinToken, parseJoinToken } from './join-token.ts';

const base = exampleToken();
const label = fc.stringMatching(/^[a-z]([-a-z0-9]{0,20}[a-z0-9])?$/).filter((name) => !['svc', 'members', 'clusterset', 'local'].includes(name));
const tokens: fc.Arbitrary<JoinToken> = fc.record({
  v: fc.constant(1 as const),
  urls: fc.array(fc.tuple(label, fc.integer({ min: 1, max: 65535 })).map(([host, port]) => `tls://${host}:${port}`), { minLength: 1, maxLength: 16 }),
  caPem: fc.base64String({ maxLength: 200 }).map((body) => `-----BEGIN CERTIFICATE-----\n${body}`),
  code: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
  cluster: label,
  bootstrapJwt: fc.constant(base.bootstrapJwt),
  bootstrapSeed: fc.constant(base.bootstrapSeed),
  authorityPublicKey: fc.constant(base.authorityPublicKey),
  exp: fc.integer({ min: 0, max: 2 ** 40 }),
});

test('every token is read back as it was', (t) => {
  fc.assert(fc.property(tokens, (token) => t.deepEqual(parseJoinToken(encodeJoinToken(token)), { ok: true, value: token })));
});

test('every real beginning of a token is refused as damaged', (t) => {
  fc.assert(
    fc.property(tokens, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (token, share) => {
      const text = encodeJoinToken(token);
      const parsed = parseJoinToken(text.slice(0, Math.floor(text.length * share)));
      return !parsed.ok && parsed.error.code === 'token-damaged';
    }),
  );
  t.pass();
});

test('one changed character is always noticed', (t) => {
  fc.assert(
    fc.property(tokens, fc.nat(), fc.constantFrom(...'abcXYZ019-_.é'), (token, at, character) => {
      const text = encodeJoinToken(token);
      const index = at % text.length;
      fc.pre(text[index] !== character);
      return !parseJoinToken(text.slice(0, index) + character + text.slice(index + 1)).ok;
    }),
  );
  t.pass();
});

test('any text has an answer', (t) => {
  const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.string().map((text) => `lb1.${text}.00000000`), fc.json().map((json) => encodeJoinToken(json as never)));
  fc.assert(fc.property(texts, (text) => typeof parseJoinToken(text).ok === 'boolean'));
  t.pass();
});
