import { setTimeout as sleep } from 'node:timers/promises';
import { CoordinationV1Api, CoreV1Api, CustomObjectsApi, DiscoveryV1Api, type KubernetesObject, type V1EndpointSlice } from '@kubernetes/client-node';
import { kubeConfigAccess } from '@landbridge/federation/kubernetes/kube-config-access.ts';
import { ExampleAgent } from '@landbridge/federation/xds/example-agent.ts';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import { until } from '@landbridge/lab/until.ts';
import { ADDRESS_TYPE, TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { agentToken } from './agent-token.ts';
import { Replica } from './replica.ts';

/** A Lease is lost after 15 seconds; the rest is for a machine that has other work. */
const TAKEN_MS = 25_000;

let server: TestApiServer;
test.before(async () => {
  server = await TestApiServer.start();
});
test.after.always(async () => {
  await server[Symbol.asyncDispose]();
});

/** Everything that becomes of the objects of a kind that the service writes, as a watch tells it. */
async function witness(path: string, seen: { verb: string; object: KubernetesObject }[], signal: AbortSignal): Promise<void> {
  const client = new ApiServerClient(kubeConfigAccess(server.config, 'test'));
  try {
    for await (const event of client.watch(path, { labelSelector: 'app.kubernetes.io/managed-by=landbridge' }, { kind: 'objects' }, signal)) {
      if (event.kind === 'set' || event.kind === 'deleted') seen.push({ verb: event.kind, object: event.object as KubernetesObject });
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
}

/** What the object says, without what each write changes. */
function content(object: KubernetesObject): string {
  const { metadata, ...rest } = object as KubernetesObject & Record<string, unknown>;
  return JSON.stringify([metadata?.labels, metadata?.annotations, rest]);
}

test.serial('the leader is killed while endpoints change: the other replica serves at once, leads within the time of the Lease, and writes nothing twice', async (t) => {
  const [core, discovery, custom, coordination] = [server.config.makeApiClient(CoreV1Api), server.config.makeApiClient(DiscoveryV1Api), server.config.makeApiClient(CustomObjectsApi), server.config.makeApiClient(CoordinationV1Api)];
  for (const name of ['landbridge-system', 'shop']) await core.createNamespace({ body: { metadata: { name } } });
  const token = await agentToken(server.config, 'node-1');
  await core.createNamespacedPod({ namespace: 'shop', body: { metadata: { name: 'cart-1' }, spec: { nodeName: 'node-1', containers: [{ name: 'cart', image: 'cart' }] } } });
  await core.createNamespacedService({ namespace: 'shop', body: { metadata: { name: 'cart' }, spec: { ports: [{ name: 'http', port: 80 }] } } });
  const slice = (address: string): V1EndpointSlice => ({ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: 'cart-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'cart' } }, addressType: 'IPv4', ports: [{ name: 'http', port: 8080, protocol: 'TCP' }], endpoints: [{ addresses: [address], conditions: { ready: true }, targetRef: { kind: 'Pod', namespace: 'shop', name: 'cart-1' } }] });
  await discovery.createNamespacedEndpointSlice({ namespace: 'shop', body: slice('10.0.0.1') });
  await custom.createNamespacedCustomObject({ group: 'multicluster.x-k8s.io', version: 'v1beta1', namespace: 'shop', plural: 'serviceexports', body: { apiVersion: 'multicluster.x-k8s.io/v1beta1', kind: 'ServiceExport', metadata: { name: 'cart' } } });
  const derived = async (): Promise<string | undefined> => (await discovery.listNamespacedEndpointSlice({ namespace: 'shop', labelSelector: 'multicluster.kubernetes.io/source-cluster=east' })).items[0]?.endpoints?.[0]?.addresses[0];

  await using a = await Replica.start('federation-a', server.config);
  await until('the first to lead', async () => await a.leads());
  await using b = await Replica.start('federation-b', server.config);
  await until('both to be ready', async () => (await a.isReady()) && (await b.isReady()));
  await until('the import to be written', async () => (await derived()) === '10.0.0.1');
  t.deepEqual([await b.leads(), await b.writes()], [false, 0]);
  t.true((await a.writes()) > 0);
  const root = (await core.readNamespacedConfigMap({ namespace: 'landbridge-system', name: 'landbridge-ca-root' })).data?.['root-cert.pem'] ?? '';

  const stop = new AbortController();
  const seen: { verb: string; object: KubernetesObject }[] = [];
  const witnesses = ['/apis/multicluster.x-k8s.io/v1beta1/serviceimports', '/api/v1/services', '/apis/discovery.k8s.io/v1/endpointslices'].map(async (path) => await witness(path, seen, stop.signal));
  await until('the witness to see all three', async () => seen.length === 3);

  // An agent of the leader, which has everything that it tells.
  using first = new ExampleAgent(`127.0.0.1:${a.agentsPort}`, token, root);
  const known: Record<string, Record<string, string>> = { [ADDRESS_TYPE]: {}, [TRUST_BUNDLE_TYPE]: {} };
  for (const typeUrl of Object.keys(known)) first.send({ typeUrl });
  for (const answer of await first.wait(2)) {
    for (const { name, version } of answer.resources) (known[answer.typeUrl] as Record<string, string>)[name] = version;
    first.confirm(answer);
  }
  t.true(Object.keys(known[ADDRESS_TYPE] ?? {}).length > 0);
  t.deepEqual(Object.keys(known[TRUST_BUNDLE_TYPE] ?? {}), ['east.landbridge']);

  /** The last two bytes of the address count the changes. */
  let last = 1;
  const changing = (async () => {
    while (!stop.signal.aborted) {
      last += 1;
      await discovery.replaceNamespacedEndpointSlice({ namespace: 'shop', name: 'cart-1', body: slice(`10.0.${last >> 8}.${last & 255}`) });
      await sleep(300);
    }
  })();
  /** What was changed since is written. */
  const follow = async (since: number): Promise<boolean> => {
    const [, , high = 0, low = 0] = ((await derived()) ?? '').split('.').map(Number);
    return high * 256 + low > since;
  };
  await until('a change to be written', async () => (await derived()) !== '10.0.0.1');

  t.is(await b.writes(), 0);
  const killedMs = performance.now();
  await a.end('SIGKILL');
  // As the agent does: it comes to the other one with what it has. There is no state between the two.
  await first.ended;
  using second = new ExampleAgent(`127.0.0.1:${b.agentsPort}`, token, root);
  for (const [typeUrl, initialResourceVersions] of Object.entries(known)) second.send({ typeUrl, initialResourceVersions });
  const answers = await second.wait(2);
  const servedMs = performance.now() - killedMs;
  t.deepEqual(answers.find(({ typeUrl }) => typeUrl === TRUST_BUNDLE_TYPE)?.resources, [], 'it has the roots, by the same version');
  t.deepEqual(answers.flatMap(({ removedResources }) => removedResources), []);
  t.true(answers.flatMap(({ resources }) => resources).every(({ name, version }) => known[ADDRESS_TYPE]?.[name] !== version), 'only what differs');

  await until('the other one to lead', async () => await b.leads(), TAKEN_MS);
  const ledMs = performance.now() - killedMs;
  const whenLed = last;
  await until('endpoints to follow', async () => await follow(whenLed));
  const followedMs = performance.now() - killedMs;
  t.is((await coordination.readNamespacedLease({ namespace: 'landbridge-system', name: 'landbridge-federation' })).spec?.holderIdentity?.split('_')[0], 'federation-b');

  // One that ends by itself leaves the lead to the next at once.
  await using c = await Replica.start('federation-c', server.config);
  await until('the third to be ready', async () => await c.isReady());
  const endedMs = performance.now();
  const ending = b.end('SIGTERM');
  await until('the third to lead', async () => await c.leads());
  const whenHanded = last;
  const handedMs = performance.now() - endedMs;
  await ending;
  await until('endpoints to follow the third', async () => await follow(whenHanded));
  stop.abort();
  await Promise.all([changing, ...witnesses]);

  t.log(`served ${servedMs.toFixed(0)} ms after the kill, led after ${ledMs.toFixed(0)} ms, wrote after ${followedMs.toFixed(0)} ms; handed over within ${handedMs.toFixed(0)} ms of SIGTERM`);
  t.true(ledMs > 5000, 'not before the time of the one who was killed has passed');
  t.true(handedMs < 1500);
  t.deepEqual(seen.filter(({ verb }) => verb === 'deleted'), []);
  t.is(new Set(seen.map(({ object }) => object.metadata?.uid)).size, 3);
  for (const uid of new Set(seen.map(({ object }) => object.metadata?.uid))) {
    const contents = seen.filter(({ object }) => object.metadata?.uid === uid).map(({ object }) => content(object));
    t.true(contents.every((each, i) => i === 0 || each !== contents[i - 1]), 'a write that changed nothing');
    if (seen.find(({ object }) => object.metadata?.uid === uid)?.object.kind !== 'EndpointSlice') t.is(contents.length, 1);
  }
});

test.serial('a leader that can not reach the API server stops to lead before another one does, and goes on to serve', async (t) => {
  const core = server.config.makeApiClient(CoreV1Api);
  const root = (await core.readNamespacedConfigMap({ namespace: 'landbridge-system', name: 'landbridge-ca-root' })).data?.['root-cert.pem'] ?? '';
  await using cut = await Replica.start('federation-d', server.gatedConfig);
  await until('the one to be cut to lead', async () => (await cut.leads()) && (await cut.isReady()), TAKEN_MS);
  await using other = await Replica.start('federation-e', server.config);
  await until('the other one to be ready', async () => await other.isReady());
  using agent = new ExampleAgent(`127.0.0.1:${cut.agentsPort}`, await agentToken(server.config, 'node-1'), root);
  let hasEnded = false;
  void agent.ended.then(() => (hasEnded = true));
  agent.send({ typeUrl: ADDRESS_TYPE });
  for (const answer of await agent.wait(1)) agent.confirm(answer);

  server.gate.close();
  t.teardown(() => server.gate.open());
  const cutMs = performance.now();
  await until('it to stop', async () => !(await cut.leads()), TAKEN_MS);
  const stoppedMs = performance.now() - cutMs;
  t.false(await other.leads());
  await until('the other one to lead', async () => await other.leads(), TAKEN_MS);
  t.log(`stopped after ${stoppedMs.toFixed(0)} ms, followed after ${(performance.now() - cutMs).toFixed(0)} ms`);
  t.true(await cut.isReady());
  agent.send({ typeUrl: TRUST_BUNDLE_TYPE });
  t.deepEqual((await agent.wait(2)).at(-1)?.resources.map(({ name }) => name), ['east.landbridge']);
  t.false(hasEnded);
  server.gate.open();
  await until('it to see who leads', async () => cut.log.some(({ leader, msg }) => msg === 'another replica leads' && String(leader).startsWith('federation-e')));
  t.false(await cut.leads());
});
