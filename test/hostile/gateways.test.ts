/** M4 and invariant 5 for gateways: a hostile member of another network says where clients should dial. */
import { fromBinary } from '@bufbuild/protobuf';
import type { KubernetesObject } from '@kubernetes/client-node';
import { exampleGateway } from '@landbridge/federation/networks/example-gateways.ts';
import { AddressSchema } from '@landbridge/wire/gen/workload_pb.js';
import { ADDRESS_TYPE } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { type HonestCluster, HostileClusterset, type HostileMember } from './clusterset.ts';
import { until } from '@landbridge/lab/until.ts';
import { addNode, exportService, sayService } from './exports.ts';

let set: HostileClusterset;
let [east, west, mallory]: [HonestCluster, HonestCluster, HostileMember] = [] as never;
test.before(async () => {
  set = await HostileClusterset.start('far');
  ({ east, west, mallory } = set);
  addNode(east, '172.16.1.1', '10.1.0.0/16');
  addNode(west, '172.16.2.1', '10.2.0.0/16');
  east.objects.put({ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', metadata: { namespace: 'default', name: 'kubernetes' }, endpoints: [{ addresses: ['192.0.2.9'] }] } as KubernetesObject);
  exportService(east, 'cart', '10.1.0.7');
  exportService(west, 'cart', '10.2.0.1');
  await until('east imports of west, and has given the service an address', () => east.addresses('west').includes('10.2.0.1') && serviceAddresses().length > 0);
});
test.after.always(async () => await set?.[Symbol.asyncDispose]());

/** Of Services of east. */
const serviceAddresses = (): readonly string[] => east.objects.list('Service').flatMap((service) => (service as { spec?: { clusterIPs?: readonly string[] } }).spec?.clusterIPs ?? []).filter((address) => address !== 'None');

/** Where agents of east are told to dial gateways of mallory. */
const told = (): readonly string[] => [...(east.objects.told.at(-1)?.types.get(ADDRESS_TYPE) ?? [])].filter(([key]) => key.startsWith('mallory/landbridge.dev/Gateway/')).flatMap(([, { bytes }]) => {
  const { type } = fromBinary(AddressSchema, bytes);
  return type.case === 'workload' ? [type.value.hostname || (type.value.addresses[0]?.join('.') ?? '')] : [];
}).sort();
const dropped = (): object => Object.fromEntries(east.objects.clusterset.droppedGateways.get('mallory') ?? []);

async function say(addresses: readonly string[]): Promise<void> {
  mallory.say({ kind: 'meta', trustDomain: 'mallory.landbridge', network: 'far', version: '0', gateways: addresses.map((address) => exampleGateway(address)) });
  await sayService(mallory, 'cart', ['10.1.0.7']);
}

test.serial('agents are told of no gateway that is another’s, or nobody’s', async (t) => {
  const bad = ['127.0.0.1', '::1', '::ffff:127.0.0.1', '169.254.169.254', 'fe80::1', '224.0.0.1', '0177.0.0.1', '10.1.0.7', '172.16.1.1', '::ffff:172.16.1.1', '192.0.2.9', '10.2.0.1', '10.2.200.7', ...serviceAddresses().slice(0, 1)];
  t.is(bad.length, 14);
  await say([...bad, '203.0.113.7', 'gw.mallory.example']);
  await until('east knows its gateways', () => told().length > 0);
  t.deepEqual(told(), ['203.0.113.7', 'gw.mallory.example']);
  t.deepEqual(dropped(), { 'not-usable': 7, 'pod-range': 1, 'node': 2, 'api-server': 1, 'service-range': 1, 'other-cluster': 2 });
});

test.serial('where none is left there is no way to the member, and its services have no endpoints behind any', async (t) => {
  await say(['10.2.0.1', '172.16.1.1']);
  await until('east has heard of it', () => told().length === 0);
  t.deepEqual([...(east.objects.told.at(-1)?.types.get(ADDRESS_TYPE)?.keys() ?? [])].filter((key) => key.startsWith('mallory/')), []);
  t.true(east.addresses('west').includes('10.2.0.1'), 'others go on');
});

test.serial('what becomes a place of this cluster later is none of the member’s from then on', async (t) => {
  await say(['203.0.113.7', '203.0.113.8']);
  await until('both are told', () => told().length === 2);
  east.objects.put({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-2' }, spec: {}, status: { addresses: [{ type: 'InternalIP', address: '203.0.113.7' }] } } as KubernetesObject);
  await until('one is a node', () => told().length === 1);
  t.deepEqual(told(), ['203.0.113.8']);
  east.objects.put({ apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'landbridge-system', name: 'landbridge-gateway' }, spec: { type: 'LoadBalancer', ports: [{ name: 'hbone', port: 15008 }] }, status: { loadBalancer: { ingress: [{ ip: '203.0.113.8' }] } } } as KubernetesObject);
  east.objects.put({ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', metadata: { namespace: 'landbridge-system', name: 'landbridge-gateway', labels: { 'kubernetes.io/service-name': 'landbridge-gateway' } }, ports: [{ name: 'hbone', port: 15008 }], endpoints: [{ addresses: ['10.1.0.9'], conditions: { ready: true } }] } as KubernetesObject);
  await until('the other is a gateway of east itself', () => told().length === 0);
  t.deepEqual(dropped(), { node: 1, gateway: 1 });
});
