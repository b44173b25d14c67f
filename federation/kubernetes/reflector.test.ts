import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type KubeConfig, KubernetesObjectApi, type KubernetesObject, PatchStrategy } from '@kubernetes/client-node';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import type { ListAndWatch } from '@landbridge/kubernetes/reflector.ts';
import { type Fault, type Question, TestObjectServer } from '@landbridge/kubernetes/test-object-server.ts';
import { type Definition, TestApiServer } from '@landbridge/lab/test-api-server.ts';
import test from 'ava';
import pino from 'pino';
import { kubeConfigAccess } from './kube-config-access.ts';
import { MemoryObjectSource } from './memory-object-source.ts';
import type { ResourceKind } from './object-source.ts';
import { objectSourceContract, type ObjectSourceUnderTest } from './reflector.contract.ts';
import { KubernetesObjectSource } from './kubernetes-object-source.ts';

const silent = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });
/** Lists that follow each other sooner than they would in a cluster. */
const FAST = { listSpacingMs: 500 };
const clientOf = (config: KubeConfig): ApiServerClient => new ApiServerClient(kubeConfigAccess(config, 'landbridge-test/1'));
const LABEL = 'landbridge-test';

objectSourceContract(test, 'memory', openMemory);
objectSourceContract(test.serial, 'kubernetes', openReflector);
// The same from a server that does everything wrong that it can, and then answers.
for (const offersInitialEvents of [true, false]) objectSourceContract(test.serial, `misbehaving ${offersInitialEvents ? 'watch-list' : 'lists'}`, async (kind) => await openMisbehaving(kind, offersInitialEvents));

let server: TestApiServer;
test.before(async () => {
  server = await TestApiServer.start();
});
test.after.always(async () => {
  await server[Symbol.asyncDispose]();
});

async function openMemory(kind: ResourceKind): Promise<ObjectSourceUnderTest> {
  const source = new MemoryObjectSource({ ...kind, labelSelector: `${LABEL}=yes` });
  const namespace = kind.kind === 'Namespace' ? undefined : 'demo';
  return {
    source,
    namespace,
    put: async (name, turn, isSelected = true) => source.put({ metadata: { ...(namespace === undefined ? {} : { namespace }), name, labels: { turn, [LABEL]: isSelected ? 'yes' : 'no' } } }),
    remove: async (name) => source.remove(namespace, name),
    setReachable: async (isReachable) => source.setReachable(isReachable),
    restart: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

/** What a kind can not be without. */
const REQUIRED: Readonly<Record<string, object>> = { Service: { spec: { ports: [{ port: 80 }] } }, EndpointSlice: { addressType: 'IPv4', endpoints: [] } };

async function openReflector(kind: ResourceKind): Promise<ObjectSourceUnderTest> {
  const client = KubernetesObjectApi.makeApiClient(server.config);
  const id = `t-${randomUUID().slice(0, 8)}`;
  const namespace = kind.kind === 'Namespace' ? undefined : id;
  if (namespace !== undefined) await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  const { apiVersion } = kind;
  const object = (name: string): KubernetesObject => ({ apiVersion, kind: kind.kind, metadata: { ...(namespace === undefined ? {} : { namespace }), name } });
  const made = new Set<string>();
  return {
    source: new KubernetesObjectSource(clientOf(server.gatedConfig), { ...kind, labelSelector: `${LABEL}=${id}` }, silent, FAST),
    namespace,
    put: async (name, turn, isSelected = true) => {
      const known = object(name);
      const labelled = { ...known, ...REQUIRED[kind.kind], metadata: { ...known.metadata, labels: { turn, [LABEL]: isSelected ? id : 'other' } } };
      if (made.has(name)) await client.patch(labelled, undefined, undefined, undefined, undefined, PatchStrategy.MergePatch);
      else await client.create(labelled);
      made.add(name);
    },
    remove: async (name) => void (await client.delete(object(name))),
    setReachable: async (isReachable) => server.gate[isReachable ? 'open' : 'close'](),
    restart: async () => {
      await server.kill();
      await server.boot();
    },
    [Symbol.asyncDispose]: async () => server.gate.open(),
  };
}

/** What goes wrong with one question after another of a kind. An answer to a list that never comes is waited for longer than a test can. */
const FAULTS: Readonly<Record<Question['kind'], readonly (Fault | undefined)[]>> = {
  list: [{ kind: 'status', code: 503 }, { kind: 'cut' }, undefined, { kind: 'garbage' }, { kind: 'status', code: 410 }, undefined, { kind: 'status', code: 429, retryAfterSeconds: 1 }],
  'watch-all': [{ kind: 'cut' }, { kind: 'silent' }, undefined, { kind: 'status', code: 500 }, { kind: 'huge' }],
  watch: [{ kind: 'cut' }, undefined, { kind: 'silent' }, undefined, { kind: 'expired' }, { kind: 'garbage' }, { kind: 'status', code: 503 }, undefined],
};

async function openMisbehaving(kind: ResourceKind, offersInitialEvents: boolean): Promise<ObjectSourceUnderTest> {
  const { apiVersion } = kind;
  const at = `/${apiVersion.includes('/') ? 'apis' : 'api'}/${apiVersion}/${kind.plural}`;
  const namespace = kind.kind === 'Namespace' ? undefined : 'demo';
  const objects = await TestObjectServer.start();
  objects.offersInitialEvents = offersInitialEvents;
  const asked: Record<string, number> = {};
  let isReachable = true;
  objects.fault = ({ kind: question }) => {
    if (!isReachable) return { kind: 'status', code: 503 };
    const count = (asked[question] = (asked[question] ?? -1) + 1);
    return FAULTS[question][count % FAULTS[question].length];
  };
  // Waits that are a fraction of what they are in a cluster: this is about what happens, not when.
  const client = new ApiServerClient(objects.access, { silenceMs: 200 });
  const random = Math.random;
  Math.random = () => random() / 10;
  return {
    source: new KubernetesObjectSource(client, { ...kind, labelSelector: `${LABEL}=yes` }, silent, { listSpacingMs: 50 }),
    namespace,
    put: async (name, turn, isSelected = true) => objects.put(at, { metadata: { ...(namespace === undefined ? {} : { namespace }), name, labels: { turn, [LABEL]: isSelected ? 'yes' : 'no' } } }),
    remove: async (name) => objects.remove(at, namespace, name),
    setReachable: async (reachable) => {
      isReachable = reachable;
      if (!reachable) objects.disconnect();
    },
    restart: async () => objects.forget(),
    [Symbol.asyncDispose]: async () => {
      Math.random = random;
      await objects[Symbol.asyncDispose]();
    },
  };
}

test.serial('kubernetes: objects are told by a watch, without a list', async (t) => {
  const asked: string[] = [];
  const client = clientOf(server.config);
  const counted: ListAndWatch = {
    list: async (...question) => {
      asked.push('list');
      return await client.list(...question);
    },
    watch: (...question) => {
      asked.push(question[2].kind);
      return client.watch(...question);
    },
  };
  const stop = new AbortController();
  const source = new KubernetesObjectSource(counted, { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces' }, silent);
  const synced = Promise.withResolvers<void>();
  source.start(() => synced.resolve(), stop.signal);
  await synced.promise;
  t.true(source.list().some(({ metadata }) => metadata?.name === 'kube-system'));
  t.deepEqual(asked, ['objects']);
  stop.abort();
});

test.serial('kubernetes: an API server that is away is asked less and less often', async (t) => {
  let failures = 0;
  const log = pino({ level: 'warn' }, { write: () => void (failures += 1) });
  const stop = new AbortController();
  const reflector = new KubernetesObjectSource(clientOf(server.gatedConfig), { apiVersion: 'v1', kind: 'Node', plural: 'nodes' }, log);
  const first = Promise.withResolvers<void>();
  reflector.start(() => first.resolve(), stop.signal);
  await first.promise;
  server.gate.close();
  await delay(3000);
  // Without a growing pause there would be more than fifty.
  t.true(failures >= 1 && failures <= 20, `${failures} failures`);
  server.gate.open();
  stop.abort();
});

test.serial('kubernetes: a kind that is defined later is followed from then on', async (t) => {
  const kind = { apiVersion: 'test.landbridge.dev/v1', kind: 'Thing', plural: 'things' };
  const stop = new AbortController();
  const reflector = new KubernetesObjectSource(clientOf(server.gatedConfig), kind, silent, FAST);
  const synced = Promise.withResolvers<void>();
  reflector.start(() => synced.resolve(), stop.signal);
  await delay(200);
  t.false(reflector.synced);
  const spec = { group: 'test.landbridge.dev', scope: 'Cluster', names: { kind: 'Thing', plural: 'things' }, versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }] };
  await server.define({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'things.test.landbridge.dev' }, spec } as Definition);
  await synced.promise;
  t.true(reflector.synced);
  t.deepEqual(reflector.list(), []);
  stop.abort();
});
