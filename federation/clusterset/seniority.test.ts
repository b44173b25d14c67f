import { fromBinary } from '@bufbuild/protobuf';
import type { V1Condition, V1EndpointSlice } from '@kubernetes/client-node';
import type { ServicePort, ServiceRecord } from '@landbridge/core/records.ts';
import { AddressSchema } from '@landbridge/wire/gen/workload_pb.js';
import { ADDRESS_TYPE } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { MCS_SOURCE_LABEL, type ServiceExport, type ServiceImport } from '../kubernetes/types.ts';
import { PRECEDENCE_ANNOTATION } from '../outputs/import-metadata.ts';
import { endpoint, exampleKeys, exampleMember } from '../records/example-records.ts';
import type { ClusterView } from '../records/peer-table.ts';
import { ExampleCluster, exampleView, exporting, settled } from './example-cluster.ts';

const http: ServicePort = { name: 'http', protocol: 'TCP', port: 80 };

function view(cluster: string, record: Partial<ServiceRecord> = {}, joinedAt = 1): readonly [string, ClusterView] {
  const exported: ServiceRecord = { kind: 'svc', namespace: 'shop', name: 'cart', exportedAt: 5000, type: 'ClusterSetIP', ports: [http], sessionAffinity: 'None', ipFamilies: ['IPv4'], ...record };
  const theirs = { ...endpoint(`cart-${cluster}`, '10.2.0.1'), ports: [{ name: 'http', protocol: 'TCP' as const, port: 8080 }] };
  return [cluster, exampleView(cluster, { member: exampleMember(cluster, exampleKeys(), { network: '', joinedAt }), services: new Map([['shop/cart', exported]]), endpoints: new Map([['shop/cart', [theirs]]]) })];
}

const east = (): readonly [string, ClusterView] => ['east', exampleView('east', { member: exampleMember('east', exampleKeys(), { network: '', joinedAt: 0 }) })];
const importOf = (cluster: ExampleCluster): ServiceImport | undefined => cluster.list('ServiceImport')[0] as ServiceImport | undefined;
const orderOf = (cluster: ExampleCluster): string | undefined => importOf(cluster)?.metadata?.annotations?.[PRECEDENCE_ANNOTATION];
const conflict = (cluster: ExampleCluster): V1Condition | undefined => (cluster.list('ServiceExport')[0] as ServiceExport | undefined)?.status?.conditions?.find(({ type }) => type === 'Conflict');

test('who says 1970 comes after who was there before, and who was there before stays first over a restart', async (t) => {
  const cluster = exporting();
  cluster.membership.views = new Map([east()]);
  await using _ = await settled(cluster);
  t.is(orderOf(cluster), 'east');
  const mallory = view('mallory', { exportedAt: 0, type: 'Headless', ports: [] });
  cluster.membership.views = new Map([east(), mallory]);
  await cluster.settle();
  t.deepEqual([orderOf(cluster), importOf(cluster)?.spec?.type], ['east,mallory', 'ClusterSetIP']);
  t.like(conflict(cluster), { status: 'True', reason: 'PortConflict,TypeConflict' });
  await cluster.restart({});
  t.deepEqual(cluster.written, []);
  t.deepEqual([orderOf(cluster), importOf(cluster)?.spec?.type], ['east,mallory', 'ClusterSetIP']);
});

test('of those that are seen together the older one decides, but nobody is older than its membership', async (t) => {
  for (const [joinedAt, first] of [[0, 'west'], [2000, 'east']] as const) {
    const cluster = exporting();
    cluster.membership.views = new Map([east(), view('west', { exportedAt: 500, sessionAffinity: 'ClientIP', sessionAffinityTimeoutSeconds: 60 }, joinedAt)]);
    await using _ = await settled(cluster);
    t.is(orderOf(cluster)?.split(',')[0], first);
    t.is(importOf(cluster)?.spec?.sessionAffinity, first === 'west' ? 'ClientIP' : 'None');
  }
});

test('a cluster by itself, and one that does not know all yet, gives nobody a place', async (t) => {
  const cluster = exporting();
  await using _ = await settled(cluster);
  t.is(orderOf(cluster), undefined);
  cluster.membership.views = new Map([east(), view('west', { exportedAt: 500 })]);
  cluster.membership.allListed = false;
  await cluster.settle();
  t.is(orderOf(cluster), undefined);
  cluster.membership.allListed = true;
  await cluster.settle();
  t.is(orderOf(cluster), 'west,east');
});

test('who withdraws its export is last when it comes back', async (t) => {
  const cluster = exporting();
  cluster.membership.views = new Map([east(), view('west', { exportedAt: 500 })]);
  await using _ = await settled(cluster);
  t.is(orderOf(cluster), 'west,east');
  cluster.membership.views = new Map([east(), ['west', exampleView('west')]]);
  await cluster.settle();
  t.is(orderOf(cluster), 'east');
  cluster.membership.views = new Map([east(), view('west', { exportedAt: 500 })]);
  await cluster.settle();
  t.is(orderOf(cluster), 'east,west');
});

test('whoever may write imports may say who decides, and it stays so', async (t) => {
  const cluster = exporting();
  cluster.membership.views = new Map([east(), view('west', { sessionAffinity: 'ClientIP', sessionAffinityTimeoutSeconds: 60 }, 2000)]);
  await using _ = await settled(cluster);
  t.deepEqual([orderOf(cluster), importOf(cluster)?.spec?.sessionAffinity], ['east,west', 'None']);
  const object = importOf(cluster) as ServiceImport;
  cluster.put({ ...object, metadata: { ...object.metadata, annotations: { ...object.metadata?.annotations, [PRECEDENCE_ANNOTATION]: 'west,east' } } });
  await cluster.settle();
  t.deepEqual([orderOf(cluster), importOf(cluster)?.spec?.sessionAffinity], ['west,east', 'ClientIP']);
  await cluster.restart({});
  t.deepEqual([orderOf(cluster), importOf(cluster)?.spec?.sessionAffinity], ['west,east', 'ClientIP']);
});

test('a port leads to the clusters that have it under its name and number: in slices and at agents', async (t) => {
  const cluster = exporting();
  cluster.membership.views = new Map([east(), view('west', { exportedAt: 2000, ports: [{ ...http, port: 8080 }] })]);
  await using _ = await settled(cluster);
  t.deepEqual(importOf(cluster)?.spec?.ports?.map(({ port }) => port), [80]);
  const sources = (cluster.list('EndpointSlice') as V1EndpointSlice[]).map(({ metadata }) => metadata?.labels?.[MCS_SOURCE_LABEL]).filter((source) => source !== undefined);
  t.deepEqual(sources, ['east']);
  const served = (uid: string): readonly number[] => {
    const { type } = fromBinary(AddressSchema, cluster.told.at(-1)?.types.get(ADDRESS_TYPE)?.get(uid)?.bytes ?? new Uint8Array());
    return type.case === 'workload' ? (type.value.services['shop/cart.shop.svc.clusterset.local']?.ports ?? []).map(({ servicePort }) => servicePort) : [];
  };
  t.deepEqual([served('east//Pod/shop/cart-1'), served('west//Pod/shop/cart-west')], [[80], []]);
});

test('an export is ready once the hub has it', async (t) => {
  const cluster = exporting();
  cluster.membership.publication = { kind: 'waiting' };
  await using _ = await settled(cluster);
  const ready = (): V1Condition | undefined => (cluster.list('ServiceExport')[0] as ServiceExport).status?.conditions?.find(({ type }) => type === 'Ready');
  t.like(ready(), { status: 'False', reason: 'Pending' });
  cluster.membership.publication = { kind: 'stored' };
  await cluster.settle();
  t.like(ready(), { status: 'True', reason: 'Exported' });
  cluster.membership.publication = { kind: 'waiting' };
  await cluster.settle();
  t.like(ready(), { status: 'True', reason: 'Exported' }, 'others have what was there before');
});

test('a namespace that comes later gets its imports then, and one that goes takes nothing else along', async (t) => {
  const cluster = new ExampleCluster();
  const [, { services, endpoints }] = view('west');
  const elsewhere = new Map([...services].map(([, record]) => ['later/cart', { ...record, namespace: 'later' }]));
  cluster.membership.views = new Map([east(), ['west', exampleView('west', { services: new Map([...services, ...elsewhere]), endpoints: new Map([...endpoints, ...endpoints].map(([, list], i) => [i === 0 ? 'shop/cart' : 'later/cart', list])) })]]);
  await using _ = await settled(cluster);
  const imported = (): readonly string[] => cluster.list('ServiceImport').map(({ metadata }) => metadata?.namespace ?? '').sort();
  t.deepEqual(imported(), ['shop']);
  cluster.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'later' } });
  await cluster.settle();
  t.deepEqual(imported(), ['later', 'shop']);
  for (const kind of ['ServiceImport', 'Service', 'EndpointSlice']) for (const { metadata } of cluster.list(kind)) if (metadata?.namespace === 'later') cluster.remove(kind, metadata.name ?? '', 'later');
  cluster.remove('Namespace', 'later', '');
  await cluster.settle();
  cluster.written.length = 0;
  await cluster.settle();
  t.deepEqual([imported(), cluster.written], [['shop'], []]);
});
