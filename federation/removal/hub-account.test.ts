import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import test from 'ava';
import fc from 'fast-check';
import { type ExampleHub, startExampleHub } from '../hub/example-hub.ts';
import { createAccount, createOperator } from '@nats-io/nkeys';
import { encodeAccount } from '@nats-io/jwt';
import { connectHub } from '../join/hub-connection.ts';
import { issueMemberUser, makeUserKeys, memberInboxPrefix, type UserKeys } from '../join/hub-users.ts';
import { exampleKeys, exampleMember } from '../records/example-records.ts';
import { ensureRevocations, letsLeavesIn, parseLookUp, parseUpdateAnswer } from './hub-account.ts';
import { revokedUsers } from './revoked-users.ts';

let hub: ExampleHub;
const soon = (): AbortSignal => AbortSignal.timeout(120_000);

/** Servers order accounts by the second in which they were signed. */
async function nextSecond(): Promise<void> {
  const second = (): number => Math.floor(Date.now() / 1000);
  for (const began = second(); second() === began; ) await sleep(20);
}

test.before(async () => {
  hub = await startExampleHub();
  // An account of the very second in which the one in the configuration was signed gives way to that at the next start.
  await nextSecond();
});
test.after.always(async () => {
  await hub[Symbol.asyncDispose]();
});

function controlled() {
  const { control } = hub.authority;
  if (control === undefined) throw new Error('a new hub can be told');
  return { ...hub.authority, control };
}

async function open(cluster: string, keys: UserKeys): Promise<NatsConnection> {
  const jwt = await issueMemberUser(hub.authority, cluster, keys.publicKey);
  return await connectHub({ urls: hub.authority.urls, caPem: hub.authority.caPem, jwt, seed: keys.seed, inboxPrefix: memberInboxPrefix(cluster), name: cluster, timeoutMs: 5000 }, soon());
}

test.serial('the hub cuts a user that is revoked at once, does not let it in again, and keeps others', async (t) => {
  const [west, north] = [makeUserKeys(), makeUserKeys()];
  await using closing = new AsyncDisposableStack();
  const [westLink, northLink] = [await open('west', west), await open('north', north)];
  closing.defer(() => northLink.close());
  const cut = westLink.closed().then(() => performance.now());
  const removed = exampleMember('west', exampleKeys(), { userPublicKey: west.publicKey, revoked: true, removedAt: Date.now() });
  const begun = performance.now();
  t.true(await ensureRevocations(controlled(), revokedUsers([removed], Date.now()), soon()));
  const tookMs = (await cut) - begun;
  t.log(`cut ${tookMs.toFixed(0)} ms after the founder began to connect`);
  t.true(tookMs < 10_000);
  await t.throwsAsync(open('west', west), { message: /authorization|authentication/i });
  await northLink.flush();
  t.false(northLink.isClosed());
  t.false(await ensureRevocations(controlled(), revokedUsers([removed], Date.now()), soon()), 'it knows already');
});

test.serial('a hub that is started again still knows; one that is told of fewer forgets the others', async (t) => {
  const keys = makeUserKeys();
  await ensureRevocations(controlled(), new Map([[keys.publicKey, Math.ceil(Date.now() / 1000) + 60]]), soon());
  await hub.server.kill();
  await hub.server.boot();
  await t.throwsAsync(open('west', keys), { message: /authorization|authentication/i });
  await nextSecond();
  t.true(await ensureRevocations(controlled(), new Map(), soon()));
  await (await open('west', keys)).close();
});

test('an unreachable hub is said to be so', async (t) => {
  t.like(await t.throwsAsync(ensureRevocations({ ...controlled(), urls: ['tls://127.0.0.1:1'] }, new Map(), soon())), { code: 'hub-unreachable', retryable: true });
});

test('no answer of a hub makes its readers throw', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), fc.json().map((text) => new TextEncoder().encode(text))), (bytes) => {
      return typeof parseUpdateAnswer(bytes).ok === 'boolean' && parseLookUp(bytes).size === 0;
    }),
  );
  const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  t.true(parseUpdateAnswer(text({ data: { account: 'A', code: 200, message: 'jwt updated' } })).ok);
  t.deepEqual(parseUpdateAnswer(text({ error: { code: 500, description: 'jwt invalid' } })), { ok: false, error: 'jwt invalid' });
});

test('an account of before that lets no leaf node in is another one than is wanted', async (t) => {
  const jwt = async (leaf: number): Promise<Uint8Array> => Buffer.from(await encodeAccount('landbridge', createAccount().getPublicKey(), { limits: { leaf } }, { signer: createOperator() }));
  t.deepEqual([letsLeavesIn(await jwt(0)), letsLeavesIn(await jwt(-1)), letsLeavesIn(Buffer.from('x.y.z')), letsLeavesIn(new Uint8Array())], [false, true, false, false]);
});
