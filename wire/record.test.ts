import test from 'ava';
import { MAX_RECORD_BYTES } from '@landbridge/core/records.ts';
import { canonicalJson, compareVersions, decodeEnvelope, type Envelope, encodeEnvelope, signedBytes } from './record.ts';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const signature = new Uint8Array(64).fill(7);
const envelope: Envelope = { cluster: 'west', key: 'svc.shop.cart', epoch: 1700000000000, gen: 3, body: { kind: 'svc', b: 1, a: [true, null] }, signature };
const parsed = (): Record<string, unknown> => JSON.parse(text(encodeEnvelope(envelope))) as Record<string, unknown>;

test('canonical JSON has no white space and sorted names (the example of RFC 8785, section 3.2.3)', (t) => {
  const names = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 };
  t.is(canonicalJson(names), '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}');
  t.is(canonicalJson([1e21, 4.5, 2e-3, 1e-27, -0, JSON.parse('333333333.33333329') as number]), '[1e+21,4.5,0.002,1e-27,0,333333333.3333333]');
  t.is(canonicalJson({ b: undefined, a: {}, c: [] }), '{"a":{},"c":[]}');
});

test('canonical JSON refuses what has no form in JSON', (t) => {
  t.throws(() => canonicalJson(Number.NaN), { instanceOf: TypeError });
  t.throws(() => canonicalJson((() => 1) as never), { instanceOf: TypeError });
  let deep: unknown = 1;
  for (let level = 0; level < 40; level += 1) deep = [deep];
  t.throws(() => canonicalJson(deep as never), { instanceOf: RangeError });
});

test('the signature covers version, place, epoch, generation and body', (t) => {
  t.is(text(signedBytes(envelope)), '[1,"west","svc.shop.cart",1700000000000,3,{"a":[true,null],"b":1,"kind":"svc"}]');
  t.is(text(signedBytes({ ...envelope, body: null })), '[1,"west","svc.shop.cart",1700000000000,3,null]');
});

test('an envelope is decoded as it was encoded', (t) => {
  const decoded = decodeEnvelope(encodeEnvelope(envelope));
  t.true(decoded.ok);
  if (!decoded.ok) return;
  t.deepEqual({ ...decoded.value, signature: Uint8Array.from(decoded.value.signature) }, envelope);
});

test('versions compare by epoch, then by generation', (t) => {
  t.true(compareVersions({ epoch: 2, gen: 0 }, { epoch: 1, gen: 9 }) > 0);
  t.true(compareVersions({ epoch: 1, gen: 1 }, { epoch: 1, gen: 2 }) < 0);
  t.is(compareVersions({ epoch: 1, gen: 1 }, { epoch: 1, gen: 1 }), 0);
});

for (const [name, change, fault] of [
  ['another version', { v: 2 }, /version/],
  ['no cluster', { cluster: undefined }, /cluster/],
  ['a long cluster', { cluster: 'a'.repeat(64) }, /cluster/],
  ['an empty key', { key: '' }, /key/],
  ['a negative epoch', { epoch: -1 }, /epoch/],
  ['a broken generation', { gen: 1.5 }, /gen/],
  ['a generation past 2^53', { gen: 2 ** 53 }, /gen/],
  ['no body', { body: undefined }, /body/],
  ['a short signature', { sig: 'AAAA' }, /sig/],
  ['a signature of standard base64', { sig: `${'A'.repeat(85)}+` }, /sig/],
] as const) {
  test(`refuses ${name}`, (t) => {
    const decoded = decodeEnvelope(bytes({ ...parsed(), ...change }));
    t.false(decoded.ok);
    if (!decoded.ok) t.regex(decoded.error, fault);
  });
}

test('refuses bytes that are no envelope', (t) => {
  for (const wrong of [bytes(''), bytes('null'), bytes('[]'), bytes('{'), bytes('"x"'), Uint8Array.of(0xff, 0xfe), bytes('\ufeff{}'), new Uint8Array(MAX_RECORD_BYTES + 1).fill(0x20)]) {
    t.false(decodeEnvelope(wrong).ok);
  }
});

test('refuses deep nesting without running out of stack', (t) => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  t.false(decodeEnvelope(bytes(`{"v":1,"cluster":"a","key":"k","epoch":1,"gen":1,"sig":"${'A'.repeat(86)}","body":${deep}}`)).ok);
  t.false(decodeEnvelope(bytes(deep)).ok);
});

test('refuses a number that JSON can write and canonical JSON can not', (t) => {
  for (const body of ['1e309', '[-1e400]', '{"kind":"svc","exportedAt":1e999}']) {
    const decoded = decodeEnvelope(bytes(`{"v":1,"cluster":"a","key":"k","epoch":1,"gen":1,"sig":"${'A'.repeat(86)}","body":${body}}`));
    t.deepEqual(decoded, { ok: false, error: 'body has a number that is too large' });
  }
});
