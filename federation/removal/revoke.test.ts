import { recordKey } from '@landbridge/core/records.ts';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import { pino } from 'pino';
import { openNatsBus } from '../bus/nats-bus.ts';
import { type ExampleHub, startExampleHub } from '../hub/example-hub.ts';
import { type ExampleMembership, exampleMembership, secretsOf } from '../hub/example-membership.ts';
import { parseHubCredentials } from '../join/credentials.ts';
import { makeFounderCredentials } from '../join/founder-credentials.ts';
import { meta, service } from '../records/example-records.ts';
import { openMember } from '../records/members.ts';
import { NAME_HELD_MS } from './removed-list.ts';
import { REMOVED_SECRET } from './removed-members.ts';

const soon = (): AbortSignal => AbortSignal.timeout(120_000);
const records = new Map([meta, service('cart')].map((body) => [recordKey(body), body]));
const log = pino({ level: 'silent' });
const sees = (from: ExampleMembership, cluster: string): boolean => from.membership.views().get(cluster)?.services.has('shop/cart') === true;

interface World extends AsyncDisposable {
  readonly hub: ExampleHub;
  readonly east: ExampleMembership;
  readonly west: ExampleMembership;
  readonly north: ExampleMembership;
  /** What east's clock is ahead. */
  aheadMs: number;
}

async function startWorld(): Promise<World> {
  const stack = new AsyncDisposableStack();
  const hub = stack.use(await startExampleHub());
  const world = { aheadMs: 0 };
  const clock = (): number => Date.now() + world.aheadMs;
  const east = stack.use(exampleMembership('east', await secretsOf({ 'landbridge-hub-authority': { 'hub.json': JSON.stringify(hub.authority) } }), { clock }).run());
  await until('the founder must be a member', () => east.membership.allListed);
  const [west, north] = ['west', 'north'].map((cluster) => stack.use(exampleMembership(cluster).run())) as [ExampleMembership, ExampleMembership];
  for (const [cluster, member] of [['west', west], ['north', north]] as const) await member.membership.join((await east.membership.createToken({ cluster }, soon())).token, soon());
  for (const { membership } of [east, west, north]) membership.publish(records);
  await until('all must see all', () => [east, west, north].every((member) => ['east', 'west', 'north'].every((cluster) => sees(member, cluster))));
  return Object.assign(world, { hub, east, west, north, [Symbol.asyncDispose]: () => stack.disposeAsync() });
}

/** All that is on the bus, as a hostile hub could have kept it. */
async function recordBus(hub: ExampleHub): Promise<ReadonlyMap<string, Uint8Array>> {
  await using bus = await openNatsBus({ credentials: await makeFounderCredentials(hub.authority, 'east'), createBucket: false, clusterName: 'hub', log, signal: soon() });
  const entries = new Map<string, Uint8Array>();
  for await (const event of bus.watch('>', soon())) {
    if (event.kind === 'entry') entries.set(event.key, event.value);
    if (event.kind === 'current') break;
  }
  return entries;
}

async function replay(hub: ExampleHub, entries: ReadonlyMap<string, Uint8Array>): Promise<void> {
  await using bus = await openNatsBus({ credentials: await makeFounderCredentials(hub.authority, 'east'), createBucket: true, clusterName: 'hub', log, signal: soon() });
  for (const [key, value] of entries) await bus.put(key, value, soon());
}

async function mayConnect(member: ExampleMembership): Promise<boolean> {
  const credentials = parseHubCredentials((await member.secrets.read('landbridge-hub-credentials'))?.values['credentials.json'] ?? '');
  if (!credentials.ok) throw new Error(credentials.error);
  const stop = new AbortController();
  const bus = await openNatsBus({ credentials: credentials.value, createBucket: false, clusterName: 'again', log, signal: stop.signal });
  const answer = await bus.get('members.east', AbortSignal.timeout(1500)).then(() => true, () => false);
  await bus[Symbol.asyncDispose]();
  return answer;
}

test.serial('a revoked member is gone from all others, and from the hub, at once; neither its keys, its token nor its name bring it back', async (t) => {
  await using world = await startWorld();
  const { hub, east, west, north } = world;
  const spare = (await east.membership.createToken({ cluster: 'south', uses: 2 }, soon())).token;
  const before = await recordBus(hub);

  const begun = performance.now();
  const { member, hub: told } = await east.membership.revoke('west', soon());
  t.deepEqual([member.revoked, member.roots, told], [true, [], 'told']);
  await until('north must not know west any more', () => !north.membership.views().has('west'));
  const goneMs = performance.now() - begun;
  await until('the hub must have cut it', () => west.membership.hubState().kind !== 'connected');
  const cutMs = performance.now() - begun;
  t.log(`gone from another member after ${goneMs.toFixed(0)} ms, cut by the hub after ${cutMs.toFixed(0)} ms`);
  t.true(goneMs < 10_000 && cutMs < 10_000);
  t.true(north.membership.isComplete('west'), 'what it does not say any more is gone');
  t.false(await mayConnect(west));

  t.like(await t.throwsAsync(east.membership.createToken({ cluster: 'west' }, soon())), { code: 'cluster-name-held' });
  t.like(await t.throwsAsync(east.membership.revoke('nobody', soon())), { code: 'member-unknown' });
  t.like(await t.throwsAsync(east.membership.revoke('east', soon())), { code: 'founder-stays' });
  t.like(await t.throwsAsync(north.membership.revoke('west', soon())), { code: 'not-authority' });
  t.is((await east.membership.revoke('west', soon())).member.removedAt, member.removedAt, 'once more changes nothing');
  t.truthy(spare);

  // A hub that shows everything as it was before, its accounts too, to a member that was started again.
  await until('north must keep it', async () => (await north.secrets.read(REMOVED_SECRET)) !== undefined);
  await hub.server.kill();
  await hub.server.emptyStore();
  await hub.server.boot();
  await replay(hub, before);
  await using again = exampleMembership('north', north.secrets).run();
  await until('it must have read the bus', () => again.membership.allListed && sees(again, 'east'));
  t.false(again.membership.views().has('west'), 'an old record of a member that was revoked since');
  await using stranger = exampleMembership('west').run();
  t.is(stranger.membership.hubState().kind, 'none');
});

test.serial('a founder that is started again puts what a wiped hub has forgotten back, and tells the hub again who stays out', async (t) => {
  await using world = await startWorld();
  const { hub, east, west, north } = world;
  const before = await recordBus(hub);
  await east.membership.revoke('west', soon());
  await until('north must not know west any more', () => !north.membership.views().has('west'));
  await east[Symbol.asyncDispose]();
  await hub.server.kill();
  await hub.server.emptyStore();
  await hub.server.boot();
  await replay(hub, new Map([...before].filter(([key]) => key.startsWith('members.'))));
  // As if it had never been: the Secret of the founder is all that says so.
  await using founder = exampleMembership('east', east.secrets).run();
  const shown = async (): Promise<boolean> => {
    const opened = openMember((await recordBus(hub)).get('members.west') ?? new Uint8Array(), hub.authority.authorityPublicKey);
    return opened.ok && opened.value.member.revoked;
  };
  await until('the bus must say that it is revoked', shown);
  t.like(founder.membership.members().find(({ cluster }) => cluster === 'west'), { revoked: true });
  await until('the hub must not let it in', async () => !(await mayConnect(west)));
});

test.serial('with the hub away a member is revoked all the same, and hears of it when the hub is back', async (t) => {
  await using world = await startWorld();
  const { hub, east, north } = world;
  await hub.server.kill();
  t.is((await east.membership.revoke('west', soon())).hub, 'later');
  await hub.server.boot();
  await until('north must hear of it', () => !north.membership.views().has('west'));
});

test.serial('the name of a revoked member is free after 30 days, for another key', async (t) => {
  await using world = await startWorld();
  const { east, north } = world;
  await east.membership.revoke('west', soon());
  world.aheadMs = NAME_HELD_MS + 1000;
  const { token } = await east.membership.createToken({ cluster: 'west' }, soon());
  await using next = exampleMembership('west', undefined, { clock: () => Date.now() + world.aheadMs }).run();
  t.true((await next.membership.join(token, soon())).includes('west'));
  next.membership.publish(records);
  await until('north must see it', () => sees(north, 'west'));
});
