import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { CoreV1Api, type KubeConfig, PatchStrategy, setHeaderOptions, type V1Pod } from '@kubernetes/client-node';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import test from 'ava';
import pino from 'pino';
import type { ApiServerAccess } from '@landbridge/kubernetes/api-server-access.ts';
import { KubernetesPodSource } from './kubernetes-pod-source.ts';
import { MemoryPodSource } from './memory-pod-source.ts';
import { podSourceContract, type PodSourceUnderTest, readUntil, type WantedPod } from './pod-source.contract.ts';

const silent = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });
const mergePatch = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
const containers = [{ name: 'main', image: 'none' }];

podSourceContract(test, 'memory', openMemory);
podSourceContract(test.serial, 'kubernetes', openKubernetes);

let server: TestApiServer;
test.before(async () => {
  server = await TestApiServer.start();
});
test.after.always(async () => {
  await server[Symbol.asyncDispose]();
});

/** As the administrator of a kubeconfig that has everything in it. */
function accessOf(config: KubeConfig): ApiServerAccess {
  const [cluster, user] = [config.getCurrentCluster(), config.getCurrentUser()];
  const decoded = (data: string | undefined): Buffer => Buffer.from(data ?? '', 'base64');
  return { userAgent: 'test', server: new URL(cluster?.server ?? ''), roots: () => decoded(cluster?.caData), certificate: { cert: decoded(user?.certData), key: decoded(user?.keyData) } };
}

async function openMemory(): Promise<PodSourceUnderTest> {
  const source = new MemoryPodSource('n');
  return {
    source,
    node: 'n',
    namespace: 'demo',
    setNamespace: async (name, labels) => source.setNamespace({ metadata: { name, labels } }),
    setPod: async ({ namespace, name, node, labels = {}, annotations = {}, hostNetwork = false, addresses = [], phase = 'Pending' }) => {
      const known: V1Pod = source.getPod(namespace, name) ?? { metadata: { namespace, name, uid: randomUUID(), annotations }, spec: { containers, nodeName: node ?? '', hostNetwork } };
      source.setPod({ ...known, metadata: { ...known.metadata, labels }, status: { phase, podIPs: addresses.map((ip) => ({ ip })) } });
    },
    deletePod: async (namespace, name) => source.deletePod(namespace, name),
    annotation: async (namespace, name, annotation) => source.getPod(namespace, name)?.metadata?.annotations?.[annotation],
    kill: async () => source.setReachable(false),
    boot: async () => source.setReachable(true),
    [Symbol.asyncDispose]: async () => {},
  };
}

async function openKubernetes(): Promise<PodSourceUnderTest & { readonly source: KubernetesPodSource }> {
  const core = server.config.makeApiClient(CoreV1Api);
  const node = `node-${randomUUID().slice(0, 8)}`;
  const namespace = `demo-${node}`;
  const known = new Map<string, Readonly<Record<string, string>>>();
  /** A merge patch keeps what it does not name. */
  const labelsFor = (key: string, labels: Readonly<Record<string, string>>): Record<string, string | null> => {
    const gone = Object.keys(known.get(key) ?? {}).filter((label) => !(label in labels));
    known.set(key, labels);
    return { ...labels, ...Object.fromEntries(gone.map((label) => [label, null])) };
  };
  const setPod = async ({ namespace, name, node: nodeName = node, labels = {}, annotations = {}, hostNetwork = false, addresses = [], phase = 'Pending' }: WantedPod): Promise<void> => {
    const key = `${namespace}/${name}`;
    const body = { metadata: { labels: labelsFor(key, labels) } };
    const isThere = await core.readNamespacedPod({ namespace, name }).then(() => true, () => false);
    if (isThere) await core.patchNamespacedPod({ namespace, name, body }, mergePatch);
    else await core.createNamespacedPod({ namespace, body: { metadata: { name, labels, annotations }, spec: { nodeName, hostNetwork, containers } } });
    // The API server wants `podIP` to be the first of `podIPs`.
    const status = { phase, podIP: addresses[0] ?? null, podIPs: addresses.map((ip) => ({ ip })) };
    await core.patchNamespacedPodStatus({ namespace, name, body: { status } }, mergePatch);
  };
  return {
    source: new KubernetesPodSource(accessOf(server.config), node, silent),
    node,
    namespace,
    setNamespace: async (name, labels) => {
      const isNew = !known.has(name);
      const wanted = labelsFor(name, labels);
      if (isNew) await core.createNamespace({ body: { metadata: { name, labels } } });
      else await core.patchNamespace({ name, body: { metadata: { labels: wanted } } }, mergePatch);
    },
    setPod,
    deletePod: async (namespace, name) => void (await core.deleteNamespacedPod({ namespace, name, gracePeriodSeconds: 0 })),
    annotation: async (namespace, name, annotation) => (await core.readNamespacedPod({ namespace, name })).metadata?.annotations?.[annotation],
    kill: async () => await server.kill(),
    boot: async () => await server.boot(),
    [Symbol.asyncDispose]: async () => {
      if (!server.isRunning) await server.boot();
    },
  };
}

test.serial('kubernetes: an API server that is away is asked less and less often', async (t) => {
  await using setup = await openKubernetes();
  let failures = 0;
  const log = pino({ level: 'warn' }, { write: () => void (failures += 1) });
  const sets = new KubernetesPodSource(accessOf(server.config), setup.node, log).watch(AbortSignal.timeout(40_000))[Symbol.asyncIterator]();
  await readUntil(sets, '');
  await server.kill();
  await delay(3000);
  // Two lists; without a growing pause there would be some fifty failures of each.
  t.true(failures >= 2 && failures <= 40, `${failures} failures`);
  await sets.return?.();
});

test.serial('kubernetes: a watch that is left leaves nothing open', async (t) => {
  await using setup = await openKubernetes();
  let messages = 0;
  const log = pino({ level: 'trace' }, { write: () => void (messages += 1) });
  const sets = new KubernetesPodSource(accessOf(server.gatedConfig), setup.node, log).watch(new AbortController().signal)[Symbol.asyncIterator]();
  await readUntil(sets, '');
  await sets.return?.();
  await delay(500);
  server.gate.close();
  await delay(500);
  server.gate.open();
  t.is(messages, 0);
});

test('kubernetes: a watch ends on abort where the API server takes requests and never answers', async (t) => {
  const sockets = new Set<Socket>();
  const mute = createServer((socket) => void sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  const { port } = mute.address() as { port: number };
  const access: ApiServerAccess = { userAgent: 'test', server: new URL(`https://127.0.0.1:${port}`), roots: () => '', token: () => 'nobody' };
  const stop = new AbortController();
  const next = new KubernetesPodSource(access, 'n', silent).watch(stop.signal)[Symbol.asyncIterator]().next();
  while (sockets.size === 0) await delay(10);
  stop.abort();
  t.true((await Promise.race([next, delay(5000, { done: false })])).done);
  for (const socket of sockets) socket.destroy();
  mute.close();
});
