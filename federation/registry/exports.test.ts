import { type Endpoint, MAX_ENDPOINTS_PER_SHARD, MAX_RECORD_BYTES } from '@landbridge/core/records.ts';
import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { MANAGED_BY, MANAGED_BY_LABEL } from '../kubernetes/types.ts';
import { endpoint, exampleKeys } from '../records/example-records.ts';
import { signRecord } from '../records/record-signature.ts';
import { clusterObjects, exampleEndpoint, exampleExport, examplePod, exampleService, exampleSlice } from './example-objects.ts';
import { type ExportedService, exportedServices, exportRecords, exportValidity } from './exports.ts';
import { localServices } from './local-endpoints.ts';

const meta = { trustDomain: 'west.landbridge', network: '', version: '0.1.0' };

function exported(objects: Parameters<typeof clusterObjects>[0]): ReadonlyMap<string, ExportedService> {
  const all = clusterObjects({ services: [exampleService('cart')], exports: [exampleExport('cart')], ...objects });
  return exportedServices(all.exports, localServices(all), all.nodes);
}

function shards(list: readonly Endpoint[]): readonly (readonly Endpoint[])[] {
  const records = exportRecords(new Map([['shop/cart', { record: exported({}).get('shop/cart')?.record as ExportedService['record'], endpoints: list }]]), meta);
  return [...records.values()].flatMap((record) => (record.kind === 'eps' ? [record.endpoints] : []));
}

test('an export stands for a Service that is there, is not ours, and has endpoints', (t) => {
  t.deepEqual(exportValidity({ service: exampleService('cart'), endpoints: [] }), { valid: true });
  t.like(exportValidity(undefined), { valid: false, reason: 'NoService' });
  t.like(exportValidity({ service: exampleService('cart', {}, { [MANAGED_BY_LABEL]: MANAGED_BY }), endpoints: [] }), { valid: false, reason: 'NoService' });
  t.like(exportValidity({ service: exampleService('cart', { type: 'ExternalName' }), endpoints: [] }), { valid: false, reason: 'InvalidServiceType' });
});

test('what can not be exported, or is being withdrawn, is not exported', (t) => {
  t.is(exported({}).size, 1);
  t.is(exported({ services: [] }).size, 0);
  t.is(exported({ services: [exampleService('cart', { type: 'ExternalName' })] }).size, 0);
  const going = exampleExport('cart');
  going.metadata = { ...going.metadata, deletionTimestamp: new Date() };
  t.is(exported({ exports: [going] }).size, 0);
});

test('the record says what the Service and its export say', (t) => {
  const service = exampleService('cart', {
    ports: [{ name: 'http', port: 80, appProtocol: 'h2c' }, { name: 'dns', port: 53, protocol: 'UDP' }],
    sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } }, ipFamilies: ['IPv6', 'IPv4'], internalTrafficPolicy: 'Local', trafficDistribution: 'PreferClose',
  });
  t.deepEqual(exported({ services: [service], exports: [exampleExport('cart', new Date(5000))] }).get('shop/cart')?.record, {
    kind: 'svc', namespace: 'shop', name: 'cart', exportedAt: 5000, type: 'ClusterSetIP',
    ports: [{ name: 'http', protocol: 'TCP', port: 80, appProtocol: 'h2c' }, { name: 'dns', protocol: 'UDP', port: 53 }],
    sessionAffinity: 'ClientIP', sessionAffinityTimeoutSeconds: 60, ipFamilies: ['IPv6', 'IPv4'], internalTrafficPolicy: 'Local', trafficDistribution: 'PreferClose',
  });
  t.is(exported({ services: [exampleService('cart', { clusterIP: 'None' })] }).get('shop/cart')?.record.type, 'Headless');
});

test('a workload tunnels only if its pod says so; where it runs comes from its node', (t) => {
  const pods = [examplePod('cart-1', '10.0.0.1', { annotations: { [REDIRECTION_ANNOTATION]: 'enabled' } }), examplePod('cart-2', '10.0.0.2')];
  const nodes = [{ metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/region': 'r', 'topology.kubernetes.io/zone': 'z' } } }];
  const slices = [exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1', { hostname: 'h' }), exampleEndpoint('cart-2', '10.0.0.2', { zone: 'own', conditions: { ready: false } })])];
  const common = { ports: [{ name: '', protocol: 'TCP' as const, port: 8080 }], terminating: false, serviceAccount: 'cart', node: 'node-1', region: 'r' };
  t.deepEqual(exported({ pods, nodes, slices }).get('shop/cart')?.endpoints, [
    { ...common, workload: 'cart-1', addresses: ['10.0.0.1'], ready: true, serving: true, tunnel: 'hbone', zone: 'z', hostname: 'h' },
    { ...common, workload: 'cart-2', addresses: ['10.0.0.2'], ready: false, serving: false, tunnel: 'none', zone: 'own' },
  ]);
});

test('addresses that no pod has are not exported', (t) => {
  t.deepEqual(exported({ slices: [exampleSlice('cart', [exampleEndpoint(undefined, '192.0.2.1')])] }).get('shop/cart')?.endpoints, []);
});

test('endpoints go to shards of 500, at least one, whatever their order', (t) => {
  t.deepEqual(shards([]), [[]]);
  const list = Array.from({ length: 1201 }, (_, index) => endpoint(`cart-${String(index).padStart(4, '0')}`));
  const parts = shards(list);
  t.deepEqual(parts.map((part) => part.length), [MAX_ENDPOINTS_PER_SHARD, MAX_ENDPOINTS_PER_SHARD, 201]);
  t.deepEqual(parts.flat(), list);
  t.deepEqual(shards(list.toReversed()), parts);
});

test('a shard that would be too long for a record is divided', (t) => {
  const wide = (index: number): Endpoint => ({ ...endpoint(`${'w'.repeat(200)}-${index}`), node: 'n'.repeat(253), serviceAccount: 's'.repeat(253), addresses: ['2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', '100.100.100.100'] });
  const records = exportRecords(new Map([['shop/cart', { record: exported({}).get('shop/cart')?.record as ExportedService['record'], endpoints: Array.from({ length: 1000 }, (_, index) => wide(index)) }]]), meta);
  const { privateKey } = exampleKeys();
  t.true(records.size > 4);
  for (const [key, body] of records) t.true(signRecord(privateKey, { cluster: 'c'.repeat(63), key, epoch: Number.MAX_SAFE_INTEGER, gen: Number.MAX_SAFE_INTEGER, body }).length <= MAX_RECORD_BYTES);
});
