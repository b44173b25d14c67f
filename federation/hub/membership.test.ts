import { setTimeout as sleep } from 'node:timers/promises';
import { recordKey } from '@landbridge/core/records.ts';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { makeRoot } from '../join/example-founder.ts';
import { makeFounderCredentials } from '../join/founder-credentials.ts';
import { makeMemoryTokenStore } from '../join/token-store.ts';
import { MemorySecretStore } from '../kubernetes/memory-secret-store.ts';
import { meta, service } from '../records/example-records.ts';
import { exampleAuthority, startExampleHub } from './example-hub.ts';
import { Membership } from './membership.ts';

const soon = (): AbortSignal => AbortSignal.timeout(20_000);
/** Of each cluster its own: no two may have the same. */
const roots = new Map(await Promise.all(['east', 'west'].map(async (cluster) => [cluster, Buffer.from(await makeRoot(), 'base64')] as const)));

interface Running extends AsyncDisposable {
  readonly membership: Membership;
  readonly secrets: MemorySecretStore;
  /** Codes of what was warned of. */
  readonly warned: string[];
}

async function secretsOf(initial: Readonly<Record<string, Readonly<Record<string, string>>>>): Promise<MemorySecretStore> {
  const store = new MemorySecretStore();
  for (const [name, values] of Object.entries(initial)) await store.write(name, values, undefined);
  return store;
}

function make(cluster: string, secrets = new MemorySecretStore()): Running & { readonly run: () => Running } {
  const warned: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void warned.push((JSON.parse(line) as { code?: string }).code ?? '') });
  const membership = new Membership({ cluster, trustDomain: `${cluster}.landbridge`, network: '', roots: () => [roots.get(cluster) ?? Buffer.alloc(0)], secrets, tokens: makeMemoryTokenStore(), clock: Date.now, log, onChange: () => {} });
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  const made = {
    membership,
    secrets,
    warned,
    run: () => {
      running = membership.run(stop.signal);
      return made;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
  return made;
}

async function until(t: ExecutionContext, what: string, holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (holds()) return;
    await sleep(50);
  }
  t.fail(what);
}

test('a cluster without a hub knows that it is alone only once it has looked', async (t) => {
  await using alone = make('east');
  t.deepEqual([alone.membership.allListed, alone.membership.allComplete], [false, false]);
  alone.run();
  await until(t, 'it must look', () => alone.membership.allComplete);
  t.deepEqual(alone.membership.hubState(), { kind: 'none' });
  t.deepEqual([alone.membership.views().size, alone.membership.members().length, alone.membership.isAuthority], [0, 0, false]);
  t.false(alone.membership.isComplete('west'));
});

test('only a founder makes tokens', async (t) => {
  await using alone = make('east').run();
  t.like(await t.throwsAsync(alone.membership.createToken({ cluster: 'west' }, soon())), { code: 'not-authority' });
});

test('a cluster that has credentials does not join again, and a damaged token changes nothing', async (t) => {
  await using joined = make('east', await secretsOf({ 'landbridge-hub-credentials': { 'credentials.json': '{}' } }));
  t.like(await t.throwsAsync(joined.membership.join('lb1.x', soon())), { code: 'already-joined' });
  await using alone = make('east');
  t.like(await t.throwsAsync(alone.membership.join('lb1.x', soon())), { code: 'token-damaged' });
  t.is(await alone.secrets.read('landbridge-hub-credentials'), undefined);
});

test('a founder whose hub is away has its credentials, and believes nothing to be gone', async (t) => {
  const authority = exampleAuthority();
  await using founder = make('east', await secretsOf({ 'landbridge-hub-authority': { 'hub.json': JSON.stringify(authority) } })).run();
  await until(t, 'it must begin', () => founder.membership.isAuthority);
  t.regex((await founder.secrets.read('landbridge-hub-credentials'))?.values['credentials.json'] ?? '', /"cluster":"east"/);
  t.is(founder.membership.hubState().kind, 'connecting');
  t.deepEqual([founder.membership.allListed, founder.membership.allComplete, founder.membership.isComplete('west')], [false, false, false]);
  t.like(await t.throwsAsync(founder.membership.join('lb1.x', soon())), { code: 'already-joined' });
});

test('Secrets that are of no use are told of, and looked at again', async (t) => {
  const authority = exampleAuthority();
  const ofWest = JSON.stringify(await makeFounderCredentials(authority, 'west'));
  for (const values of [{ 'landbridge-hub-credentials': { 'credentials.json': ofWest } }, { 'landbridge-hub-credentials': {} }, { 'landbridge-hub-authority': { 'hub.json': '{' } }] as Record<string, Record<string, string>>[]) {
    await using cluster = make('east', await secretsOf(values)).run();
    await until(t, 'it must be told of', () => cluster.warned.length > 0);
    t.is(cluster.warned[0], 'bad-credentials');
    t.false(cluster.membership.allComplete);
  }
});

test.serial('a cluster joins by a token, and both see each other completely', async (t) => {
  await using hub = await startExampleHub();
  await using east = make('east', await secretsOf({ 'landbridge-hub-authority': { 'hub.json': JSON.stringify(hub.authority) } })).run();
  await until(t, 'the founder must be a member', () => east.membership.allListed);
  const { token } = await east.membership.createToken({ cluster: 'west' }, soon());
  await using west = make('west').run();

  t.deepEqual([...(await west.membership.join(token, soon()))].sort(), ['east', 'west']);
  t.like(await t.throwsAsync(west.membership.join(token, soon())), { code: 'already-joined' });
  await using rival = make('west').run();
  t.like(await t.throwsAsync(rival.membership.join(token, soon())), { code: 'token-used' });

  const records = new Map([meta, service('cart')].map((body) => [recordKey(body), body]));
  for (const { membership } of [east, west]) membership.publish(records);
  await until(t, 'east must know west', () => east.membership.isComplete('west') && east.membership.views().get('west')?.services.has('shop/cart') === true);
  await until(t, 'west must know east', () => west.membership.isComplete('east') && west.membership.views().get('east')?.services.has('shop/cart') === true);
  await until(t, 'all must be complete', () => east.membership.allComplete && west.membership.allComplete);
  t.deepEqual(west.membership.members().map(({ cluster }) => cluster).sort(), ['east', 'west']);
  t.deepEqual([east.membership.isAuthority, west.membership.isAuthority], [true, false]);
  t.is(west.membership.hubState().kind, 'connected');

  await hub.server.kill();
  await until(t, 'the loss must be seen', () => west.membership.hubState().kind === 'connecting');
  t.true(west.membership.isComplete('east'), 'what is known stays');
  // Both stop while the hub is away, and the test would not end if they could not.
});
