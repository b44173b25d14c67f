import test from 'ava';
import { MemorySecretStore } from '../kubernetes/memory-secret-store.ts';
import { JOIN_KEYS_SECRET, KeptJoinKeys } from './kept-join-keys.ts';

const [A, B] = ['A', 'B'].map((letter) => letter.repeat(43)) as [string, string];

test('the next attempt gets the keys of the one before, also in another process', async (t) => {
  const secrets = new MemorySecretStore();
  const keys = await new KeptJoinKeys(secrets).keysFor(A);
  t.regex(keys.user.seed, /^SU/);
  t.deepEqual(await new KeptJoinKeys(secrets).keysFor(A), keys);
});

test('attempts at once get the same keys', async (t) => {
  const secrets = new MemorySecretStore();
  const [one, other] = await Promise.all([new KeptJoinKeys(secrets).keysFor(A), new KeptJoinKeys(secrets).keysFor(A)]);
  t.deepEqual(one, other);
});

test('another clusterset gets other keys, and so does a join after one that is done', async (t) => {
  const secrets = new MemorySecretStore();
  const kept = new KeptJoinKeys(secrets);
  const keys = await kept.keysFor(A);
  const others = await kept.keysFor(B);
  t.not(others.record.publicKey, keys.record.publicKey);
  t.not(others.user.publicKey, keys.user.publicKey);
  await kept.forget();
  await kept.forget();
  t.deepEqual((await secrets.read(JOIN_KEYS_SECRET))?.values, {});
  t.not((await kept.keysFor(B)).record.publicKey, others.record.publicKey);
});

test('keys that can not be read are replaced', async (t) => {
  const good = { v: 1, authorityPublicKey: A, userSeed: `SU${'A'.repeat(56)}`, recordPrivateKeyPem: '-----BEGIN PRIVATE KEY-----' };
  for (const text of ['', '{', '{}', JSON.stringify(good), 'x'.repeat(10_000)]) {
    const secrets = new MemorySecretStore();
    await secrets.write(JOIN_KEYS_SECRET, { 'keys.json': text }, undefined);
    const keys = await new KeptJoinKeys(secrets).keysFor(A);
    t.deepEqual(await new KeptJoinKeys(secrets).keysFor(A), keys);
  }
});

test('without a place to keep them there are no keys', async (t) => {
  const secrets = new MemorySecretStore();
  secrets.write = async () => {
    throw new Error('away');
  };
  await t.throwsAsync(new KeptJoinKeys(secrets).keysFor(A), { message: 'away' });
});
