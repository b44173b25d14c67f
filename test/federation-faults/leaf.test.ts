/** A cluster with a leaf node whose hub is killed: real servers, with all that its federation service writes and tells. */
import { openNatsBusAt } from '@landbridge/federation/bus/nats-bus.ts';
import { freePort } from '@landbridge/lab/free-ports.ts';
import { type ExampleHub, startExampleHub } from '@landbridge/federation/hub/example-hub.ts';
import { CREDENTIALS_SECRET } from '@landbridge/federation/hub/kept-credentials.ts';
import { parseHubCredentials } from '@landbridge/federation/join/credentials.ts';
import { MemorySecretStore } from '@landbridge/federation/kubernetes/memory-secret-store.ts';
import { startExampleLeaf } from '@landbridge/federation/leaf/example-leaf.ts';
import { LEAF_SECRET, leafAccess, type LeafPlace } from '@landbridge/federation/leaf/leaf-secret.ts';
import { type ClusterTable, matchesSync } from '@landbridge/federation/records/cluster-table.ts';
import { emptyPeers, type PeerState, reducePeers, views } from '@landbridge/federation/records/peer-table.ts';
import { exampleEndpoint, exampleSlice } from '@landbridge/federation/registry/example-objects.ts';
import { ADDRESS_TYPE } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { pino } from 'pino';
import { HonestCluster, HostileMember } from '../hostile/clusterset.ts';
import { exportService } from '../hostile/exports.ts';
import { until } from '@landbridge/lab/until.ts';
import { throughout } from './fault-clusterset.ts';
import { CONVERGED_MS } from './fault-times.ts';

/** More than the service waits until it reads the mirror. */
const AWAY_MS = 5000;
const CART = 'eps.shop.cart.0';
const POD_OF_EAST = 'east//Pod/shop/cart-1';

interface Mirrored {
  readonly secrets: MemorySecretStore;
  readonly leaf: LeafPlace;
  readonly authorityPublicKey: string;
}

/** Waits until the mirror has what is wanted: what another process would read there while the hub is away. Its lag is of the last look. Returns all of it. */
async function mirrored({ secrets, leaf, authorityPublicKey }: Mirrored, isThere: (state: PeerState) => boolean): Promise<PeerState> {
  const secret = await secrets.read(LEAF_SECRET);
  const access = secret === undefined ? undefined : leafAccess(secret, 'west', leaf);
  if (access === undefined) throw new Error('no way to the leaf node');
  const signal = AbortSignal.timeout(60_000);
  await using bus = await openNatsBusAt({ access, createBucket: false, clusterName: 'west', log: pino({ level: 'silent' }), signal });
  let state = emptyPeers(authorityPublicKey);
  for await (const event of bus.watch('>', signal)) {
    state = reducePeers(state, event, Date.now());
    if (isThere(state)) return state;
  }
  throw new Error('the mirror is not whole');
}

/** Snapshots of both that are closed: what was imported may not be closed yet. */
const isClosed = (state: PeerState): boolean => [['east', 'shop/cart'], ['west', 'shop/pay']].every(([cluster = '', service = '']) => {
  const table = state.tables.get(cluster);
  return table !== undefined && matchesSync(table) === true && views(state).get(cluster)?.endpoints.has(service) === true;
});

const deletes = ({ objects }: HonestCluster): readonly string[] => objects.written.filter((each) => each.startsWith('delete'));
const agentsKnow = ({ objects }: HonestCluster, uid: string): boolean => objects.told.at(-1)?.types.get(ADDRESS_TYPE)?.has(uid) === true;

interface Joined extends Mirrored {
  readonly hub: ExampleHub;
  /** The founder, and where its credentials are. */
  readonly east: HonestCluster;
  readonly founding: MemorySecretStore;
  readonly west: HonestCluster;
}

/** East and west, which has a leaf node, each with an export that the other has imported; the mirror has both. Whoever has called ends them. */
async function join(stack: AsyncDisposableStack): Promise<Joined> {
  const hub = stack.use(await startExampleHub());
  const { authorityPublicKey } = hub.authority;
  const founding = new MemorySecretStore();
  await founding.write('landbridge-hub-authority', { 'hub.json': JSON.stringify(hub.authority) }, undefined);
  const east = await HonestCluster.start('east', founding);
  stack.defer(async () => await east[Symbol.asyncDispose]());
  await until('the founder is a member', () => east.membership.allListed);
  const leafPort = await freePort();
  const leaf = { url: `tls://127.0.0.1:${leafPort}`, hubPort: hub.leafPort };
  const secrets = new MemorySecretStore();
  const west = await HonestCluster.start('west', secrets, { leaf });
  stack.defer(async () => await west[Symbol.asyncDispose]());
  const { token } = await east.membership.createToken({ cluster: 'west' }, AbortSignal.timeout(60_000));
  await west.membership.join(token, AbortSignal.timeout(60_000));
  await until('the Secret of the leaf node', async () => (await secrets.read(LEAF_SECRET)) !== undefined);
  stack.use(await startExampleLeaf(secrets, leafPort));
  exportService(east, 'cart', '10.1.0.1');
  exportService(west, 'pay', '10.2.0.1');
  await until('each imports of the other', () => west.addresses('east').includes('10.1.0.1') && east.addresses('west').includes('10.2.0.1') && agentsKnow(west, POD_OF_EAST));
  await mirrored({ secrets, leaf, authorityPublicKey }, isClosed);
  return { hub, east, founding, west, secrets, leaf, authorityPublicKey };
}

test('a hub that is killed takes nothing from a cluster with a leaf node, nor from its federation service that begins meanwhile; when it is back all agree soon', async (t) => {
  t.timeout(180_000);
  await using stack = new AsyncDisposableStack();
  const { hub, east, west, secrets, leaf } = await join(stack);
  await hub.server.kill();
  await until('the mirror is read', () => west.membership.leaf?.readingSince !== undefined);
  t.true(await throughout(AWAY_MS, () => west.addresses('east').includes('10.1.0.1') && west.imports.has('shop/cart') && agentsKnow(west, POD_OF_EAST) && east.addresses('west').includes('10.2.0.1')));
  t.deepEqual([deletes(west), deletes(east)], [[], []]);
  await west[Symbol.asyncDispose]();

  const again = stack.use(await HonestCluster.start('west', secrets, { leaf, before: west }));
  await until('its agents are told of the others, by the mirror', () => agentsKnow(again, POD_OF_EAST));
  t.true(again.membership.views().get('east')?.isProvisional);
  // What happens meanwhile waits for the hub.
  exportService(again, 'till', '10.2.0.2');
  east.objects.put(exampleSlice('cart', [exampleEndpoint('cart-1', '10.1.0.2')], { ports: [{ name: 'http', protocol: 'TCP', port: 8080 }] }));
  t.true(await throughout(AWAY_MS, () => again.addresses('east').includes('10.1.0.1') && again.imports.has('shop/cart') && agentsKnow(again, POD_OF_EAST)));
  t.deepEqual(deletes(again), []);

  await hub.server.boot();
  const startMs = performance.now();
  await until('all agree', () => again.addresses('east').join() === '10.1.0.2' && east.addresses('west').join() === '10.2.0.1,10.2.0.2', CONVERGED_MS);
  t.log(`all agree ${Math.round(performance.now() - startMs)} ms after the hub was back`);
  await until('the mirror is not read any more', () => again.membership.leaf?.readingSince === undefined);
  t.deepEqual([deletes(again), deletes(east)], [[], []]);
});

test('what an owner wrote last, and could not close, its peers have after a restart of theirs: while the hub is there and while it is away', async (t) => {
  t.timeout(180_000);
  await using stack = new AsyncDisposableStack();
  const { hub, east, founding, west, ...mirror } = await join(stack);
  const { secrets, leaf } = mirror;
  await east[Symbol.asyncDispose]();
  const credentials = parseHubCredentials((await founding.read(CREDENTIALS_SECRET))?.values['credentials.json'] ?? '');
  if (!credentials.ok) return t.fail(credentials.error);
  const eastTable = (state: PeerState): ClusterTable | undefined => state.tables.get('east');
  const { sync, records } = eastTable(await mirrored(mirror, isClosed)) ?? {};
  const body = records?.get(CART)?.body;
  if (sync === undefined || body?.kind !== 'eps') return t.fail('east has closed a snapshot');
  {
    // As it writes it, right before it ends.
    await using writer = await HostileMember.connect(credentials.value);
    const last = { ...body, endpoints: body.endpoints.map((each) => ({ ...each, addresses: ['10.1.0.2'] })) };
    writer.put(`east.${CART}`, writer.sign(CART, last, 'east', { epoch: sync.epoch, gen: sync.gen + 1 }));
    await writer.connection.flush();
  }
  await until('west uses it', () => west.addresses('east').join() === '10.1.0.2');
  await mirrored(mirror, (state) => eastTable(state)?.records.get(CART)?.gen === sync.gen + 1);
  await west[Symbol.asyncDispose]();

  const whatIsKnown = (cluster: HonestCluster): object => ({ imports: [...cluster.imports].sort(), addresses: cluster.addresses('east'), deletes: deletes(cluster) });
  const asBefore = { imports: ['shop/cart', 'shop/pay'], addresses: ['10.1.0.2'], deletes: [] };
  {
    await using second = await HonestCluster.start('west', secrets, { leaf, before: west });
    await until('its agents are told of the one that has ended', () => agentsKnow(second, POD_OF_EAST));
    t.like(second.membership.views().get('east'), { complete: false, isProvisional: true });
    t.deepEqual(whatIsKnown(second), asBefore);
  }

  await hub.server.kill();
  const third = stack.use(await HonestCluster.start('west', secrets, { leaf, before: west }));
  await until('its agents are told by the mirror', () => agentsKnow(third, POD_OF_EAST));
  t.deepEqual(whatIsKnown(third), asBefore);

  await hub.server.boot();
  const eastAgain = stack.use(await HonestCluster.start('east', founding, { before: east }));
  await until('all agree', () => third.addresses('east').join() === '10.1.0.1' && eastAgain.addresses('west').join() === '10.2.0.1');
  await until('it is known completely', () => third.membership.isComplete('east'));
  t.deepEqual([deletes(third), deletes(eastAgain)], [[], []]);
});
