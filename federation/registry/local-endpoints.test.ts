import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import type { V1Endpoint } from '@kubernetes/client-node';
import test from 'ava';
import { SLICE_MANAGER, SLICE_MANAGER_LABEL } from '../kubernetes/types.ts';
import { clusterObjects, exampleEndpoint, examplePod, exampleService, exampleSlice } from './example-objects.ts';
import { type LocalEndpoint, localServices, takesHbone } from './local-endpoints.ts';

const pod = examplePod('cart-1');

function endpointsOf(objects: Parameters<typeof clusterObjects>[0]): readonly LocalEndpoint[] {
  return localServices(clusterObjects({ services: [exampleService('cart')], pods: [pod], ...objects })).get('shop/cart')?.endpoints ?? [];
}

test('what an EndpointSlice does not say is as its specification has it: ready, serving as ready, not terminating', (t) => {
  const cases: readonly [V1Endpoint['conditions'], { ready: boolean; serving: boolean; terminating: boolean }][] = [
    [undefined, { ready: true, serving: true, terminating: false }],
    [{}, { ready: true, serving: true, terminating: false }],
    [{ ready: false }, { ready: false, serving: false, terminating: false }],
    [{ ready: false, serving: true, terminating: true }, { ready: false, serving: true, terminating: true }],
    [{ ready: true, serving: false }, { ready: true, serving: false, terminating: false }],
  ];
  for (const [conditions, expected] of cases) {
    const { conditions: _, ...bare } = exampleEndpoint('cart-1', '10.0.0.1');
    const [endpoint] = endpointsOf({ slices: [exampleSlice('cart', [conditions === undefined ? bare : { ...bare, conditions }])] });
    t.like(endpoint, expected);
  }
});

test('a pod of two families is one endpoint with two addresses', (t) => {
  const slices = [
    exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1')]),
    exampleSlice('cart', [exampleEndpoint('cart-1', 'fd00::1')], { addressType: 'IPv6', metadata: { name: 'cart-v6' } }),
  ];
  const found = endpointsOf({ slices });
  t.is(found.length, 1);
  t.deepEqual(found[0]?.addresses, ['10.0.0.1', 'fd00::1']);
  t.is(found[0]?.pod, pod);
});

test('a pod that is in two slices for a moment is one endpoint with one address', (t) => {
  const found = endpointsOf({ slices: ['a', 'b'].map((name) => exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1')], { metadata: { name } })) });
  t.deepEqual(found.map(({ addresses }) => addresses), [['10.0.0.1']]);
});

test('endpoints of our own derived slices are not this cluster’s', (t) => {
  t.deepEqual(endpointsOf({ slices: [exampleSlice('cart', [exampleEndpoint(undefined, '10.9.0.1')], {}, { [SLICE_MANAGER_LABEL]: SLICE_MANAGER })] }), []);
});

test('slices of other services, of no service, and with names instead of addresses are left out', (t) => {
  const orphan = exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1')]);
  orphan.metadata = { name: 'x', namespace: 'shop' };
  const elsewhere = exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1')]);
  elsewhere.metadata = { ...elsewhere.metadata, namespace: 'bank' };
  t.deepEqual(endpointsOf({ slices: [orphan, elsewhere, exampleSlice('other', [exampleEndpoint('cart-1', '10.0.0.1')]), exampleSlice('cart', [exampleEndpoint(undefined, 'example.org')], { addressType: 'FQDN' })] }), []);
});

test('addresses without a pod stay apart, those of a pod that is not known yet as well', (t) => {
  const found = endpointsOf({ slices: [exampleSlice('cart', [exampleEndpoint(undefined, '192.0.2.1'), exampleEndpoint(undefined, '192.0.2.2'), exampleEndpoint('late', '10.0.0.9')])] });
  t.deepEqual(found.map((each) => [each.pod, each.addresses]), [[undefined, ['192.0.2.1']], [undefined, ['192.0.2.2']], [undefined, ['10.0.0.9']]]);
});

test('a Service without slices has no endpoints, and a slice may lack lists', (t) => {
  t.deepEqual(endpointsOf({}), []);
  t.deepEqual(endpointsOf({ slices: [{ addressType: 'IPv4', metadata: { namespace: 'shop', name: 'x', labels: { 'kubernetes.io/service-name': 'cart' } } } as never] }), []);
});

test('a port without a number means all ports, and is none that could be told', (t) => {
  const [endpoint] = endpointsOf({ slices: [exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1')], { ports: [{ name: 'all' }, { port: 9, appProtocol: 'h2c' }] })] });
  t.deepEqual(endpoint?.ports, [{ name: '', protocol: 'TCP', port: 9, appProtocol: 'h2c' }]);
});

test('HBONE is taken for a pod only that says so, and never on the host’s network', (t) => {
  const annotations = { [REDIRECTION_ANNOTATION]: 'enabled' };
  t.true(takesHbone(examplePod('a', '10.0.0.1', { annotations })));
  t.false(takesHbone(examplePod('a')));
  t.false(takesHbone(examplePod('a', '10.0.0.1', { annotations: { [REDIRECTION_ANNOTATION]: 'disabled' } })));
  t.false(takesHbone(examplePod('a', '10.0.0.1', { annotations, spec: { hostNetwork: true } })));
  t.false(takesHbone(undefined));
});
