import test from 'ava';
import fc from 'fast-check';
import { canonicalJson, cutSignedBytes, decodeEnvelope, type Envelope, encodeEnvelope, isSameJson, type JsonValue, signedBytes } from './record.ts';

const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<JsonValue>;
const counter = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const envelopes: fc.Arbitrary<Envelope> = fc.record({
  cluster: fc.string({ minLength: 1, maxLength: 63 }),
  key: fc.string({ minLength: 1, maxLength: 200 }),
  epoch: counter,
  gen: counter,
  body: json,
  signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
});

test('canonical JSON means the same, and is its own canonical form', (t) => {
  fc.assert(
    fc.property(json, (value) => {
      const text = canonicalJson(value);
      const again: unknown = JSON.parse(text);
      t.is(canonicalJson(again as JsonValue), text);
      // JSON has no negative zero that survives; through JSON both sides are alike.
      t.deepEqual(again, JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('the order of names does not matter', (t) => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 })), (value) => {
      const turned = Object.fromEntries(Object.entries(value).reverse());
      t.is(canonicalJson(turned as JsonValue), canonicalJson(value as JsonValue));
    }),
  );
});

/** By the rules of RFC 8785, one by one. */
function written(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(written).join(',')}]`;
  const members = Object.entries(value as Record<string, JsonValue | undefined>).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.flatMap(([name, member]) => (member === undefined ? [] : [`${JSON.stringify(name)}:${written(member)}`])).join(',')}}`;
}

test('names are sorted whatever they are and however deep, also those that an object has first, and what is undefined is left out', (t) => {
  const name = fc.oneof(fc.constantFrom('9', '10', '007', '-1', 'a', 'b', '', '__proto__', 'toJSON', 'constructor', 'é', '😀', '\ud83d'), fc.string({ maxLength: 3 }));
  const { value } = fc.letrec<{ value: JsonValue | undefined }>((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, fc.constantFrom<JsonValue | undefined>(undefined, null, true, -0, 1.5, 'text'), fc.array(tie('value').map((each) => each ?? null), { maxLength: 3 }), fc.array(fc.tuple(name, tie('value')), { maxLength: 5 }).map((members) => Object.fromEntries(members))),
  }));
  fc.assert(fc.property(value, (each) => each === undefined || t.is(canonicalJson(each), written(each))), { numRuns: 500 });
  t.throws(() => canonicalJson({ b: 1, a: [{ toJSON: () => 1 }] } as unknown as JsonValue), { instanceOf: TypeError });
});

test('an envelope is written as the canonical text of all its members', (t) => {
  fc.assert(
    fc.property(envelopes, (envelope) => {
      const { cluster, key, epoch, gen, body, signature } = envelope;
      t.is(Buffer.from(encodeEnvelope(envelope)).toString(), canonicalJson({ v: 1, cluster, key, epoch, gen, body, sig: Buffer.from(signature).toString('base64url') }));
      t.is(Buffer.from(signedBytes(envelope)).toString(), canonicalJson([1, cluster, key, epoch, gen, body]));
    }),
  );
});

test('an envelope survives its bytes, and so does what is signed', (t) => {
  fc.assert(
    fc.property(envelopes, (envelope) => {
      const decoded = decodeEnvelope(encodeEnvelope(envelope));
      if (!decoded.ok) return t.fail(decoded.error);
      t.deepEqual(signedBytes(decoded.value), signedBytes(envelope));
      t.deepEqual(Uint8Array.from(decoded.value.signature), envelope.signature);
    }),
  );
});

test('what is signed is cut out of the bytes of an envelope as it would be written', (t) => {
  fc.assert(
    fc.property(envelopes, (envelope) => {
      const bytes = encodeEnvelope(envelope);
      const decoded = decodeEnvelope(bytes);
      if (!decoded.ok) return t.fail(decoded.error);
      t.deepEqual(cutSignedBytes(bytes, decoded.value), signedBytes(envelope));
    }),
  );
});

test('nothing is cut out of bytes in which anything but the body is another than was decoded', (t) => {
  fc.assert(
    fc.property(envelopes, envelopes, (envelope, other) => {
      const bytes = encodeEnvelope(envelope);
      for (const change of [{ cluster: `${envelope.cluster}x` }, { key: `${envelope.key}x` }, { epoch: envelope.epoch + 1 }, { gen: envelope.gen + 1 }, { signature: other.signature }]) {
        const isSame = change.signature !== undefined && Buffer.from(envelope.signature).equals(Buffer.from(other.signature));
        t.true(isSame || cutSignedBytes(bytes, { ...envelope, ...change }) === undefined);
      }
      t.is(cutSignedBytes(Buffer.concat([bytes, Buffer.from(' ')]), envelope), undefined);
    }),
  );
});

test('values are the same where their canonical texts are', (t) => {
  const near = fc.oneof(fc.constantFrom<JsonValue>(null, 0, -0, '', {}, [], [{}], { a: 1 }, { a: 1, b: 2 }, { b: 2, a: 1 }, { length: 0 }, [null], { a: null }), json);
  fc.assert(fc.property(near, near, (a, b) => t.is(isSameJson(a, b), canonicalJson(a) === canonicalJson(b))));
  fc.assert(fc.property(json, (value) => t.true(isSameJson(value, JSON.parse(JSON.stringify(value)) as JsonValue))));
  t.true(isSameJson({ a: 1, b: undefined }, { a: 1 }));
  t.false(isSameJson({ a: undefined }, { b: 1 }));
});

/** JSON texts with numbers that no JavaScript value would be written as. */
const oddBodies = fc.tuple(fc.integer({ min: -999, max: 999 }), fc.integer({ min: -400, max: 400 }), fc.constantFrom('', '[', '{"a":')).map(([digits, exponent, open]) => {
  return `${open}${digits}e${exponent}${open === '' ? '' : open === '[' ? ']' : '}'}`;
});

test('whatever was accepted can be signed', (t) => {
  fc.assert(
    fc.property(oddBodies, (body) => {
      const decoded = decodeEnvelope(new TextEncoder().encode(`{"v":1,"cluster":"a","key":"k","epoch":1,"gen":1,"sig":"${'A'.repeat(86)}","body":${body}}`));
      if (decoded.ok) t.true(signedBytes(decoded.value).length > 0);
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('any bytes are read without an exception', (t) => {
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), fc.json().map((text) => new TextEncoder().encode(text))), (bytes) => typeof decodeEnvelope(bytes).ok === 'boolean'));
  t.pass();
});

test('a damaged envelope is refused, or read as another envelope that survives its bytes', (t) => {
  fc.assert(
    fc.property(envelopes, fc.nat(), fc.integer({ min: 1, max: 255 }), (envelope, at, flip) => {
      const bytes = Uint8Array.from(encodeEnvelope(envelope));
      const index = at % bytes.length;
      bytes[index] = (bytes[index] ?? 0) ^ flip;
      const read = decodeEnvelope(bytes);
      if (!read.ok) return;
      const again = decodeEnvelope(encodeEnvelope(read.value));
      if (!again.ok) return t.fail(again.error);
      t.deepEqual(signedBytes(again.value), signedBytes(read.value));
    }),
  );
  t.pass();
});
