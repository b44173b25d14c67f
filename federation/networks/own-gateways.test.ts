import type { KubernetesObject, V1Node } from '@kubernetes/client-node';
import test from 'ava';
import { exampleService } from '../registry/example-objects.ts';
import type { LocalEndpoint, LocalService } from '../registry/local-endpoints.ts';
import { exampleGateway } from './example-gateways.ts';
import { type OwnGatewaySources, ownGateways } from './own-gateways.ts';

const node = (name: string, zone: string, addresses: Readonly<Record<string, string>>): V1Node => ({ metadata: { name, labels: { 'topology.kubernetes.io/region': 'r1', 'topology.kubernetes.io/zone': zone } }, status: { addresses: Object.entries(addresses).map(([type, address]) => ({ type, address })) } });
const NODES = new Map([node('n1', 'z1', { Hostname: 'n1', InternalIP: '10.9.0.1', ExternalIP: '192.0.2.1' }), node('n2', 'z2', { InternalIP: '10.9.0.2' })].map((each) => [each.metadata?.name ?? '', each]));

const on = (name: string, ready = true): LocalEndpoint => ({ pod: undefined, isPod: true, slice: 's', addresses: ['10.1.0.1'], ports: [], ready, serving: ready, terminating: false, zone: undefined, node: name, hostname: undefined });
function local(spec: object, ingress: readonly object[], ...endpoints: readonly LocalEndpoint[]): LocalService {
  return { service: { ...exampleService('landbridge-gateway', { ports: [{ name: 'hbone', port: 15008, nodePort: 30008, protocol: 'TCP' }], ...spec }), status: { loadBalancer: { ingress: [...ingress] } } }, endpoints };
}

const sources = (changes: Partial<OwnGatewaySources>): OwnGatewaySources => ({ namespace: 'landbridge-system', network: 'n', configured: [], service: undefined, nodeOf: (name) => NODES.get(name), objects: [], ...changes });
const found = (changes: Partial<OwnGatewaySources>): string[] => ownGateways(sources(changes)).map(({ address, port, region, zone }) => `${address} ${port} ${region} ${zone}`.trim());

const object = (spec: object, metadata: object = {}, status: object = {}): KubernetesObject => ({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { name: 'ew', namespace: 'istio-gateways', ...metadata }, spec: { gatewayClassName: 'istio-east-west', listeners: [{ name: 'mesh', protocol: 'HBONE', port: 15008 }], ...spec }, status } as KubernetesObject);

test('a balancer is its addresses and names, at the port of the Service', (t) => {
  t.deepEqual(found({ service: local({ type: 'LoadBalancer' }, [{ ip: '192.0.2.9' }, { hostname: 'LB.example' }], on('n1'), on('n1')) }), ['192.0.2.9 15008 r1 z1', 'lb.example 15008 r1 z1']);
  t.deepEqual(found({ service: local({ type: 'LoadBalancer' }, [{ ip: '192.0.2.9' }], on('n1'), on('n2')) }), ['192.0.2.9 15008 r1'], 'in a zone only where all of its pods are');
  t.deepEqual(found({ service: local({ type: 'LoadBalancer' }, [], on('n1')) }), [], 'it has no address yet');
});

test('without a balancer it is the nodes that have a pod of it, each in its zone, by the address that is for others', (t) => {
  t.deepEqual(found({ service: local({ type: 'NodePort' }, [], on('n1'), on('n2'), on('n2')) }), ['10.9.0.2 30008 r1 z2', '192.0.2.1 30008 r1 z1']);
});

test('a node whose pod is not ready is left out, unless none is', (t) => {
  t.deepEqual(found({ service: local({ type: 'NodePort' }, [], on('n1', false), on('n2')) }), ['10.9.0.2 30008 r1 z2']);
  t.is(found({ service: local({ type: 'NodePort' }, [], on('n1', false), on('n2', false)) }).length, 2);
  t.deepEqual(found({ service: local({ type: 'NodePort' }, []) }), []);
});

test('a Service that only its own cluster reaches is no way in', (t) => {
  t.deepEqual(found({ service: local({ type: 'ClusterIP' }, [], on('n1')) }), []);
});

test('Gateway objects of the two classes count, with what their status says before what was asked for', (t) => {
  const asked = { addresses: [{ type: 'IPAddress', value: '192.0.2.5' }] };
  t.deepEqual(found({ objects: [object(asked)] }), ['192.0.2.5 15008']);
  t.deepEqual(found({ objects: [object(asked, {}, { addresses: [{ value: 'gw.example' }] })] }), ['gw.example 15008']);
  t.deepEqual(ownGateways(sources({ objects: [object(asked)] })), [exampleGateway('192.0.2.5', { namespace: 'istio-gateways', serviceAccount: 'ew' })]);
  t.deepEqual(ownGateways(sources({ objects: [object(asked, { annotations: { 'gateway.istio.io/service-account': 'door' } })] }))[0]?.serviceAccount, 'door');
  t.deepEqual(ownGateways(sources({ objects: [object({ ...asked, gatewayClassName: 'landbridge-east-west' })] })), [exampleGateway('192.0.2.5')]);
});

test('other classes, other networks and nonsense are no gateways', (t) => {
  const asked = { addresses: [{ value: '192.0.2.5' }] };
  for (const each of [object({ ...asked, gatewayClassName: 'istio-remote' }), object(asked, { labels: { 'topology.istio.io/network': 'other' } }), object({ addresses: [{ value: '127.0.0.1' }, { value: 7 }, null] }), object({ addresses: 'x', listeners: 7 }), { metadata: { name: 'x' } }, object(asked, { name: 'Not-Valid' })]) t.deepEqual(found({ objects: [each] }), [], JSON.stringify(each));
  t.deepEqual(found({ objects: [object({ ...asked, listeners: [{ protocol: 'HBONE', port: 99999 }] })] }), ['192.0.2.5 15008']);
});

test('what the operator says is all that counts', (t) => {
  t.deepEqual(found({ configured: [exampleGateway('198.51.100.1', { port: 443 })], service: local({ type: 'NodePort' }, [], on('n1')) }), ['198.51.100.1 443']);
});

test('no more gateways are told than a record may have, each once and in the same order', (t) => {
  const ingress = Array.from({ length: 40 }, (_, i) => ({ ip: `192.0.2.${i + 1}` }));
  const service = (list: readonly object[]) => local({ type: 'LoadBalancer' }, [...list, ...list], on('n1'));
  t.is(found({ service: service(ingress) }).length, 16);
  t.deepEqual(found({ service: service(ingress) }), found({ service: service(ingress.toReversed()) }));
});
