import { createPrivateKey } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { until } from '@landbridge/lab/until.ts';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { openNatsBus } from '../bus/nats-bus.ts';
import { makeRoot } from '../join/example-founder.ts';
import { makeFounderCredentials } from '../join/founder-credentials.ts';
import { makeMemoryTokenStore } from '../join/token-store.ts';
import { MemorySecretStore } from '../kubernetes/memory-secret-store.ts';
import { signMember } from '../records/members.ts';
import { type ExampleHub, startExampleHub } from './example-hub.ts';
import { JOIN_KEYS_SECRET } from './kept-join-keys.ts';
import { Membership } from './membership.ts';

const CREDENTIALS = 'landbridge-hub-credentials';
const log = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });
const soon = (): AbortSignal => AbortSignal.timeout(60_000);
const roots = new Map(await Promise.all(['east', 'west', 'north'].map(async (cluster) => [cluster, Buffer.from(await makeRoot(), 'base64')] as const)));
const stop = new AbortController();
const running: Promise<void>[] = [];
let hub: ExampleHub;
let east: Membership;

/** One life of a cluster's federation service; its Secrets outlive it. */
function life(cluster: string, secrets: MemorySecretStore, runs = false): Membership {
  const membership = new Membership({ cluster, trustDomain: `${cluster}.landbridge`, network: '', roots: () => [roots.get(cluster) ?? Buffer.alloc(0)], secrets, tokens: makeMemoryTokenStore(), clock: Date.now, log, onChange: () => {} });
  if (runs) running.push(membership.run(stop.signal));
  return membership;
}

/** Joins, and dies when the token is redeemed and the credentials are not kept yet. */
async function joinAndDie(t: ExecutionContext, cluster: string, secrets: MemorySecretStore, token: string): Promise<void> {
  const write = secrets.write.bind(secrets);
  secrets.write = async (name, ...rest) => {
    if (name === CREDENTIALS) throw new LandbridgeError('died', 'the process died');
    await write(name, ...rest);
  };
  t.like(await t.throwsAsync(life(cluster, secrets).join(token, soon())), { code: 'died' });
  secrets.write = write;
  t.is(await secrets.read(CREDENTIALS), undefined);
}

const recordKeyOf = async (secrets: MemorySecretStore): Promise<string> => (JSON.parse((await secrets.read(CREDENTIALS))?.values['credentials.json'] ?? '{}') as { recordPublicKey: string }).recordPublicKey;

test.before(async () => {
  hub = await startExampleHub();
  const secrets = new MemorySecretStore();
  await secrets.write('landbridge-hub-authority', { 'hub.json': JSON.stringify(hub.authority) }, undefined);
  east = life('east', secrets, true);
  await until('the founder must be a member', () => east.allListed);
});
test.after.always(async () => {
  stop.abort();
  await Promise.all(running);
  await hub[Symbol.asyncDispose]();
});

test.serial('a service that dies between using its token and keeping its credentials joins with the same token in its next life', async (t) => {
  const secrets = new MemorySecretStore();
  const { token } = await east.createToken({ cluster: 'west' }, soon());
  await joinAndDie(t, 'west', secrets, token);
  t.like(await t.throwsAsync(life('west', new MemorySecretStore()).join(token, soon())), { code: 'token-used' }, 'nobody else may use it');

  const west = life('west', secrets, true);
  t.deepEqual([...(await west.join(token, soon()))].sort(), ['east', 'west']);
  await until('it must see itself', () => west.views().get('west') !== undefined);
  t.is(west.views().get('west')?.member.recordPublicKey, await recordKeyOf(secrets));
  await until('the keys must be forgotten', async () => Object.keys((await secrets.read(JOIN_KEYS_SECRET))?.values ?? { none: '' }).length === 0);
});

test.serial('keys that were revoked between two attempts make way for new ones', async (t) => {
  const secrets = new MemorySecretStore();
  await joinAndDie(t, 'north', secrets, (await east.createToken({ cluster: 'north' }, soon())).token);
  await until('the founder must see it', () => east.members().some(({ cluster }) => cluster === 'north'));
  const member = east.members().find(({ cluster }) => cluster === 'north');
  if (member === undefined) throw new Error('it is a member');
  {
    await using bus = await openNatsBus({ credentials: await makeFounderCredentials(hub.authority, 'east'), createBucket: false, clusterName: 'east', log, signal: stop.signal });
    await bus.put('members.north', signMember(createPrivateKey(hub.authority.authorityPrivateKeyPem), { ...member, revoked: true }, { epoch: Date.now() + 1, gen: 0 }), soon());
  }
  await until('the founder must see that it is revoked', () => east.members().some(({ cluster, revoked }) => cluster === 'north' && revoked));

  const { token } = await east.createToken({ cluster: 'north' }, soon());
  t.like(await t.throwsAsync(life('north', secrets).join(token, soon())), { code: 'member-revoked' });
  t.true((await life('north', secrets).join(token, soon())).includes('north'));
  t.not(await recordKeyOf(secrets), member.recordPublicKey);
});

test('a token that can not be used leaves no keys behind', async (t) => {
  const secrets = new MemorySecretStore();
  const { token } = await east.createToken({ cluster: 'south' }, soon());
  t.like(await t.throwsAsync(life('west', secrets).join(token, soon())), { code: 'token-for-another-cluster' });
  t.like(await t.throwsAsync(life('south', secrets).join(token.slice(0, -9), soon())), { code: 'token-damaged' });
  t.is(await secrets.read(JOIN_KEYS_SECRET), undefined);
});

test('a cluster follows its hub also where the keys of its join can not be forgotten', async (t) => {
  const secrets = new MemorySecretStore();
  await secrets.write(CREDENTIALS, { 'credentials.json': JSON.stringify(await makeFounderCredentials(hub.authority, 'east')) }, undefined);
  const read = secrets.read.bind(secrets);
  secrets.read = async (name) => {
    if (name === JOIN_KEYS_SECRET) throw new LandbridgeError('kubernetes', 'the API server answered 403', { retryable: true });
    return await read(name);
  };
  const again = life('east', secrets, true);
  await until('it must connect', () => again.hubState().kind === 'connected');
  t.pass();
});
