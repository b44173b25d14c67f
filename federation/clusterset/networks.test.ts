import { fromBinary } from '@bufbuild/protobuf';
import type { KubernetesObject, V1Service } from '@kubernetes/client-node';
import type { Gateway, MetaRecord, ServiceRecord } from '@landbridge/core/records.ts';
import { until } from '@landbridge/lab/until.ts';
import { AddressSchema } from '@landbridge/wire/gen/workload_pb.js';
import { ADDRESS_TYPE, REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { MCS_SOURCE_LABEL, type ServiceImport } from '../kubernetes/types.ts';
import { exampleGateway } from '../networks/example-gateways.ts';
import { endpoint, exampleKeys, exampleMember } from '../records/example-records.ts';
import type { ClusterView } from '../records/peer-table.ts';
import { exampleEndpoint, examplePod, exampleService, exampleSlice } from '../registry/example-objects.ts';
import { type ExampleCluster, exampleView, exporting, settled } from './example-cluster.ts';

/** West exports the service as well. */
function west(network: string, gateways: readonly Gateway[] = []): ReadonlyMap<string, ClusterView> {
  const record: ServiceRecord = { kind: 'svc', namespace: 'shop', name: 'cart', exportedAt: 1, type: 'ClusterSetIP', ports: [{ name: 'http', protocol: 'TCP', port: 80 }], sessionAffinity: 'None', ipFamilies: ['IPv4'] };
  const theirs = { ...endpoint('cart-w', '10.2.0.1'), ports: [{ name: 'http', protocol: 'TCP' as const, port: 8080 }] };
  const meta: MetaRecord = { kind: 'meta', trustDomain: 'west.landbridge', network, version: '0.1.0', gateways: [...gateways] };
  return new Map([['west', exampleView('west', { member: exampleMember('west', exampleKeys(), { network }), meta, services: new Map([['shop/cart', record]]), endpoints: new Map([['shop/cart', [theirs]]]) })]]);
}

const sources = (cluster: ExampleCluster): string[] => cluster.list('EndpointSlice').map(({ metadata }) => metadata?.labels?.[MCS_SOURCE_LABEL]).filter((source) => source !== undefined).sort();
const gateway = exampleGateway('192.0.2.1');

test('gateways of this cluster are told to others, and those of others to agents, which go through them', async (t) => {
  const cluster = exporting();
  cluster.membership.views = west('far', [gateway]);
  await using _ = await settled(cluster);
  const told = (): string[] => [...(cluster.told.at(-1)?.types.get(ADDRESS_TYPE)?.keys() ?? [])].filter((name) => name.startsWith('west/') || name.startsWith('landbridge.internal/')).sort();
  t.deepEqual(told(), ['landbridge.internal/west.gateways.landbridge.internal', 'west/landbridge.dev/Gateway/landbridge-system/192.0.2.1:15008', 'west/landbridge.dev/SplitHorizon/shop/cart']);
  t.deepEqual(sources(cluster), ['east'], 'who goes by slices could not reach them');
  const reachable = (): string[] => (cluster.list('ServiceImport') as ServiceImport[]).flatMap(({ status }) => (status?.conditions ?? []).filter(({ type }) => type === 'Reachable').map(({ status: is, reason }) => `${is} ${reason}`));
  t.deepEqual(reachable(), ['True ThroughGateways']);
  t.false('gateways' in (cluster.membership.published.get('meta') ?? {}));
  cluster.put({ ...exampleService('landbridge-gateway', { type: 'LoadBalancer', ports: [{ name: 'hbone', port: 15008 }] }), metadata: { namespace: 'landbridge-system', name: 'landbridge-gateway' }, status: { loadBalancer: { ingress: [{ ip: '198.51.100.7' }] } } } as V1Service);
  const slice = exampleSlice('landbridge-gateway', [exampleEndpoint(undefined, '10.0.0.9')]);
  cluster.put({ ...slice, metadata: { ...slice.metadata, namespace: 'landbridge-system' } });
  await cluster.settle();
  t.deepEqual((cluster.membership.published.get('meta') as MetaRecord).gateways, [{ ...gateway, address: '198.51.100.7' }]);
  cluster.membership.views = west('far', []);
  await cluster.settle();
  t.deepEqual(told(), [], 'there is no way any more');
  t.deepEqual(reachable(), ['False NoGateway']);
  cluster.membership.views = west('far', [{ ...gateway, address: '192.0.2.2' }]);
  await cluster.settle();
  t.true(told().includes('west/landbridge.dev/Gateway/landbridge-system/192.0.2.2:15008'));
});

test('a gateway of another cluster is left out as soon as this cluster has one there', async (t) => {
  const cluster = exporting();
  cluster.membership.views = west('far', [exampleGateway('198.51.100.7')]);
  await using _ = await settled(cluster);
  t.is(cluster.clusterset.droppedGateways.size, 0);
  cluster.put({ ...exampleService('landbridge-gateway', { type: 'LoadBalancer', ports: [{ name: 'hbone', port: 15008 }] }), metadata: { namespace: 'landbridge-system', name: 'landbridge-gateway' }, status: { loadBalancer: { ingress: [{ ip: '198.51.100.7' }] } } } as V1Service);
  const slice = exampleSlice('landbridge-gateway', [exampleEndpoint(undefined, '10.0.0.9')]);
  cluster.put({ ...slice, metadata: { ...slice.metadata, namespace: 'landbridge-system' } });
  await until('it to be left out', () => cluster.clusterset.droppedGateways.get('west')?.get('gateway') === 1);
  t.pass();
});

test('a ServiceRoute divides connections for as long as it is there, and says what became of it', async (t) => {
  const cluster = exporting();
  cluster.put({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'serviceroutes.landbridge.dev' }, spec: { versions: [{ name: 'v1alpha1', served: true }] } } as KubernetesObject);
  cluster.membership.views = west('');
  await using _ = await settled(cluster);
  const capacities = (): Record<string, number | undefined> => Object.fromEntries([...(cluster.told.at(-1)?.types.get(ADDRESS_TYPE) ?? [])].flatMap(([uid, { bytes }]) => {
    const { type } = fromBinary(AddressSchema, bytes);
    return type.case === 'workload' && 'shop/cart.shop.svc.clusterset.local' in type.value.services ? [[uid, type.value.capacity]] : [];
  }));
  t.deepEqual(capacities(), { 'east//Pod/shop/cart-1': undefined, 'west//Pod/shop/cart-w': undefined });
  const route = (percent: number): KubernetesObject => ({ apiVersion: 'landbridge.dev/v1alpha1', kind: 'ServiceRoute', metadata: { namespace: 'shop', name: 'cart' }, spec: { clusters: [{ name: 'west', percent }] } }) as KubernetesObject;
  const condition = (): string => {
    const [{ status } = {}] = cluster.list('ServiceRoute') as { status?: { conditions?: { type: string; status: string; reason: string }[] } }[];
    return (status?.conditions ?? []).map((each) => `${each.type} ${each.status} ${each.reason}`).join();
  };
  cluster.put(route(10));
  await cluster.settle();
  t.deepEqual(capacities(), { 'east/landbridge.dev/Share/shop/cart/cart-1': 900_000, 'west/landbridge.dev/Share/shop/cart/cart-w': 100_000 });
  t.is(condition(), 'Accepted True Accepted');
  cluster.put(route(101));
  await cluster.settle();
  t.deepEqual(Object.keys(capacities()), ['east//Pod/shop/cart-1', 'west//Pod/shop/cart-w'], 'what can not be meant decides nothing');
  t.is(condition(), 'Accepted False Invalid');
  cluster.put(route(0));
  await cluster.settle();
  t.deepEqual(capacities(), { 'east/landbridge.dev/Share/shop/cart/cart-1': 1_000_000 });
  cluster.remove('ServiceRoute', 'cart');
  await cluster.settle();
  t.deepEqual(Object.keys(capacities()), ['east//Pod/shop/cart-1', 'west//Pod/shop/cart-w']);
});

test('istiod is told of the gateways into other networks, and not any more once there are none', async (t) => {
  const cluster = exporting();
  cluster.put(examplePod('cart-1', '10.0.0.1', { annotations: { [REDIRECTION_ANNOTATION]: 'enabled' } }));
  for (const [name, version] of [['serviceentries.networking.istio.io', 'v1'], ['gateways.gateway.networking.k8s.io', 'v1']] as const) cluster.put({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name }, spec: { versions: [{ name: version, served: true }] } } as KubernetesObject);
  cluster.membership.views = west('far', [gateway]);
  await using _ = await settled(cluster);
  const gateways = (): unknown => (cluster.list('Gateway') as { metadata?: { labels?: Record<string, string> }; spec?: { addresses: { value: string }[] } }[]).map(({ metadata, spec }) => [metadata?.labels?.['topology.istio.io/network'], spec?.addresses.map(({ value }) => value)]);
  t.deepEqual(gateways(), [['far', ['192.0.2.1']]]);
  t.regex(JSON.stringify(cluster.list('ServiceEntry')), /"network":"far"/);
  t.false('gateways' in (cluster.membership.published.get('meta') ?? {}), 'they are not ways into this network');
  const written = cluster.written.length;
  await cluster.settle();
  t.is(cluster.written.length, written);
  cluster.membership.views = west('far', []);
  await cluster.settle();
  t.deepEqual(gateways(), []);
});
