/** A cluster with a leaf node whose hub is killed: real servers, with all that its federation service writes and tells. */
import { openNatsBusAt } from '@landbridge/federation/bus/nats-bus.ts';
import { freePort } from '@landbridge/lab/free-ports.ts';
import { startExampleHub } from '@landbridge/federation/hub/example-hub.ts';
import { MemorySecretStore } from '@landbridge/federation/kubernetes/memory-secret-store.ts';
import { startExampleLeaf } from '@landbridge/federation/leaf/example-leaf.ts';
import type { SecretStore } from '@landbridge/federation/kubernetes/secret-store.ts';
import { LEAF_SECRET, leafAccess, type LeafPlace } from '@landbridge/federation/leaf/leaf-secret.ts';
import { matchesSync } from '@landbridge/federation/records/cluster-table.ts';
import { emptyPeers, reducePeers, views } from '@landbridge/federation/records/peer-table.ts';
import { exampleEndpoint, exampleSlice } from '@landbridge/federation/registry/example-objects.ts';
import { ADDRESS_TYPE } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { pino } from 'pino';
import { HonestCluster } from '../hostile/clusterset.ts';
import { exportService } from '../hostile/exports.ts';
import { until } from '@landbridge/lab/until.ts';
import { throughout } from './fault-clusterset.ts';
import { CONVERGED_MS } from './fault-times.ts';

/** More than the service waits until it reads the mirror. */
const AWAY_MS = 5000;
const POD_OF_EAST = 'east//Pod/shop/cart-1';

/** Waits until the mirror has snapshots of both that are closed: what another process would read there while the hub is away. Its lag is of the last look, and what was imported may not be closed yet. */
async function mirrored(secrets: SecretStore, leaf: LeafPlace, authorityPublicKey: string): Promise<void> {
  const secret = await secrets.read(LEAF_SECRET);
  const access = secret === undefined ? undefined : leafAccess(secret, 'west', leaf);
  if (access === undefined) throw new Error('no way to the leaf node');
  const signal = AbortSignal.timeout(60_000);
  await using bus = await openNatsBusAt({ access, createBucket: false, clusterName: 'west', log: pino({ level: 'silent' }), signal });
  let state = emptyPeers(authorityPublicKey);
  const has = (cluster: string, service: string): boolean => {
    const table = state.tables.get(cluster);
    return table !== undefined && matchesSync(table) === true && views(state).get(cluster)?.endpoints.has(service) === true;
  };
  for await (const event of bus.watch('>', signal)) {
    state = reducePeers(state, event, Date.now());
    if (has('east', 'shop/cart') && has('west', 'shop/pay')) return;
  }
  throw new Error('the mirror is not whole');
}

const deletes = ({ objects }: HonestCluster): readonly string[] => objects.written.filter((each) => each.startsWith('delete'));
const agentsKnow = ({ objects }: HonestCluster, uid: string): boolean => objects.told.at(-1)?.types.get(ADDRESS_TYPE)?.has(uid) === true;

test('a hub that is killed takes nothing from a cluster with a leaf node, nor from its federation service that begins meanwhile; when it is back all agree soon', async (t) => {
  t.timeout(180_000);
  await using stack = new AsyncDisposableStack();
  const hub = stack.use(await startExampleHub());
  const founding = new MemorySecretStore();
  await founding.write('landbridge-hub-authority', { 'hub.json': JSON.stringify(hub.authority) }, undefined);
  const east = stack.use(await HonestCluster.start('east', founding));
  await until('the founder is a member', () => east.membership.allListed);
  const leafPort = await freePort();
  const leaf = { url: `tls://127.0.0.1:${leafPort}`, hubPort: hub.leafPort };
  const secrets = new MemorySecretStore();
  const west = await HonestCluster.start('west', secrets, { leaf });
  try {
    const { token } = await east.membership.createToken({ cluster: 'west' }, AbortSignal.timeout(60_000));
    await west.membership.join(token, AbortSignal.timeout(60_000));
    await until('the Secret of the leaf node', async () => (await secrets.read(LEAF_SECRET)) !== undefined);
    stack.use(await startExampleLeaf(secrets, leafPort));
    exportService(east, 'cart', '10.1.0.1');
    exportService(west, 'pay', '10.2.0.1');
    await until('each imports of the other', () => west.addresses('east').includes('10.1.0.1') && east.addresses('west').includes('10.2.0.1') && agentsKnow(west, POD_OF_EAST));
    await mirrored(secrets, leaf, hub.authority.authorityPublicKey);

    await hub.server.kill();
    await until('the mirror is read', () => west.membership.leaf?.readingSince !== undefined);
    t.true(await throughout(AWAY_MS, () => west.addresses('east').includes('10.1.0.1') && west.imports.has('shop/cart') && agentsKnow(west, POD_OF_EAST) && east.addresses('west').includes('10.2.0.1')));
    t.deepEqual([deletes(west), deletes(east)], [[], []]);
  } finally {
    await west[Symbol.asyncDispose]();
  }

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
