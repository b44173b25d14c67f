import { until } from '@landbridge/lab/until.ts';
import { decode } from '@nats-io/jwt';
import { recordKey } from '@landbridge/core/records.ts';
import test from 'ava';
import { type HubCredentials, parseHubCredentials } from '../join/credentials.ts';
import { ExampleLeadership } from '../leadership/example-leadership.ts';
import { meta, service } from '../records/example-records.ts';
import { type ExampleHub, startExampleHub } from './example-hub.ts';
import { type ExampleMembership, exampleMembership, secretsOf } from './example-membership.ts';
import { CREDENTIALS_SECRET } from './kept-credentials.ts';

const soon = (): AbortSignal => AbortSignal.timeout(180_000);
const records = new Map([meta, service('cart')].map((body) => [recordKey(body), body]));
const sees = (from: ExampleMembership, cluster: string): boolean => from.membership.views().get(cluster)?.services.has('shop/cart') === true;

async function credentialsOf(member: ExampleMembership): Promise<HubCredentials> {
  const parsed = parseHubCredentials((await member.secrets.read(CREDENTIALS_SECRET))?.values['credentials.json'] ?? '');
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

interface World extends AsyncDisposable {
  readonly hub: ExampleHub;
  readonly east: ExampleMembership;
  readonly west: ExampleMembership;
}

async function startWorld(userLifeSeconds?: number): Promise<World> {
  const stack = new AsyncDisposableStack();
  const hub = stack.use(await startExampleHub());
  const options = userLifeSeconds === undefined ? {} : { userLifeSeconds };
  const east = stack.use(exampleMembership('east', await secretsOf({ 'landbridge-hub-authority': { 'hub.json': JSON.stringify(hub.authority) } }), options).run());
  await until('the founder must be a member', () => east.membership.allListed);
  const west = stack.use(exampleMembership('west').run());
  await west.membership.join((await east.membership.createToken({ cluster: 'west' }, soon())).token, soon());
  for (const { membership } of [east, west]) membership.publish(records);
  await until('both must see both', () => [east, west].every((member) => ['east', 'west'].every((cluster) => sees(member, cluster))));
  return { hub, east, west, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

test.serial('a member leaves: the others have nothing of it, it has nothing of them, and its name is free', async (t) => {
  await using world = await startWorld();
  const { east, west } = world;
  t.deepEqual(await west.membership.leave({ force: false }, soon()), { kind: 'done' });
  await until('the founder must not know it any more', () => !east.membership.views().has('west'));
  await until('it must know that it is alone', () => west.membership.hubState().kind === 'none' && west.membership.allComplete);
  t.true(west.membership.isComplete('east'), 'what east says no more is gone');
  t.deepEqual([...(await west.secrets.read(CREDENTIALS_SECRET))?.values['credentials.json'] ?? 'nothing'].join(''), 'nothing');
  t.like(await t.throwsAsync(west.membership.leave({ force: false }, soon())), { code: 'not-joined' });
  t.like(await t.throwsAsync(east.membership.leave({ force: false }, soon())), { code: 'founder-stays' });
  // A process that begins after it knows too.
  await using again = exampleMembership('west', west.secrets).run();
  await until('it must look', () => again.membership.isComplete('east'));
  await again[Symbol.asyncDispose]();

  t.true((await west.membership.join((await east.membership.createToken({ cluster: 'west' }, soon())).token, soon())).includes('west'));
  await until('both must see both again', () => sees(east, 'west') && sees(west, 'east'));
});

test.serial('with the founder away a member leaves when it is back; by force it does not wait', async (t) => {
  await using world = await startWorld();
  const { hub, east, west } = world;
  await hub.server.kill();
  const waits = await west.membership.leave({ force: false }, AbortSignal.timeout(180_000));
  t.like(waits, { kind: 'waits', error: { code: 'hub-unreachable' } });
  t.is(west.membership.hubState().kind, 'connecting');
  await hub.server.boot();
  await until('it must have left', () => west.membership.hubState().kind === 'none');
  await until('the founder must not know it any more', () => !east.membership.views().has('west'));

  await west.membership.join((await east.membership.createToken({ cluster: 'west' }, soon())).token, soon());
  await until('both must see both', () => sees(east, 'west') && sees(west, 'east'));
  await hub.server.kill();
  t.deepEqual(await west.membership.leave({ force: true }, soon()), { kind: 'done' });
  await until('it must be alone', () => west.membership.hubState().kind === 'none');
});

test.serial('other keys: what the cluster says goes on, the old ones count no more, and a second replica follows', async (t) => {
  await using world = await startWorld();
  const { east, west } = world;
  const follower = new ExampleLeadership();
  await using second = exampleMembership('west', west.secrets, { leadership: follower }).run();
  await until('the second replica must see all', () => sees(second, 'west') && sees(second, 'east'));
  const before = await credentialsOf(west);
  let seen = true;
  const watching = setInterval(() => (seen &&= sees(east, 'west') && sees(west, 'east')), 5);
  t.deepEqual(await west.membership.rotate(soon()), { kind: 'done' });
  const after = await credentialsOf(west);
  t.notDeepEqual([after.userSeed, after.recordPublicKey], [before.userSeed, before.recordPublicKey]);
  await until('the founder must know the new key', () => east.membership.views().get('west')?.member.recordPublicKey === after.recordPublicKey);
  west.membership.publish(new Map([meta, service('cart'), service('pay')].map((body) => [recordKey(body), body])));
  await until('what it says by the new key must be heard', () => east.membership.views().get('west')?.services.has('shop/pay') === true);
  await until('it must be connected', () => west.membership.hubState().kind === 'connected' && west.membership.allComplete);
  clearInterval(watching);
  t.true(seen, 'nothing was lost meanwhile');
  // It takes over, and what it says is heard: it has the new keys too.
  await west[Symbol.asyncDispose]();
  follower.seeOther();
  follower.set(true);
  second.membership.publish(new Map([meta, service('cart'), service('books')].map((body) => [recordKey(body), body])));
  await until('the second replica must be heard', () => east.membership.views().get('west')?.services.has('shop/books') === true);
  const [former] = east.membership.members().find(({ cluster }) => cluster === 'west')?.formerUsers ?? [];
  t.truthy(former);
});

test.serial('a JWT is renewed in its life, and a member that was cut off for longer than that comes back', async (t) => {
  await using world = await startWorld(4);
  const { hub, east, west } = world;
  const first = decode(await credentialsOf(west).then(({ userJwt }) => userJwt)).exp ?? 0;
  t.true(first - Date.now() / 1000 <= 5);
  await until('it must be renewed', async () => (decode((await credentialsOf(west)).userJwt).exp ?? 0) > first);
  await hub.server.kill();
  const last = decode((await credentialsOf(west)).userJwt).exp ?? 0;
  await until('it must end', () => Date.now() / 1000 > last + 1);
  await hub.server.boot();
  await until('it must come back', () => west.membership.hubState().kind === 'connected' && (sees(east, 'west') || true));
  await until('with another JWT', async () => (decode((await credentialsOf(west)).userJwt).exp ?? 0) > last);
  west.membership.publish(new Map([meta, service('late')].map((body) => [recordKey(body), body])));
  await until('and be heard', () => east.membership.views().get('west')?.services.has('shop/late') === true);
});
