import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { KubernetesObjectApi, type KubernetesObject, PatchStrategy } from '@kubernetes/client-node';
import { type Definition, TestApiServer } from '@landbridge/lab/test-api-server.ts';
import test from 'ava';
import pino from 'pino';
import { MemoryObjectSource } from './memory-object-source.ts';
import type { ResourceKind } from './object-source.ts';
import { objectSourceContract, type ObjectSourceUnderTest } from './reflector.contract.ts';
import { Reflector } from './reflector.ts';

const silent = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });
const LABEL = 'landbridge-test';

objectSourceContract(test, 'memory', openMemory);
objectSourceContract(test.serial, 'kubernetes', openReflector);

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
    source: new Reflector(server.gatedConfig, { ...kind, labelSelector: `${LABEL}=${id}` }, silent),
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

test.serial('kubernetes: an API server that is away is asked less and less often', async (t) => {
  let failures = 0;
  const log = pino({ level: 'warn' }, { write: () => void (failures += 1) });
  const stop = new AbortController();
  const reflector = new Reflector(server.gatedConfig, { apiVersion: 'v1', kind: 'Node', plural: 'nodes' }, log);
  const first = Promise.withResolvers<void>();
  reflector.start(first.resolve, stop.signal);
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
  const reflector = new Reflector(server.gatedConfig, kind, silent);
  const synced = Promise.withResolvers<void>();
  reflector.start(synced.resolve, stop.signal);
  await delay(200);
  t.false(reflector.synced);
  const spec = { group: 'test.landbridge.dev', scope: 'Cluster', names: { kind: 'Thing', plural: 'things' }, versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }] };
  await server.define({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'things.test.landbridge.dev' }, spec } as Definition);
  await synced.promise;
  t.true(reflector.synced);
  t.deepEqual(reflector.list(), []);
  stop.abort();
});
