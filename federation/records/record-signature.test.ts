import { MAX_ENDPOINTS_PER_SHARD, MAX_RECORD_BYTES } from '@landbridge/core/records.ts';
import { decodeEnvelope, encodeEnvelope } from '@landbridge/wire/record.ts';
import test from 'ava';
import { endpoint, endpoints, exampleKeys, meta, service } from './example-records.ts';
import { openRecord, signEnvelope, signRecord, trustEnvelope, type UnsignedRecord } from './record-signature.ts';

const keys = exampleKeys();
const record: UnsignedRecord = { cluster: 'west', key: 'svc.shop.cart', epoch: 5, gen: 1, body: service('cart') };
const expected = { cluster: 'west', key: 'svc.shop.cart', publicKey: keys.publicKey };

test('a signed record opens again', (t) => {
  t.deepEqual(openRecord(signRecord(keys.privateKey, record), expected), { ok: true, value: record });
});

test('a tombstone opens again', (t) => {
  const tombstone = { ...record, body: null };
  t.deepEqual(openRecord(signRecord(keys.privateKey, tombstone), expected), { ok: true, value: tombstone });
});

test('another key opens nothing', (t) => {
  t.false(openRecord(signRecord(exampleKeys().privateKey, record), expected).ok);
  t.false(openRecord(signRecord(keys.privateKey, record), { ...expected, publicKey: 'not a key' }).ok);
});

test('how the body is written does not matter, what it says does', (t) => {
  const text = Buffer.from(signRecord(keys.privateKey, record)).toString();
  const loose = text.replace('{"body":{', '{"body": {');
  t.not(loose, text);
  t.deepEqual(openRecord(Buffer.from(loose), expected), { ok: true, value: record });
  for (const other of [text.replace('"type":"ClusterSetIP"', '"type":"Headless"'), text.replace('{"body":', '{"body":null,"body":'), text.replace(',"cluster":', ',"body":null,"cluster":')]) {
    t.not(other, text);
    const opened = openRecord(Buffer.from(other), expected);
    if (opened.ok) t.deepEqual(opened.value.body, record.body, other);
  }
});

test('a record is believed only in its own place', (t) => {
  const bytes = signRecord(keys.privateKey, record);
  t.false(openRecord(bytes, { ...expected, cluster: 'east' }).ok);
  t.false(openRecord(bytes, { ...expected, key: 'svc.shop.other' }).ok);
});

test('every signed field is covered', (t) => {
  const envelope = decodeEnvelope(signRecord(keys.privateKey, record));
  if (!envelope.ok) return t.fail(envelope.error);
  for (const change of [{ epoch: 6 }, { gen: 2 }, { body: null }, { body: { ...record.body, exportedAt: 2 } }]) {
    const opened = trustEnvelope({ ...envelope.value, ...change } as typeof envelope.value, expected);
    t.is(opened.ok ? 'believed' : opened.error.reason, 'signature');
  }
  t.true(openRecord(encodeEnvelope(envelope.value), expected).ok);
});

test('a body that the owner signed must still be a record of that key', (t) => {
  const cases: readonly (readonly [string, unknown])[] = [
    ['svc.shop.cart', service('other')],
    ['svc.shop.cart', { ...service('cart'), kind: 'toString' }],
    ['svc.shop.cart', { kind: 'svc' }],
    ['svc.shop.cart', 'text'],
    ['eps.shop.cart.0', endpoints('cart', 1)],
    ['eps.shop.cart.0', endpoints('cart', 0, endpoint('a', 'localhost'))],
    ['eps.shop.cart.0', endpoints('cart', 0, endpoint('a', 'fe80::1%eth0'))],
    ['meta', { ...meta, trustDomain: 'Not A Domain' }],
  ];
  for (const [key, body] of cases) {
    const bytes = signEnvelope(keys.privateKey, { cluster: 'west', key, epoch: 1, gen: 1, body: body as never });
    t.false(openRecord(bytes, { ...expected, key }).ok, JSON.stringify(body));
  }
});

test('a tombstone needs a key that a record can have', (t) => {
  for (const key of ['svc.shop', 'svc.shop.cart.x', 'eps.shop.cart.01', 'eps.shop.cart.1000', 'sync.x', 'other', 'svc.Shop.cart']) {
    t.false(openRecord(signRecord(keys.privateKey, { ...record, key, body: null }), { ...expected, key }).ok, key);
  }
});

test('what a later version adds to a record does no harm', (t) => {
  const bytes = signEnvelope(keys.privateKey, { ...record, body: { ...service('cart'), colour: 'blue' } as never });
  t.true(openRecord(bytes, expected).ok);
});

test('a record that no peer would accept is not signed', (t) => {
  const many = Array.from({ length: MAX_ENDPOINTS_PER_SHARD }, (_, index) => ({ ...endpoint(`w${index}`), node: 'n'.repeat(253), serviceAccount: 's'.repeat(253) }));
  const error = t.throws(() => signRecord(keys.privateKey, { ...record, key: 'eps.shop.cart.0', body: endpoints('cart', 0, ...many) }));
  t.is((error as { code?: string }).code, 'record-too-large');
  t.regex(error.message, new RegExp(String(MAX_RECORD_BYTES)));
});
