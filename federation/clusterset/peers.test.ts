import { fromBinary } from '@bufbuild/protobuf';
import type { KubernetesObject, V1EndpointSlice } from '@kubernetes/client-node';
import type { Endpoint, ServicePort, ServiceRecord } from '@landbridge/core/records.ts';
import { until } from '@landbridge/lab/until.ts';
import { AddressSchema, LoadBalancing_Mode, LoadBalancing_Scope, type Service, type Workload, WorkloadStatus } from '@landbridge/wire/gen/workload_pb.js';
import { ADDRESS_TYPE } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { MCS_SOURCE_LABEL, type ServiceImport } from '../kubernetes/types.ts';
import type { MemberObject } from '../peers/member-object.ts';
import { endpoint } from '../records/example-records.ts';
import type { ClusterView } from '../records/peer-table.ts';
import { ExampleCluster, exampleView, exporting, settled } from './example-cluster.ts';

const http: ServicePort = { name: 'http', protocol: 'TCP', port: 80 };
const MEMBERS = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'members.landbridge.dev' }, spec: { versions: [{ name: 'v1alpha1', served: true }] } } as KubernetesObject;
const SERVICE_ENTRIES = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'serviceentries.networking.istio.io' }, spec: { versions: [{ name: 'v1', served: true }] } } as KubernetesObject;

function west(names: readonly string[], more: Partial<ClusterView> = {}): ReadonlyMap<string, ClusterView> {
  const record = (name: string): ServiceRecord => ({ kind: 'svc', namespace: 'shop', name, exportedAt: 1, type: 'ClusterSetIP', ports: [http], sessionAffinity: 'None', ipFamilies: ['IPv4'] });
  const theirs = (name: string): readonly Endpoint[] => [{ ...endpoint(`${name}-w`, '10.2.0.1'), ports: [{ ...http, port: 8080 }] }];
  return new Map([['west', exampleView('west', { services: new Map(names.map((name) => [`shop/${name}`, record(name)])), endpoints: new Map(names.map((name) => [`shop/${name}`, theirs(name)])), ...more })]]);
}

const readyOf = (cluster: ExampleCluster, source: string): (boolean | undefined)[] => (cluster.list('EndpointSlice') as V1EndpointSlice[]).filter(({ metadata }) => metadata?.labels?.[MCS_SOURCE_LABEL] === source).flatMap(({ endpoints }) => (endpoints ?? []).map(({ conditions }) => conditions?.ready));
const importsOf = (cluster: ExampleCluster): string[] => (cluster.list('ServiceImport') as ServiceImport[]).map(({ metadata }) => metadata?.name ?? '').sort();
const stateOf = (cluster: ExampleCluster, name: string): MemberObject['status'] => (cluster.list('Member') as MemberObject[]).find(({ metadata }) => metadata?.name === name)?.status;

function told(cluster: ExampleCluster, name: string): Workload | Service | undefined {
  const { type } = fromBinary(AddressSchema, cluster.told.at(-1)?.types.get(ADDRESS_TYPE)?.get(name)?.bytes ?? new Uint8Array());
  return type.value;
}
const service = (cluster: ExampleCluster): Service => told(cluster, 'shop/cart.shop.svc.clusterset.local') as Service;
const preferences = (cluster: ExampleCluster): readonly LoadBalancing_Scope[] => service(cluster).loadBalancing?.routingPreference ?? [];
const workload = (cluster: ExampleCluster): Workload | undefined => told(cluster, 'west//Pod/shop/cart-w') as Workload | undefined;

test('endpoints of a stale peer come last for agents, and are not ready in slices, where another one is; then they are as ever', async (t) => {
  const cluster = exporting();
  cluster.put(SERVICE_ENTRIES);
  cluster.membership.views = west(['cart']);
  await using _ = await settled(cluster);
  t.deepEqual([readyOf(cluster, 'west'), readyOf(cluster, 'east'), preferences(cluster).includes(LoadBalancing_Scope.SUBZONE)], [[true], [true], false]);
  t.is(workload(cluster)?.locality, undefined);

  cluster.membership.standings = new Map([['west', 'last']]);
  await cluster.settle();
  t.deepEqual([readyOf(cluster, 'west'), readyOf(cluster, 'east')], [[false], [true]]);
  t.deepEqual([service(cluster).loadBalancing?.mode, preferences(cluster)[0]], [LoadBalancing_Mode.FAILOVER, LoadBalancing_Scope.SUBZONE]);
  t.is(workload(cluster)?.status, WorkloadStatus.HEALTHY, 'an agent that finds no other goes there');
  t.not(workload(cluster)?.locality?.subzone ?? '', '');
  t.notRegex(JSON.stringify(cluster.list('ServiceEntry')), /10\.2\.0\.1/);

  for (const { metadata } of cluster.list('EndpointSlice')) if (metadata?.labels?.['kubernetes.io/service-name'] === 'cart') cluster.remove('EndpointSlice', metadata.name ?? '');
  await cluster.settle();
  t.deepEqual([readyOf(cluster, 'west'), preferences(cluster).includes(LoadBalancing_Scope.SUBZONE)], [[true], false], 'the last ones');
  t.regex(JSON.stringify(cluster.list('ServiceEntry')), /10\.2\.0\.1/);

  cluster.membership.standings = new Map();
  await cluster.settle();
  t.is(workload(cluster)?.locality, undefined);
});

test('endpoints of a peer to which agents can not connect come last, but for services that have no others', async (t) => {
  const cluster = exporting();
  cluster.membership.views = west(['cart', 'pay']);
  await using _ = await settled(cluster);
  t.deepEqual(readyOf(cluster, 'west'), [true, true]);
  cluster.doubted.add('west');
  await cluster.settle();
  t.deepEqual([readyOf(cluster, 'west').toSorted(), readyOf(cluster, 'east'), preferences(cluster)[0]], [[false, true], [true], LoadBalancing_Scope.SUBZONE]);
  t.deepEqual(importsOf(cluster), ['cart', 'pay']);
  cluster.doubted.clear();
  await cluster.settle();
  t.deepEqual(readyOf(cluster, 'west'), [true, true]);
});

test('those of one that is gone for too long are not there, but for services that have no others', async (t) => {
  const cluster = exporting();
  cluster.membership.views = west(['cart', 'pay']);
  cluster.membership.standings = new Map([['west', 'gone']]);
  await using _ = await settled(cluster);
  t.deepEqual(importsOf(cluster), ['cart', 'pay']);
  t.is(workload(cluster), undefined);
  t.deepEqual(readyOf(cluster, 'west'), [true], 'of pay');
});

test('many exports of a peer that vanish at once stay for a while, a few go', async (t) => {
  const cluster = new ExampleCluster();
  cluster.guardTimes = { settleMs: 0, holdMs: 1500 };
  const names = Array.from({ length: 10 }, (_, index) => `s${index}`);
  cluster.membership.views = west(names);
  await using _ = await settled(cluster.renew());
  t.deepEqual(importsOf(cluster), names);
  cluster.membership.views = west(names.slice(0, 8));
  await cluster.settle();
  t.deepEqual(importsOf(cluster), names.slice(0, 8));
  cluster.membership.views = west(names.slice(0, 1));
  await cluster.settle();
  t.deepEqual([importsOf(cluster), readyOf(cluster, 'west').length], [names.slice(0, 8), 8]);
  t.is(cluster.clusterset.memberReports().find((report) => report.cluster === 'west')?.conditions.find(({ type }) => type === 'ImportsHeld')?.status, 'True');
  await until('they go', () => importsOf(cluster).length === 1);
  t.deepEqual(importsOf(cluster), names.slice(0, 1), 'and nobody had to say anything');
});

test('a peer that comes back with much less than is imported of it is not believed for a while', async (t) => {
  const cluster = new ExampleCluster();
  cluster.guardTimes = { settleMs: 0, holdMs: 1500 };
  const names = Array.from({ length: 10 }, (_, index) => `s${index}`);
  cluster.membership.views = west(names);
  await using _ = await settled(cluster.renew());
  await cluster.restart({ views: west(names.slice(0, 2)) });
  t.deepEqual([importsOf(cluster), cluster.written], [names, []]);
  await until('they go', () => importsOf(cluster).length === 2);
  t.deepEqual(importsOf(cluster), names.slice(0, 2));
});

test('each member has an object, which says how it is and since when; one that is no member any more has none', async (t) => {
  const cluster = exporting();
  cluster.put(MEMBERS);
  cluster.membership.views = west(['cart', 'pay']);
  cluster.membership.phases = new Map([['west', 'ready']]);
  await using _ = await settled(cluster);
  await until('it to be Ready', () => stateOf(cluster, 'west')?.state === 'Ready');
  t.like(stateOf(cluster, 'west'), { state: 'Ready', since: '2023-11-14T22:13:20Z', lastHeard: '2023-11-14T22:13:20Z', exports: 2, trustDomain: 'west.landbridge', version: '' });
  t.deepEqual(stateOf(cluster, 'west')?.conditions.map(({ type, status }) => `${type}=${status}`), ['Ready=True', 'Synced=True', 'Stale=False', 'ImportsHeld=False']);
  t.is(stateOf(cluster, 'east')?.exports, 1);

  cluster.membership.phases = new Map([['west', 'stale']]);
  cluster.clusterset.notify();
  await until('it to be Stale', () => stateOf(cluster, 'west')?.state === 'Stale');
  const { conditions = [] } = stateOf(cluster, 'west') ?? {};
  t.is(conditions.find(({ type }) => type === 'Stale')?.status, 'True');
  t.deepEqual(cluster.events, ['west Warning Stale'], 'of nothing but the change');

  const before = cluster.written.length;
  cluster.clusterset.notify();
  await cluster.settle();
  t.is(cluster.written.length, before, 'nothing is written twice');
  cluster.membership.views = new Map();
  cluster.clusterset.notify();
  await until('its object to go', () => stateOf(cluster, 'west') === undefined);
  t.truthy(stateOf(cluster, 'east'));
});
