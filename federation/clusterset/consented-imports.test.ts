import type { KubernetesObject, V1EndpointSlice } from '@kubernetes/client-node';
import type { Endpoint, MetaRecord, ServiceRecord } from '@landbridge/core/records.ts';
import { ADDRESS_TYPE } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { examplePolicy } from '../consent/example-policies.ts';
import { MCS_SOURCE_LABEL, type ServiceExport, type ServiceImport } from '../kubernetes/types.ts';
import { endpoint } from '../records/example-records.ts';
import type { ClusterView } from '../records/peer-table.ts';
import { exampleSlice } from '../registry/example-objects.ts';
import { ExampleCluster, exampleView, exporting, settled } from './example-cluster.ts';

/** West exports the service of {@link exporting} as well. */
function west(addresses: readonly string[], meta?: Partial<MetaRecord>): ReadonlyMap<string, ClusterView> {
  const record: ServiceRecord = { kind: 'svc', namespace: 'shop', name: 'cart', exportedAt: 1, type: 'ClusterSetIP', ports: [{ name: 'http', protocol: 'TCP', port: 80 }], sessionAffinity: 'None', ipFamilies: ['IPv4'] };
  const endpoints = addresses.map((address, i): Endpoint => ({ ...endpoint(`w-${i}`, address), ports: [{ name: 'http', protocol: 'TCP', port: 8080 }] }));
  return new Map([['west', exampleView('west', { services: new Map([['shop/cart', record]]), endpoints: new Map([['shop/cart', endpoints]]), meta: { kind: 'meta', trustDomain: 'west.landbridge', network: '', version: '0.2.0', ...meta } })]]);
}

const definition = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'importpolicies.landbridge.dev' }, spec: { versions: [{ name: 'v1alpha1', served: true }] } } as KubernetesObject;
const derivedSlices = (cluster: ExampleCluster): readonly V1EndpointSlice[] => (cluster.list('EndpointSlice') as V1EndpointSlice[]).filter(({ metadata }) => metadata?.labels?.[MCS_SOURCE_LABEL] !== undefined);
const sources = (cluster: ExampleCluster): string[] => derivedSlices(cluster).map(({ metadata, endpoints }) => `${metadata?.labels?.[MCS_SOURCE_LABEL]} ${endpoints?.length}`).sort();

test('a policy takes an import away, says so, and gives it back; objects of this cluster stay as they are', async (t) => {
  const cluster = exporting();
  cluster.membership.views = west(['10.2.0.1']);
  cluster.put(definition);
  await using _ = await settled(cluster);
  t.deepEqual(sources(cluster), ['east 1', 'west 1']);
  const own = cluster.source('Service').get('shop', 'cart');
  cluster.put(examplePolicy({ allow: [{ clusters: ['north'] }] }));
  await cluster.settle();
  t.deepEqual(sources(cluster), ['east 1']);
  t.deepEqual((cluster.list('ServiceImport')[0] as ServiceImport).status?.clusters, [{ cluster: 'east' }]);
  const said = ((cluster.list('ImportPolicy')[0] as ServiceExport).status?.conditions ?? []).map(({ type, status, message }) => `${type}=${status} ${message}`.trim());
  t.deepEqual(said, ['Accepted=True', 'Refusing=True not imported: shop/cart of west']);
  t.is(cluster.source('Service').get('shop', 'cart'), own);
  cluster.remove('ImportPolicy', 'imports', '');
  await cluster.settle();
  t.deepEqual(sources(cluster), ['east 1', 'west 1']);
});

test('endpoints that lie in this cluster’s own places are told to nobody, and others are where their cluster declared them', async (t) => {
  const cluster = new ExampleCluster();
  cluster.put({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, spec: { podCIDRs: ['10.1.0.0/16'] }, status: { addresses: [{ type: 'InternalIP', address: '172.16.0.1' }] } } as KubernetesObject);
  cluster.put({ ...exampleSlice('kubernetes', [{ addresses: ['192.0.2.9'] }]), metadata: { namespace: 'default', name: 'kubernetes' } });
  cluster.membership.views = west(['10.2.0.1', '10.1.0.1', '172.16.0.1', '192.0.2.9', '127.0.0.1', '10.7.0.1'], { ranges: ['10.2.0.0/16', '10.1.0.0/16'] });
  await using _ = await settled(cluster);
  t.deepEqual(derivedSlices(cluster).flatMap(({ endpoints }) => endpoints ?? []).flatMap((each) => each.addresses), ['10.2.0.1']);
  t.deepEqual([...(cluster.told.at(-1)?.types.get(ADDRESS_TYPE)?.keys() ?? [])].filter((name) => name.startsWith('west/')), ['west//Pod/shop/w-0']);
  t.deepEqual(Object.fromEntries(cluster.clusterset.consentReport.get('west')?.dropped ?? []), { 'pod-range': 1, node: 1, 'api-server': 1, 'not-routable': 1, 'not-declared': 1 });
  t.deepEqual((cluster.membership.published.get('meta') as MetaRecord).ranges, ['10.1.0.0/16']);
});

test('a member’s part of a service is as large as a policy lets it be', async (t) => {
  const cluster = exporting();
  cluster.put(definition);
  cluster.membership.views = west(Array.from({ length: 50 }, (_, i) => `10.2.0.${i + 1}`));
  await using _ = await settled(cluster);
  cluster.put(examplePolicy({ allow: [{ maxSharePercent: 50 }] }));
  await cluster.settle();
  t.deepEqual(sources(cluster), ['east 1', 'west 1']);
  cluster.remove('ServiceExport', 'cart');
  await cluster.settle();
  t.deepEqual(sources(cluster), ['west 50'], 'alone it serves all');
});
