/** From `landbridge revoke` to the data path of another cluster: a real hub, federation services as far as their membership goes, an agent's engine. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { recordKey } from '@landbridge/core/records.ts';
import { trustBundles } from '@landbridge/federation/clusterset/trust-distribution.ts';
import { startExampleHub } from '@landbridge/federation/hub/example-hub.ts';
import { exampleMembership, secretsOf } from '@landbridge/federation/hub/example-membership.ts';
import { meta } from '@landbridge/federation/records/example-records.ts';
import { echo } from './applications.ts';
import { HERE, TestEngine } from './engine.ts';
import { NodeClient } from './node-peers.ts';

/** The bounds of the design. */
const NEW_REFUSED_MS = 10_000;
const LIVE_CUT_MS = 30_000;
const soon = (): AbortSignal => AbortSignal.timeout(120_000);
const pem = (root: Buffer): string => new X509Certificate(root).toString();

test('workloads of a member that is revoked are refused elsewhere, and live ones cut, in the time that is promised', async (t) => {
  t.timeout(180_000);
  using ofNorth = new TestAuthority('north.landbridge');
  using ofWest = new TestAuthority('west.landbridge');
  const [northRoot, westRoot] = [ofNorth, ofWest].map(({ rootPem }) => new X509Certificate(rootPem).raw) as [Buffer, Buffer];
  await using engine = new TestEngine();
  await using hub = await startExampleHub();
  await using east = exampleMembership('east', await secretsOf({ 'landbridge-hub-authority': { 'hub.json': JSON.stringify(hub.authority) } })).run();
  await until('the founder must be a member', () => east.membership.allListed);
  await using west = exampleMembership('west', undefined, { root: westRoot }).run();
  // As the federation service tells its agents.
  const tell = (views: Parameters<typeof trustBundles>[1]): void => {
    const bundles = trustBundles({ cluster: 'north', trustDomain: 'north.landbridge', roots: [northRoot] }, views);
    engine.plane.setTrust([...bundles.values()].map(({ trustDomain, roots }) => [trustDomain, roots.map(pem)]));
  };
  await using north = exampleMembership('north', undefined, { root: northRoot, onChange: (membership) => tell(membership.views()) }).run();
  for (const [cluster, each] of [['west', west], ['north', north]] as const) await each.membership.join((await east.membership.createToken({ cluster }, soon())).token, soon());
  const said = new Map([[recordKey(meta), meta]]);
  for (const { membership } of [east, west, north]) membership.publish(said);
  await until('north must know west', () => north.membership.views().has('west'));

  await using application = await echo();
  const pod = engine.server(ofNorth.certificate('server'));
  const connect = async () => {
    const peer = await NodeClient.connect(pod.port, ofWest.certificate('a'), ofNorth.rootPem);
    return { peer, stream: (await peer.tunnel(`${HERE}:${application.port}`)).stream };
  };
  const live = await connect();
  live.stream.on('error', () => {
    // It is cut.
  });
  const cut = once(live.stream, 'close').then(() => performance.now());
  const startedMs = performance.now();
  await east.membership.revoke('west', soon());
  const cutMs = (await cut) - startedMs;
  const isRefused = async (): Promise<boolean> => {
    try {
      const { peer } = await connect();
      peer[Symbol.dispose]();
      return false;
    } catch {
      return true;
    }
  };
  await until('new ones must be refused', isRefused);
  const refusedMs = performance.now() - startedMs;
  t.log(`live connection cut after ${cutMs.toFixed(0)} ms, new ones refused after ${refusedMs.toFixed(0)} ms at most`);
  t.true(cutMs < LIVE_CUT_MS);
  t.true(refusedMs < NEW_REFUSED_MS);
  t.deepEqual(Object.keys(await engine.failures()).filter((reason) => reason !== 'inbound trust-domain' && !reason.startsWith('inbound tls')), []);
  live.peer[Symbol.dispose]();
});
