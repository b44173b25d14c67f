import { createAccount, createUser } from '@nats-io/nkeys';
import test from 'ava';
import fc from 'fast-check';
import { MAX_CREDENTIALS_BYTES, parseHubAuthority, parseHubCredentials } from './credentials.ts';
import { makeEd25519Keys } from './ed25519.ts';

const seed = (keys: { getSeed(): Uint8Array }): string => new TextDecoder().decode(keys.getSeed());
const keys = makeEd25519Keys();
const hub = { urls: ['tls://hub.example:4222'], caPem: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n' };
const authority = {
  ...hub,
  accountPublicKey: createAccount().getPublicKey(),
  accountSigningSeed: seed(createAccount()),
  authorityPrivateKeyPem: keys.privateKeyPem,
  authorityPublicKey: keys.publicKey,
};
const credentials = {
  ...hub,
  cluster: 'east',
  userJwt: 'a.b.c',
  userSeed: seed(createUser()),
  recordPrivateKeyPem: keys.privateKeyPem,
  recordPublicKey: keys.publicKey,
  authorityPublicKey: makeEd25519Keys().publicKey,
};

test('valid content is read back', (t) => {
  t.deepEqual(parseHubAuthority(JSON.stringify(authority)), { ok: true, value: authority });
  t.deepEqual(parseHubCredentials(JSON.stringify(credentials)), { ok: true, value: credentials });
});

test('a fault is named by its place and without its value', (t) => {
  const faults: [typeof authority, RegExp][] = [
    [{ ...authority, accountSigningSeed: seed(createUser()) }, /accountSigningSeed/],
    [{ ...authority, urls: ['http://hub'] }, /urls/],
    [{ ...authority, authorityPublicKey: makeEd25519Keys().publicKey }, /does not belong/],
  ];
  for (const [value, message] of faults) {
    const parsed = parseHubAuthority(JSON.stringify(value));
    if (parsed.ok) return t.fail();
    t.regex(parsed.error, message);
    for (const secret of [value.accountSigningSeed, value.authorityPrivateKeyPem]) t.false(parsed.error.includes(secret));
  }
  t.false(parseHubCredentials(JSON.stringify({ ...credentials, recordPublicKey: makeEd25519Keys().publicKey })).ok);
  t.false(parseHubCredentials('x'.repeat(MAX_CREDENTIALS_BYTES + 1)).ok);
});

test('any text has an answer', (t) => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => !parseHubAuthority(text).ok && !parseHubCredentials(text).ok));
  t.pass();
});
