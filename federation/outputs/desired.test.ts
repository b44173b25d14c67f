import { isIPv6 } from 'node:net';
import type { KubernetesObject, V1EndpointSlice } from '@kubernetes/client-node';
import type { Endpoint } from '@landbridge/core/records.ts';
import test from 'ava';
import { DERIVED_SERVICE_ANNOTATION, MANAGED_BY_LABEL, MCS_SERVICE_LABEL, MCS_SOURCE_LABEL, SERVICE_NAME_LABEL, SLICE_MANAGER_LABEL } from '../kubernetes/types.ts';
import type { ImportedService } from '../merge/merge.ts';
import { endpoint } from '../records/example-records.ts';
import { desiredObjects } from './desired.ts';
import { ExampleApiServer, exampleImport, part } from './example-imports.ts';
import { CLOSED_NAMESPACES, derivedServiceName } from './names.ts';

const derived = derivedServiceName('shop', 'cart');

type Loose = KubernetesObject & { readonly spec?: Record<string, unknown> };

function pass(server: ExampleApiServer, imported: ImportedService, serviceEntries = false): readonly Loose[] {
  const { objects } = desiredObjects([imported], server.existing(serviceEntries));
  for (const object of objects) server.write({ verb: 'apply', object });
  return objects;
}

/** All objects of an import whose Service is there already. */
function settled(imported: ImportedService, serviceEntries = false): readonly Loose[] {
  const server = new ExampleApiServer();
  pass(server, imported);
  pass(server, imported);
  return pass(server, imported, serviceEntries);
}

const slicesOf = (objects: readonly KubernetesObject[]): V1EndpointSlice[] => objects.filter((object) => object.kind === 'EndpointSlice') as V1EndpointSlice[];
const kinds = (objects: readonly KubernetesObject[]): string[] => objects.map(({ kind = '' }) => kind);

test('an import is made first, then its Service, then what the Service leads to', (t) => {
  const server = new ExampleApiServer();
  const imported = exampleImport();
  t.deepEqual(kinds(pass(server, imported)), ['ServiceImport']);
  t.deepEqual(kinds(pass(server, imported)), ['ServiceImport', 'Service']);
  const objects = pass(server, imported);
  t.deepEqual(kinds(objects), ['ServiceImport', 'Service', 'EndpointSlice']);
  const uid = server.existing().imports.get('shop/cart')?.metadata?.uid;
  for (const object of objects.slice(1)) t.deepEqual(object.metadata?.ownerReferences, [{ apiVersion: 'multicluster.x-k8s.io/v1beta1', kind: 'ServiceImport', name: 'cart', uid: uid ?? '' }]);
  for (const object of objects) t.is(object.metadata?.labels?.[MANAGED_BY_LABEL], 'landbridge');
});

test('the import carries the address of its Service once there is one', (t) => {
  const server = new ExampleApiServer();
  const imported = exampleImport({ ports: [{ name: 'http', protocol: 'TCP', port: 80, appProtocol: 'h2c' }], sessionAffinity: 'ClientIP', sessionAffinityTimeoutSeconds: 60 });
  const [first] = pass(server, imported);
  t.is(first?.metadata?.annotations?.[DERIVED_SERVICE_ANNOTATION], derived);
  t.deepEqual(first?.spec?.['ips'], []);
  pass(server, imported);
  const [serviceImport, service] = pass(server, imported);
  t.deepEqual(serviceImport?.spec, { type: 'ClusterSetIP', ports: [{ name: 'http', protocol: 'TCP', port: 80, appProtocol: 'h2c' }], ips: ['10.96.0.7'], ipFamilies: ['IPv4'], internalTrafficPolicy: 'Cluster', trafficDistribution: undefined, sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } });
  t.deepEqual(service?.spec?.['sessionAffinityConfig'], { clientIP: { timeoutSeconds: 60 } });
  t.is(service?.metadata?.name, derived);
});

test('a headless import has a headless Service and no addresses', (t) => {
  const objects = settled(exampleImport({ type: 'Headless', clusters: [part('west', { ...endpoint('cart-0'), hostname: 'cart-0', zone: 'a' })] }), true);
  t.deepEqual(kinds(objects), ['ServiceImport', 'Service', 'EndpointSlice']);
  t.is(objects[0]?.spec?.['ips'], undefined);
  t.is(objects[1]?.spec?.['clusterIP'], 'None');
  t.like(slicesOf(objects)[0]?.endpoints?.[0], { hostname: 'cart-0', zone: 'a' });
});

test('a Service that has to become headless, or to cease to be, is not wished for until it is gone', (t) => {
  for (const [before, after] of [['ClusterSetIP', 'Headless'], ['Headless', 'ClusterSetIP']] as const) {
    const server = new ExampleApiServer();
    pass(server, exampleImport({ type: before }));
    pass(server, exampleImport({ type: before }));
    t.deepEqual(kinds(pass(server, exampleImport({ type: after }))), ['ServiceImport']);
    server.write({ verb: 'delete', object: { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'shop', name: derived } } });
    t.deepEqual(kinds(pass(server, exampleImport({ type: after }))), ['ServiceImport', 'Service']);
  }
});

test('a slice says which service and cluster it is of, and belongs to no other controller', (t) => {
  const [slice] = slicesOf(settled(exampleImport()));
  t.like(slice?.metadata?.labels, { [SERVICE_NAME_LABEL]: derived, [MCS_SERVICE_LABEL]: 'cart', [MCS_SOURCE_LABEL]: 'west', [SLICE_MANAGER_LABEL]: 'endpointslice-controller.landbridge.dev' });
  t.true(slice?.metadata?.name?.startsWith(`${derived}-west-`));
  t.deepEqual(slice?.endpoints, [{ addresses: ['10.0.0.1'], conditions: { ready: true, serving: true, terminating: false }, hostname: undefined, nodeName: undefined, zone: undefined }] as never);
});

test('endpoints of other networks are in no slice: who goes by slices does not reach them', (t) => {
  for (const reach of ['gateway', 'none'] as const) {
    const objects = settled(exampleImport({ clusters: [{ ...part('west', endpoint('a')), network: 'far', reach }, part('east', endpoint('b', '10.0.0.2'))] }));
    t.deepEqual(slicesOf(objects).map(({ metadata }) => metadata?.labels?.[MCS_SOURCE_LABEL]), ['east'], reach);
  }
});

test('2,500 endpoints need three slices of at most 1,000, and each address is in one', (t) => {
  const endpoints = Array.from({ length: 2500 }, (_, index) => endpoint(`cart-${index}`, `10.0.${index >> 8}.${index & 255}`));
  const slices = slicesOf(settled(exampleImport({ clusters: [part('west', ...endpoints), part('east', endpoint('cart-x', '10.9.0.1'))] })));
  const ofWest = slices.filter(({ metadata }) => metadata?.labels?.[MCS_SOURCE_LABEL] === 'west');
  t.deepEqual(ofWest.map((slice) => slice.endpoints?.length), [1000, 1000, 500]);
  t.is(new Set(ofWest.flatMap((slice) => slice.endpoints?.flatMap(({ addresses }) => addresses))).size, 2500);
  t.is(new Set(slices.map(({ metadata }) => metadata?.name)).size, 4);
});

test('the slices do not depend on the order in which endpoints are told', (t) => {
  const endpoints = [endpoint('a', '10.0.0.1'), endpoint('b', '10.0.0.2'), endpoint('c', 'fd00::3')];
  const of = (...list: readonly Endpoint[]): unknown => settled(exampleImport({ clusters: [part('west', ...list)] })).map((object) => JSON.stringify(object));
  t.deepEqual(of(...endpoints), of(...endpoints.toReversed()));
});

test('endpoints with different target ports are in different slices', (t) => {
  const onPort = (name: string, address: string, port: number): Endpoint => ({ ...endpoint(name, address), ports: [{ name: 'http', protocol: 'TCP', port }] });
  const clusters = [part('west', onPort('a', '10.0.0.1', 8080), onPort('b', '10.0.0.2', 9090), onPort('c', '10.0.0.3', 8080))];
  const slices = slicesOf(settled(exampleImport({ ports: [{ name: 'http', protocol: 'TCP', port: 80 }], clusters })));
  t.deepEqual(slices.map((slice) => [slice.ports?.map(({ port }) => port), slice.endpoints?.map(({ addresses }) => addresses[0])]).sort(), [[[8080], ['10.0.0.1', '10.0.0.3']], [[9090], ['10.0.0.2']]]);
});

test('target ports are taken by name and protocol; what the import has not is left out', (t) => {
  const target: Endpoint = { ...endpoint('a'), ports: [{ name: 'dns', protocol: 'UDP', port: 5353 }, { name: 'dns', protocol: 'TCP', port: 5354 }, { name: 'debug', protocol: 'TCP', port: 9 }] };
  const [slice] = slicesOf(settled(exampleImport({ ports: [{ name: 'dns', protocol: 'TCP', port: 53 }], clusters: [part('west', target)] })));
  t.deepEqual(slice?.ports, [{ name: 'dns', protocol: 'TCP', port: 5354 }]);
});

test('a dual-stack endpoint is in a slice of each family', (t) => {
  const both: Endpoint = { ...endpoint('a'), addresses: ['10.0.0.1', 'fd00::1'] };
  const slices = slicesOf(settled(exampleImport({ clusters: [part('west', both, endpoint('b', '10.0.0.2'))] })));
  t.deepEqual(slices.map(({ addressType }) => addressType).sort(), ['IPv4', 'IPv6']);
  for (const { addressType, endpoints } of slices) t.true(endpoints?.every(({ addresses }) => isIPv6(addresses[0] ?? '') === (addressType === 'IPv6')));
});

test('what is not ready stays in its slice and says so', (t) => {
  const [slice] = slicesOf(settled(exampleImport({ clusters: [part('west', { ...endpoint('a'), ready: false, serving: true, terminating: true })] })));
  t.deepEqual(slice?.endpoints?.[0]?.conditions, { ready: false, serving: true, terminating: true });
});

test('nothing is imported into closed or missing namespaces, and the reason is told', (t) => {
  const existing = new ExampleApiServer().existing(false, ['shop', ...CLOSED_NAMESPACES]);
  for (const namespace of ['kube-system', 'landbridge-system', 'istio-system', 'elsewhere']) {
    const { objects, skipped } = desiredObjects([exampleImport({ namespace })], existing);
    t.deepEqual(objects, []);
    t.true(skipped.get(`${namespace}/cart`)?.includes(namespace));
  }
  t.is(desiredObjects([exampleImport({ namespace: 'kube-system' }), exampleImport()], existing).objects.length, 1, 'the others are not held up');
});

test('an object of somebody else is left alone, with all that would depend on it', (t) => {
  const foreignImport: KubernetesObject = { apiVersion: 'multicluster.x-k8s.io/v1beta1', kind: 'ServiceImport', metadata: { namespace: 'shop', name: 'cart', labels: { [MANAGED_BY_LABEL]: 'other' } } };
  const foreignService = { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'shop', name: derived }, spec: { ports: [] } } as KubernetesObject;
  for (const foreign of [foreignImport, foreignService]) {
    const { objects, skipped } = desiredObjects([exampleImport()], new ExampleApiServer([foreign]).existing());
    t.deepEqual(objects, []);
    t.regex(skipped.get('shop/cart') ?? '', /somebody else's/);
  }
});

test('without ports only a headless import is written, since the API server takes no other Service without one', (t) => {
  const { objects, skipped } = desiredObjects([exampleImport({ ports: [] })], new ExampleApiServer().existing());
  t.deepEqual(objects, []);
  t.regex(skipped.get('shop/cart') ?? '', /port/);
  t.is(desiredObjects([exampleImport({ ports: [], type: 'Headless' })], new ExampleApiServer().existing()).objects.length, 1);
});

test('a ServiceEntry is made only where Istio has them', (t) => {
  t.false(kinds(settled(exampleImport())).includes('ServiceEntry'));
  const entry = settled(exampleImport({ clusters: [{ ...part('west', endpoint('a'), { ...endpoint('b', '10.0.0.2'), ready: false }), network: 'n1' }, part('east', endpoint('c', '10.0.0.3'))] }), true).find(({ kind }) => kind === 'ServiceEntry');
  t.deepEqual(entry?.spec?.['hosts'], ['cart.shop.svc.clusterset.local']);
  t.deepEqual(entry?.spec?.['addresses'], ['10.96.0.7']);
  t.deepEqual(entry?.spec?.['ports'], [{ number: 80, name: 'tcp-80', protocol: 'TCP' }]);
  t.deepEqual(((entry?.spec?.['endpoints'] ?? []) as { address: string; network?: string }[]).map(({ address, network }) => [address, network]), [['10.0.0.3', undefined], ['10.0.0.1', 'n1']]);
});

test('the endpoints of a ServiceEntry have no ports but its own, which are TCP', (t) => {
  const ports: Endpoint['ports'] = [{ name: 'dns', protocol: 'UDP', port: 5353 }, { name: 'dns-tcp', protocol: 'TCP', port: 5354 }, { name: 'debug', protocol: 'TCP', port: 9 }];
  const imported = exampleImport({ ports: [{ name: 'dns', protocol: 'UDP', port: 53 }, { name: 'dns-tcp', protocol: 'TCP', port: 53 }], clusters: [part('west', { ...endpoint('a'), ports })] });
  const entry = settled(imported, true).find(({ kind }) => kind === 'ServiceEntry');
  t.deepEqual(entry?.spec?.['ports'], [{ number: 53, name: 'dns-tcp', protocol: 'TCP' }]);
  t.like((entry?.spec?.['endpoints'] as object[] | undefined)?.[0], { ports: { 'dns-tcp': 5354 } });
});

test('derived names are those of one service, and short enough for a Service', (t) => {
  t.not(derivedServiceName('a', 'b-c'), derivedServiceName('a-b', 'c'));
  t.regex(derivedServiceName('n'.repeat(63), 's'.repeat(63)), /^[a-z][-a-z0-9]{0,62}$/);
});
