/** A leaf node with real servers: the hub and the leaf node come and go, and the federation service begins anew. */
import { recordKey } from '@landbridge/core/records.ts';
import { freePort } from '@landbridge/lab/free-ports.ts';
import { until } from '@landbridge/lab/until.ts';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { openNatsBusAt } from '../bus/nats-bus.ts';
import type { TestNatsServer } from '../bus/test-nats-server.ts';
import { type ExampleHub, startExampleHub } from '../hub/example-hub.ts';
import { type ExampleMembership, exampleMembership, secretsOf } from '../hub/example-membership.ts';
import type { MemorySecretStore } from '../kubernetes/memory-secret-store.ts';
import { meta, service } from '../records/example-records.ts';
import { startExampleLeaf } from './example-leaf.ts';
import { LEAF_SECRET, leafAccess, type LeafPlace } from './leaf-secret.ts';

const soon = (): AbortSignal => AbortSignal.timeout(60_000);
const recordsOf = (...services: readonly string[]) => new Map([meta, ...services.map((name) => service(name))].map((body) => [recordKey(body), body]));
const knows = ({ membership }: ExampleMembership, name: string): boolean => membership.views().get('east')?.services.has(`shop/${name}`) === true;

interface Setup {
  readonly hub: ExampleHub;
  readonly east: ExampleMembership;
  readonly place: LeafPlace;
  readonly leaf: TestNatsServer;
  /** Of west, whose federation service the tests start. */
  readonly secrets: MemorySecretStore;
}

/** East, the founder, exports `cart`; west has joined, and its leaf node has a whole mirror. */
async function start(t: ExecutionContext, stack: AsyncDisposableStack): Promise<Setup> {
  t.timeout(180_000);
  const hub = stack.use(await startExampleHub());
  const east = stack.use(exampleMembership('east', await secretsOf({ 'landbridge-hub-authority': { 'hub.json': JSON.stringify(hub.authority) } })).run());
  await until('the founder must be a member', () => east.membership.allListed);
  east.membership.publish(recordsOf('cart'));
  const port = await freePort();
  const place = { url: `tls://127.0.0.1:${port}`, hubPort: hub.leafPort };
  const west = exampleMembership('west', undefined, { leaf: place }).run();
  const { secrets } = west;
  try {
    const { token } = await east.membership.createToken({ cluster: 'west' }, soon());
    await west.membership.join(token, soon());
    west.membership.publish(recordsOf());
    await until('the Secret of the leaf node', async () => (await secrets.read(LEAF_SECRET)) !== undefined);
    const leaf = stack.use(await startExampleLeaf(secrets, port));
    await until('all is known', () => west.membership.allComplete && knows(west, 'cart'));
    await until('a mirror', () => west.membership.leaf?.lag !== undefined);
    for (const key of ['members.west', 'east.sync', 'west.sync']) await mirrored(key, secrets, place);
    await until('a whole mirror', () => west.membership.leaf?.lag === 0);
    return { hub, east, place, leaf, secrets };
  } finally {
    await west[Symbol.asyncDispose]();
  }
}

/** Resolves once the mirror has a record, as whoever reads it sees it. */
async function mirrored(key: string, secrets: MemorySecretStore, place: LeafPlace): Promise<void> {
  const access = leafAccess((await secrets.read(LEAF_SECRET)) ?? { values: {} }, 'west', place);
  if (access === undefined) throw new Error('no way to the leaf node');
  await using bus = await openNatsBusAt({ access, createBucket: false, clusterName: 'west', log: pino({ level: 'silent' }), signal: soon(), heartbeatMs: 500 });
  for await (const event of bus.watch('>', soon())) if (event.kind === 'entry' && event.key === key) return;
  throw new Error(`the mirror does not have ${key}`);
}

test.serial('a service that begins while the hub is away knows all members from the mirror, and takes nothing for gone', async (t) => {
  await using stack = new AsyncDisposableStack();
  const { hub, east, place, secrets } = await start(t, stack);
  await hub.server.kill();

  await using west = exampleMembership('west', secrets, { leaf: place }).run();
  // A record is known before the `sync` that names it, and records come in the order in which they were written last.
  await until('the mirror is read', () => knows(west, 'cart') && west.membership.views().get('east')?.complete === true && west.membership.members().length === 2);
  t.true(west.membership.views().get('east')?.isProvisional);
  t.deepEqual([west.membership.members().map(({ cluster }) => cluster).sort(), west.membership.isComplete('east'), west.membership.allListed, west.membership.allComplete], [['east', 'west'], false, false, false]);
  t.like(west.membership.leaf, { isConnected: true });
  t.not(west.membership.leaf?.readingSince, undefined);

  await hub.server.emptyStore();
  await hub.server.boot();
  await until('the owner has written again what was lost, and the hub is believed', () => west.membership.isComplete('east'));
  await until('the mirror is not read any more', () => west.membership.leaf?.readingSince === undefined);
  t.is(west.membership.views().get('east')?.isProvisional, undefined);
  east.membership.publish(recordsOf('cart', 'pay'));
  await until('what is new comes from the hub', () => knows(west, 'pay'));

  // The mirror was of a bucket that is no more.
  await mirrored('east.svc.shop.pay', secrets, place);
  await west[Symbol.asyncDispose]();
  await hub.server.kill();
  await using again = exampleMembership('west', secrets, { leaf: place }).run();
  await until('the mirror has what was written since', () => knows(again, 'pay'));
});

test.serial('a mirror that is behind is read, and nothing that it lacks is believed to be gone', async (t) => {
  await using stack = new AsyncDisposableStack();
  const { hub, east, place, leaf, secrets } = await start(t, stack);
  await leaf.kill();
  east.membership.publish(recordsOf('cart', 'pay'));
  await until('it is at the hub', () => east.membership.publicationOf('shop/pay').kind === 'stored');
  await hub.server.kill();
  await leaf.boot();

  await using west = exampleMembership('west', secrets, { leaf: place }).run();
  await until('the mirror is read', () => knows(west, 'cart'));
  t.deepEqual([knows(west, 'pay'), west.membership.isComplete('east')], [false, false]);

  await hub.server.boot();
  await until('the hub tells the rest', () => west.membership.isComplete('east'));
  t.true(knows(west, 'pay'));
});

test.serial('without its leaf node the service goes on with the hub', async (t) => {
  await using stack = new AsyncDisposableStack();
  const { east, place, leaf, secrets } = await start(t, stack);
  await using west = exampleMembership('west', secrets, { leaf: place }).run();
  await until('the leaf node is there', () => west.membership.leaf?.isConnected === true);
  await leaf.kill();
  await until('the loss is seen', () => west.membership.leaf?.isConnected === false);
  east.membership.publish(recordsOf('cart', 'pay'));
  await until('news come from the hub', () => knows(west, 'pay'));
  t.is(west.membership.leaf?.readingSince, undefined);
  await until('all is known', () => west.membership.allComplete);
});
