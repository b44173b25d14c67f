import { createHmac, randomBytes } from 'node:crypto';
import test from 'ava';
import { hmacInto } from './hmac.ts';

test('the digest of RFC 4231, test case 2', (t) => {
  const into = Buffer.alloc(32);
  hmacInto(into, 'sha256', Buffer.from('Jefe'), Buffer.from('what do ya want for nothing?'));
  t.is(into.toString('hex'), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
});

test('as another implementation makes it, with either hash, cut where less is asked for', (t) => {
  for (const [hash, bytes] of [['sha256', 32], ['sha384', 48], ['sha256', 12], ['sha384', 32]] as const) {
    const [key, message, into] = [randomBytes(48), randomBytes(90), Buffer.alloc(bytes)];
    hmacInto(into, hash, key, message);
    t.deepEqual(into, createHmac(hash, key).update(message).digest().subarray(0, bytes));
  }
});

test('more than there is of a digest is an error', (t) => {
  t.throws(() => hmacInto(Buffer.alloc(33), 'sha256', randomBytes(32), randomBytes(4)), { code: 'internal' });
});
