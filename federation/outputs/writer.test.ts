import { type KubernetesListObject, KubernetesObjectApi, type KubernetesObject, PatchStrategy, type V1EndpointSlice, type V1Service } from '@kubernetes/client-node';
import { type Definition, TestApiServer } from '@landbridge/lab/test-api-server.ts';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import pino from 'pino';
import { withCondition } from '../kubernetes/conditions.ts';
import { kubeConfigAccess } from '../kubernetes/kube-config-access.ts';
import { isOurs, keyOf, MCS_VERSION, type ServiceExport, type ServiceImport } from '../kubernetes/types.ts';
import type { ImportedService } from '../merge/merge.ts';
import { endpoint } from '../records/example-records.ts';
import { type Change, changes, covers } from './changes.ts';
import { desiredObjects } from './desired.ts';
import { exampleImport, importsArbitrary, part } from './example-imports.ts';
import { derivedServiceName } from './names.ts';
import { Writer } from './writer.ts';

const EVERYTHING = { isComplete: () => true, all: true };
const SERVICE_ENTRY = 'networking.istio.io/v1';
/** ServiceImport, Service, then slices and the Service's addresses in the import, then the entry, which has them too. */
const MOST_PASSES = 5;

let server: TestApiServer;
let client: KubernetesObjectApi;
let writer: Writer;
const refusals: string[] = [];

test.before(async () => {
  server = await TestApiServer.start();
  client = KubernetesObjectApi.makeApiClient(server.config);
  writer = new Writer(kubeConfigAccess(server.config, 'test'), pino({ level: 'warn' }, { write: (line: string) => void refusals.push(line) }));
  for (const name of ['shop', 'bank']) await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } } };
  for (const [kind, plural] of [['ServiceEntry', 'serviceentries'], ['WorkloadEntry', 'workloadentries']] as const) {
    const spec = { group: 'networking.istio.io', scope: 'Namespaced', names: { kind, plural }, versions: [{ name: 'v1', served: true, storage: true, schema }] };
    await server.define({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `${plural}.networking.istio.io` }, spec } as Definition);
  }
});
test.after.always(async () => {
  await server[Symbol.asyncDispose]();
});

async function list<T extends KubernetesObject>(apiVersion: string, kind: string): Promise<T[]> {
  const { items }: KubernetesListObject<T> = await client.list<T>(apiVersion, kind);
  return items.map((item) => ({ ...item, apiVersion, kind }));
}

async function pending(imports: readonly ImportedService[]): Promise<{ readonly todo: Change[]; readonly desired: readonly KubernetesObject[] }> {
  const [serviceImports, services, slices, ...entries] = await Promise.all([
    list<ServiceImport>(MCS_VERSION, 'ServiceImport'),
    list<V1Service>('v1', 'Service'),
    list<V1EndpointSlice>('discovery.k8s.io/v1', 'EndpointSlice'),
    list(SERVICE_ENTRY, 'ServiceEntry'),
    list(SERVICE_ENTRY, 'WorkloadEntry'),
  ]);
  const { objects: desired } = desiredObjects(imports, {
    cluster: 'east',
    imports: new Map(serviceImports.map((object) => [keyOf(object), object])),
    services: new Map(services.map((object) => [keyOf(object), object])),
    namespaces: new Set(['shop', 'bank']),
    serviceEntries: true,
  });
  return { todo: changes(desired, [...serviceImports, ...services, ...slices, ...entries.flat()].filter(isOurs), EVERYTHING), desired };
}

/** Writes until there is nothing to do any more; returns what is there then. */
async function settle(t: ExecutionContext, imports: readonly ImportedService[]): Promise<readonly KubernetesObject[]> {
  refusals.length = 0;
  for (let pass = 1; ; pass += 1) {
    const { todo, desired } = await pending(imports);
    if (todo.length === 0) return desired;
    if (pass > MOST_PASSES) {
      t.fail(`never done: ${JSON.stringify(todo)}`);
      return desired;
    }
    for (const change of todo) t.true(await writer.write(change), refusals.join(''));
  }
}

const versions = async (objects: readonly KubernetesObject[]): Promise<(string | undefined)[]> => await Promise.all(objects.map(async (object) => (await client.read(object as never)).metadata?.resourceVersion));

test.serial('an import is written in a few passes, once more changes nothing, and what is gone is removed', async (t) => {
  const imported = exampleImport({ clusters: [part('east', endpoint('a'), endpoint('b', '10.0.0.2')), part('west', endpoint('c', '10.0.0.3'))] });
  const objects = await settle(t, [imported]);
  t.deepEqual(objects.map(({ kind }) => kind), ['ServiceImport', 'Service', 'EndpointSlice', 'EndpointSlice', 'ServiceEntry']);
  const before = await versions(objects);
  for (const object of objects) t.true(await writer.write({ verb: 'apply', object }));
  t.deepEqual(await versions(objects), before);
  t.deepEqual((await pending([imported])).todo, []);

  const [{ spec } = {}] = await list<ServiceImport>(MCS_VERSION, 'ServiceImport');
  const [service] = (await list<V1Service>('v1', 'Service')).filter(isOurs);
  t.deepEqual(spec?.ips, service?.spec?.clusterIPs);
  t.is(spec?.ips?.length, 1);

  await settle(t, []);
  for (const object of objects) await t.throwsAsync(client.read(object as never), { message: /404/ });
  for (const object of objects) t.true(await writer.write({ verb: 'delete', object }), 'what is gone already counts as deleted');
});

test.serial('whatever imports become others, the API server takes it and then has exactly that', async (t) => {
  await fc.assert(
    fc.asyncProperty(importsArbitrary, importsArbitrary, async (first, second) => {
      for (const imports of [first, second]) await settle(t, imports);
    }),
    { numRuns: 6 },
  );
  await settle(t, []);
});

for (const name of ['', 'http'] as const) {
  // A Service may have one port without a name, and not two: with a second one the API server refuses what is applied.
  test.serial(`what others add to an object stays, but ports are ours alone${name === '' ? ', also where the API server refuses to unite them' : ''}`, async (t) => {
    const imported = exampleImport({ ports: [{ name, protocol: 'TCP', port: 80 }] });
    await settle(t, [imported]);
    const service: KubernetesObject = { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'shop', name: derivedServiceName('shop', 'cart') } };
    const foreign = { ...service, metadata: { ...service.metadata, labels: { theirs: 'yes' } }, spec: { ports: [{ ...(name === '' ? {} : { name: 'theirs' }), port: 81, protocol: 'TCP' }] } };
    await client.patch(foreign, undefined, undefined, 'somebody', undefined, PatchStrategy.MergePatch);
    await settle(t, [imported]);
    const found = await client.read<V1Service>(service as never);
    t.is(found.metadata?.labels?.['theirs'], 'yes');
    t.deepEqual(found.spec?.ports?.map(({ port }) => port), [80]);
    await settle(t, [exampleImport({ ports: [{ name, protocol: 'TCP', port: 8080 }] })]);
    await settle(t, []);
  });
}

test.serial('a source with more endpoints than a slice holds gets several, which shrink and go with it', async (t) => {
  const many = (count: number): ImportedService => exampleImport({ clusters: [part('west', ...Array.from({ length: count }, (_, index) => ({ ...endpoint(`p${index}`), addresses: [`10.9.${index >> 8}.${index & 255}`] })))] });
  const lengths = async (): Promise<(number | undefined)[]> => (await list<V1EndpointSlice>('discovery.k8s.io/v1', 'EndpointSlice')).map(({ endpoints }) => endpoints?.length).sort();
  await settle(t, [many(1200)]);
  t.deepEqual(await lengths(), [1000, 200]);
  await settle(t, [many(1100)]);
  t.deepEqual(await lengths(), [100, 1000]);
  await settle(t, [many(1)]);
  t.deepEqual(await lengths(), [1]);
  await settle(t, []);
});

test.serial('an object that is another one by now is not deleted', async (t) => {
  await settle(t, [exampleImport()]);
  const [object] = (await list<V1Service>('v1', 'Service')).filter(isOurs);
  if (object === undefined) throw new Error('there is a Service');
  t.false(await writer.write({ verb: 'delete', object: { ...object, metadata: { ...object.metadata, uid: '0f0f0f0f-1111-2222-3333-444444444444' } } }));
  t.is((await client.read(object as never)).metadata?.uid, object.metadata?.uid);
  await settle(t, []);
});

test.serial('a refused write is told and can be tried again', async (t) => {
  const [object] = desiredObjects([exampleImport()], { cluster: 'east', imports: new Map(), services: new Map(), namespaces: new Set(['shop']), serviceEntries: false }).objects;
  if (object === undefined) throw new Error('an import is wanted');
  refusals.length = 0;
  t.false(await writer.write({ verb: 'apply', object: { ...object, metadata: { ...object.metadata, namespace: 'nowhere' } } }));
  t.regex(refusals.join(''), /nowhere/);
  t.false(await writer.write({ verb: 'apply', object: { ...object, kind: 'Nothing' } }));
});

test.serial('the status of an import is written beside its spec and stays when the spec is applied', async (t) => {
  const imported = exampleImport({ clusters: [part('east', endpoint('a')), part('west', endpoint('b'))] });
  await settle(t, [imported]);
  const read = async (): Promise<ServiceImport> => (await list<ServiceImport>(MCS_VERSION, 'ServiceImport'))[0] as ServiceImport;
  for (const wanted of [imported, exampleImport()]) {
    const status = { clusters: wanted.clusters.map(({ cluster }) => ({ cluster })), conditions: [{ type: 'Ready', status: 'True', reason: 'Ready', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }] };
    t.false(covers((await read()).status, status));
    t.true(await writer.writeStatus('serviceimports', await read(), status));
    t.true(covers((await read()).status, status));
    await settle(t, [wanted]);
    t.deepEqual((await read()).status, status);
  }
  await settle(t, []);
  t.true(await writer.writeStatus('serviceimports', { apiVersion: MCS_VERSION, metadata: { namespace: 'shop', name: 'cart' } }, {}), 'an import that is gone needs no status');
});

test.serial('conditions of an export are written, and what comes back asks for no other write', async (t) => {
  await client.create({ apiVersion: MCS_VERSION, kind: 'ServiceExport', metadata: { namespace: 'shop', name: 'cart' } });
  const read = async (): Promise<ServiceExport> => (await list<ServiceExport>(MCS_VERSION, 'ServiceExport'))[0] as ServiceExport;
  const valid = { type: 'Valid', status: 'True', reason: 'Valid', message: '', observedGeneration: 1 };
  const conditions = withCondition((await read()).status?.conditions, valid, new Date());
  t.truthy(conditions);
  t.true(await writer.writeStatus('serviceexports', await read(), { conditions }));
  const { status } = await read();
  t.is(withCondition(status?.conditions, valid, new Date()), undefined);
  const both = withCondition(status?.conditions, { type: 'Conflict', status: 'True', reason: 'ClusterConflict', message: 'they differ' }, new Date());
  t.true(await writer.writeStatus('serviceexports', await read(), { conditions: both }));
  t.deepEqual((await read()).status?.conditions?.map(({ type, status }) => `${type}=${status}`).sort(), ['Conflict=True', 'Valid=True']);
  refusals.length = 0;
  t.false(await writer.writeStatus('serviceexports', await read(), { conditions: [{ type: 'Valid', status: 'Perhaps' }] }));
  t.regex(refusals.join(''), /Perhaps/);
});

test.serial('a status that others have written since it was read is left to the next look', async (t) => {
  await client.create({ apiVersion: MCS_VERSION, kind: 'ServiceExport', metadata: { namespace: 'bank', name: 'shared' } });
  const read = async (): Promise<ServiceExport> => (await list<ServiceExport>(MCS_VERSION, 'ServiceExport')).find(({ metadata }) => metadata?.name === 'shared') as ServiceExport;
  const condition = (type: string) => ({ type, status: 'True', reason: 'Why', message: '', lastTransitionTime: new Date() });
  const before = await read();
  t.true(await writer.writeStatus('serviceexports', before, { conditions: [condition('Theirs')] }));
  refusals.length = 0;
  t.false(await writer.writeStatus('serviceexports', before, { conditions: [condition('Ours')] }, { asRead: true }));
  t.deepEqual(refusals, [], 'it is no failure');
  t.true(await writer.writeStatus('serviceexports', await read(), { conditions: [condition('Ours'), condition('Theirs')] }, { asRead: true }));
  t.deepEqual((await read()).status?.conditions?.map(({ type }) => type).sort(), ['Ours', 'Theirs']);
});

test('a condition that another generation of its object was judged for is written anew, since when it holds stays', (t) => {
  const condition = { type: 'Valid', status: 'True', reason: 'Valid', message: '', observedGeneration: 1 };
  const first = withCondition(undefined, condition, new Date(1));
  t.is(withCondition(first, condition, new Date(2)), undefined);
  t.deepEqual(withCondition(first, { ...condition, observedGeneration: 2 }, new Date(2)), [{ ...condition, observedGeneration: 2, lastTransitionTime: new Date(1) }]);
});
