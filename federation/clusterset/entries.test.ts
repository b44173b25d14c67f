import { fromBinary } from '@bufbuild/protobuf';
import type { KubernetesObject } from '@kubernetes/client-node';
import { until } from '@landbridge/lab/until.ts';
import { AddressSchema, type Service } from '@landbridge/wire/gen/workload_pb.js';
import { ADDRESS_TYPE } from '@landbridge/wire/protocol.ts';
import test, { type ExecutionContext } from 'ava';
import { exampleServiceEntry, exampleWorkloadEntry } from '../entries/example-entries.ts';
import { derivedServiceName } from '../outputs/names.ts';
import { exampleEndpoint, exampleExport, examplePod, exampleService, exampleSlice } from '../registry/example-objects.ts';
import { ExampleCluster } from './example-cluster.ts';

/* ServiceEntries and WorkloadEntries, from objects of an API server to what agents are told. */

const ENTRY = 'shop/db.example';
const VM = 'east/networking.istio.io/WorkloadEntry/shop/vm';

const definition = (plural: 'serviceentries' | 'workloadentries', { isOurs = true, version = 'v1' } = {}): KubernetesObject => ({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `${plural}.networking.istio.io` }, spec: { names: { categories: isOurs ? ['landbridge'] : ['istio-io'] }, versions: [{ name: version, served: true }] } }) as KubernetesObject;

async function defined(options: { readonly isOurs?: boolean; readonly version?: string } = {}): Promise<ExampleCluster> {
  const cluster = new ExampleCluster();
  for (const plural of ['serviceentries', 'workloadentries'] as const) cluster.put(definition(plural, options));
  cluster.start();
  await cluster.settle();
  return cluster;
}

/** Looks until it is so, and says what it is when it is not. */
async function becomes<T>(t: ExecutionContext, cluster: ExampleCluster, look: () => T, expected: T): Promise<void> {
  await until(() => `${JSON.stringify(expected)} in the place of ${JSON.stringify(look())}`, () => JSON.stringify(look()) === JSON.stringify(expected));
  await cluster.settle();
  t.deepEqual(look(), expected);
}

const told = (cluster: ExampleCluster): readonly string[] => [...(cluster.told.at(-1)?.types.get(ADDRESS_TYPE)?.keys() ?? [])].sort();
const serviceOf = (cluster: ExampleCluster, name: string): Service | undefined => {
  const resource = cluster.told.at(-1)?.types.get(ADDRESS_TYPE)?.get(name);
  return resource === undefined ? undefined : (fromBinary(AddressSchema, resource.bytes).type.value as Service);
};

for (const version of ['v1', 'v1beta1']) {
  test(`entries are told while their kinds are defined in ${version}, and go with the definitions`, async (t) => {
    await using cluster = await defined({ version });
    cluster.put(exampleServiceEntry('db', { resolution: 'STATIC', addresses: ['203.0.113.1'], workloadSelector: { labels: { app: 'db' } } }));
    cluster.put(exampleWorkloadEntry('vm', { labels: { app: 'db' } }));
    await becomes(t, cluster, () => told(cluster), [VM, ENTRY].sort());
    cluster.remove('CustomResourceDefinition', 'workloadentries.networking.istio.io', '');
    await becomes(t, cluster, () => told(cluster), [ENTRY]);
    cluster.remove('CustomResourceDefinition', 'serviceentries.networking.istio.io', '');
    await becomes(t, cluster, () => told(cluster), []);
    cluster.put(definition('serviceentries', { version }));
    await becomes(t, cluster, () => told(cluster), [ENTRY]);
  });
}

test('what we write of imports is not read as an entry, and written for others only', async (t) => {
  await using cluster = await defined({ isOurs: false });
  cluster.put(exampleService('cart', { ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }));
  cluster.put(examplePod('cart-1'));
  cluster.put(exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1')], { ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] }));
  cluster.put(exampleExport('cart'));
  const names = (): (string | undefined)[] => cluster.list('ServiceEntry').map(({ metadata }) => metadata?.name);
  await becomes(t, cluster, names, [derivedServiceName('shop', 'cart')]);
  t.deepEqual(told(cluster).filter((name) => name.includes('ServiceEntry')), []);
  t.is(serviceOf(cluster, 'shop/cart.shop.svc.clusterset.local')?.name, 'cart');
  cluster.put(definition('serviceentries'));
  // Nobody reads them.
  await becomes(t, cluster, names, []);
});

test('an entry that says nonsense leaves others as they are', async (t) => {
  await using cluster = await defined();
  cluster.put(exampleServiceEntry('good', { resolution: 'STATIC' }));
  cluster.put(exampleServiceEntry('bad', 'nonsense'));
  cluster.put(exampleServiceEntry('worse', { hosts: ['0177.0.0.1', '*'], endpoints: 7 }));
  cluster.put(exampleWorkloadEntry('bad', { address: '::ffff:127.0.0.1' }));
  await becomes(t, cluster, () => told(cluster), [ENTRY]);
});

interface Told {
  readonly addresses?: readonly { readonly host: string; readonly value: string }[];
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string; readonly message: string }[];
}
const statusOf = (cluster: ExampleCluster, name: string, kind = 'ServiceEntry'): Told => (cluster.list(kind).find(({ metadata }) => metadata?.name === name) as { status?: Told } | undefined)?.status ?? {};
const addressesOf = (cluster: ExampleCluster, name: string): string[] => (statusOf(cluster, name).addresses ?? []).map(({ host, value }) => `${host} ${value}`);

test('hosts without addresses get their own, of both families, and keep them', async (t) => {
  await using cluster = await defined();
  for (const name of ['db', 'api']) cluster.put(exampleServiceEntry(name, { resolution: 'DNS', hosts: [`${name}.example`, '*.wild.example'] }));
  await becomes(t, cluster, () => ['db', 'api'].map((name) => addressesOf(cluster, name).length), [2, 2]);
  const before = addressesOf(cluster, 'db');
  t.regex(before.join(), /^db\.example 240\.240\.\d+\.\d+,db\.example 2001:2::f0f0:[0-9a-f]+$/);
  await becomes(t, cluster, () => serviceOf(cluster, ENTRY)?.addresses.length, 2);
  await cluster.restart({});
  t.deepEqual([cluster.written, addressesOf(cluster, 'db')], [[], before], 'whoever comes next finds the same');
  cluster.put({ ...cluster.list('ServiceEntry').find(({ metadata }) => metadata?.name === 'db'), spec: { hosts: ['db.example'], resolution: 'DNS', addresses: ['203.0.113.1'] } } as KubernetesObject);
  await becomes(t, cluster, () => addressesOf(cluster, 'db'), []);
  t.is(addressesOf(cluster, 'api').length, 2);
});

test('where the definition is somebody else’s, so are the addresses; they are told all the same', async (t) => {
  await using cluster = await defined({ isOurs: false });
  cluster.put(exampleServiceEntry('db', { resolution: 'DNS' }));
  cluster.put(exampleServiceEntry('api', { resolution: 'DNS', hosts: ['api.example'] }, {}, { addresses: [{ host: 'api.example', value: '240.240.0.9' }] }));
  await becomes(t, cluster, () => [serviceOf(cluster, ENTRY)?.addresses.length, serviceOf(cluster, 'shop/api.example')?.addresses.length], [0, 1]);
  t.deepEqual(cluster.written.filter((each) => each.includes('serviceentries')), []);
});

test('an entry says what was left out of it, and no more of that once it is mended', async (t) => {
  await using cluster = await defined();
  const theirs = { type: 'Theirs', status: 'True', reason: 'Why', message: 'x', lastTransitionTime: new Date(1) };
  cluster.put(exampleServiceEntry('part', { resolution: 'STATIC', addresses: ['203.0.113.1', '0177.0.0.1'] }, {}, { conditions: [theirs] }));
  cluster.put(exampleServiceEntry('none', 'nonsense'));
  cluster.put(exampleServiceEntry('waypoint', { resolution: 'DYNAMIC_DNS' }));
  cluster.put(exampleServiceEntry('good', { resolution: 'STATIC', addresses: ['203.0.113.2'] }));
  cluster.put(exampleWorkloadEntry('vm', { address: '::ffff:127.0.0.1' }));
  const said = (name: string, kind?: string): string => (statusOf(cluster, name, kind).conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason}`).join();
  await becomes(t, cluster, () => [said('part'), said('none'), said('waypoint'), said('good'), said('vm', 'WorkloadEntry')], ['Theirs=True Why,Accepted=True PartiallyInvalid', 'Accepted=False Invalid', 'Accepted=False UnsupportedValue', '', 'Accepted=False Invalid']);
  t.regex(statusOf(cluster, 'part').conditions?.[1]?.message ?? '', /spec\.addresses\[1\] "0177\.0\.0\.1"/);
  cluster.put(exampleWorkloadEntry('vm', {}, {}, statusOf(cluster, 'vm', 'WorkloadEntry')));
  await becomes(t, cluster, () => said('vm', 'WorkloadEntry'), 'Accepted=True Accepted');
});

test('what could not be written is tried again, and others are written meanwhile', async (t) => {
  await using cluster = await defined();
  cluster.refused.add('ServiceEntry');
  cluster.put(exampleServiceEntry('db', { resolution: 'DNS' }));
  cluster.put(exampleWorkloadEntry('vm', { address: 'unix:///run/x' }));
  await becomes(t, cluster, () => statusOf(cluster, 'vm', 'WorkloadEntry').conditions?.length, 1);
  t.deepEqual(addressesOf(cluster, 'db'), []);
  cluster.refused.clear();
  await becomes(t, cluster, () => addressesOf(cluster, 'db').length, 2);
});

test('a replica that does not lead finds no addresses, and does once it leads', async (t) => {
  await using cluster = await defined();
  cluster.leadership.set(false);
  cluster.put(exampleServiceEntry('db', { resolution: 'DNS' }));
  await becomes(t, cluster, () => told(cluster).includes(ENTRY), true);
  t.deepEqual(cluster.written, []);
  cluster.leadership.set(true);
  await becomes(t, cluster, () => addressesOf(cluster, 'db').length, 2);
});
