import { fromBinary, type Message, type MessageShape } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { Endpoint } from '@landbridge/core/records.ts';
import { NO_TRAFFIC_POLICY } from '@landbridge/core/route-plan.ts';
import { EndpointNamesSchema, NamedPort_Protocol, ServiceNamesSchema } from '@landbridge/wire/gen/names_pb.js';
import { RestingServicesSchema } from '@landbridge/wire/gen/resting_pb.js';
import { TrustBundleSchema } from '@landbridge/wire/gen/trust_pb.js';
import { ServiceTraffic_Affinity, ServiceTrafficSchema } from '@landbridge/wire/gen/traffic_pb.js';
import { AddressSchema, AppProtocol, IPFamilies, LoadBalancing_HealthPolicy, LoadBalancing_Mode, LoadBalancing_Scope, NetworkMode, type Service, TunnelProtocol, type Workload, WorkloadStatus } from '@landbridge/wire/gen/workload_pb.js';
import { NAMES_EXTENSION, REDIRECTION_ANNOTATION, RESTING_EXTENSION, TRAFFIC_EXTENSION } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { MANAGED_BY, MANAGED_BY_LABEL } from '../kubernetes/types.ts';
import type { ImportedService } from '../merge/merge.ts';
import { exampleImport, part } from '../outputs/example-imports.ts';
import { endpoint } from '../records/example-records.ts';
import { clusterObjects, exampleEndpoint, examplePod, exampleService, exampleSlice } from '../registry/example-objects.ts';
import { localServices } from '../registry/local-endpoints.ts';
import { addressResources } from './address-resources.ts';
import { trustBundleResources } from './trust-bundles.ts';

const annotations = { [REDIRECTION_ANNOTATION]: 'enabled' };
const host = 'shop/cart.shop.svc.cluster.local';
const setHost = 'shop/cart.shop.svc.clusterset.local';

function resourcesOf(objects: Parameters<typeof clusterObjects>[0], imports: readonly ImportedService[] = []): ReadonlyMap<string, Workload | Service> {
  const all = clusterObjects(objects);
  const made = addressResources({ cluster: 'west', trustDomain: 'west.landbridge', network: 'n1', domain: 'cluster.local', policiesOf: (namespace, labels) => (labels['app'] === 'guarded' ? [`${namespace}/guard`] : []), trafficOf: (namespace, hostname) => (hostname.startsWith('bounded.') ? { limits: { maxConnections: namespace.length, maxPending: undefined }, affinity: 'none' } : NO_TRAFFIC_POLICY), pods: all.pods, nodes: all.nodes, services: localServices(all), imports: imports.map((imported) => ({ imported, addresses: ['10.96.9.9'] })) });
  return new Map([...made].map(([name, { bytes }]) => [name, fromBinary(AddressSchema, bytes).type.value as Workload | Service]));
}

const workloadOf = (resources: ReadonlyMap<string, unknown>, name: string): Workload | undefined => resources.get(name) as Workload | undefined;
const portsIn = (services: Workload['services'] = {}): object => Object.fromEntries(Object.entries(services).map(([key, { ports }]) => [key, ports.map(({ servicePort, targetPort }) => [servicePort, targetPort])]));
const portsOf = (workload: Workload | undefined): object => portsIn(workload?.services);
const restingPortsOf = (workload: Workload | undefined): object => {
  const config = workload?.extensions.find(({ name }) => name === RESTING_EXTENSION)?.config;
  return portsIn(config === undefined ? undefined : anyUnpack(config, RestingServicesSchema)?.services);
};

test('a pod is a workload by cluster, namespace and name', (t) => {
  const workload = workloadOf(resourcesOf({ pods: [examplePod('cart-1', ['10.0.0.1', 'fd00::1'], { annotations })] }), 'west//Pod/shop/cart-1');
  t.like(workload, { uid: 'west//Pod/shop/cart-1', name: 'cart-1', namespace: 'shop', network: 'n1', trustDomain: 'west.landbridge', serviceAccount: 'cart', node: 'node-1', clusterId: 'west', tunnelProtocol: TunnelProtocol.HBONE, status: WorkloadStatus.HEALTHY, networkMode: NetworkMode.STANDARD });
  t.deepEqual(workload?.addresses, [Uint8Array.of(10, 0, 0, 1), Uint8Array.of(0xfd, ...new Array<number>(14).fill(0), 1)]);
});

test('a pod without an address, or that has ended, is none; one that is not ready is, and says so', (t) => {
  const pods = [examplePod('pending', []), examplePod('done', '10.0.0.2', { status: { phase: 'Succeeded' } }), examplePod('failed', '10.0.0.3', { status: { phase: 'Failed' } }), examplePod('starting', '10.0.0.4', { status: { conditions: [] } }), examplePod('host', '192.0.2.1', { annotations, spec: { hostNetwork: true } })];
  const found = resourcesOf({ pods });
  t.deepEqual([...found.keys()], ['west//Pod/shop/starting', 'west//Pod/shop/host']);
  t.like(found.get('west//Pod/shop/starting'), { status: WorkloadStatus.UNHEALTHY, tunnelProtocol: TunnelProtocol.NONE });
  t.like(found.get('west//Pod/shop/host'), { networkMode: NetworkMode.HOST_NETWORK, tunnelProtocol: TunnelProtocol.NONE });
});

test('a pod of this cluster names its policies, a workload of another cluster none', (t) => {
  const guarded = examplePod('cart-1', '10.0.0.1');
  guarded.metadata = { ...guarded.metadata, labels: { app: 'guarded' } };
  const found = resourcesOf({ pods: [guarded, examplePod('cart-2', '10.0.0.2')] }, [exampleImport({ clusters: [part('east', endpoint('cart-9', '10.2.0.9'))] })]);
  t.deepEqual(['west//Pod/shop/cart-1', 'west//Pod/shop/cart-2', 'east//Pod/shop/cart-9'].map((name) => workloadOf(found, name)?.authorizationPolicies), [['shop/guard'], [], []]);
});

test('a Service is told with its ports, a pod behind it with the ports that it serves them on', (t) => {
  const services = [exampleService('cart', { ports: [{ name: 'http', port: 80 }, { name: 'grpc', port: 90, protocol: 'TCP' }, { name: 'dns', port: 53, protocol: 'UDP' }] })];
  const slices = [exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1')], { ports: [{ name: 'http', port: 8080 }, { name: 'grpc', port: 9090 }, { name: 'dns', port: 5353, protocol: 'UDP' }] })];
  const found = resourcesOf({ services, slices, pods: [examplePod('cart-1')] });
  const service = found.get(host) as Service;
  t.like(service, { name: 'cart', namespace: 'shop', hostname: 'cart.shop.svc.cluster.local' });
  t.deepEqual(service.addresses.map(({ network, address }) => [network, [...address]]), [['n1', [10, 96, 0, 1]]]);
  t.deepEqual(service.ports.map(({ servicePort }) => servicePort), [80, 90], 'connections are TCP');
  t.deepEqual(portsOf(workloadOf(found, 'west//Pod/shop/cart-1')), { [host]: [[80, 8080], [90, 9090]] });
});

const namesOf = <Desc extends GenMessage<Message>>(schema: Desc, resource: Workload | Service | undefined): MessageShape<Desc> | undefined => {
  const config = resource?.extensions.find(({ name }) => name === NAMES_EXTENSION)?.config;
  return config === undefined ? undefined : anyUnpack(config, schema);
};
const endpointNamesOf = (resource: unknown): object => Object.fromEntries(Object.entries(namesOf(EndpointNamesSchema, resource as Workload)?.services ?? {}).map(([key, { hostname, ipv4, ipv6, ports }]) => [key, [hostname, ipv4, ipv6, ports.map(({ name, port }) => `${name} ${port}`)]]));

test('a Service is told with the names of its ports, of every protocol', (t) => {
  const ports = [{ name: 'http', port: 80 }, { name: 'dns', port: 53, protocol: 'UDP' }, { port: 81 }, { name: 'odd', port: 1, protocol: 'ODD' }];
  const found = resourcesOf({ services: [exampleService('cart', { ports }), exampleService('none', { clusterIP: 'None', clusterIPs: ['None'], ports: [] })] });
  const names = namesOf(ServiceNamesSchema, found.get(host));
  t.deepEqual([names?.headless, names?.ports.map(({ name, protocol, port }) => [name, protocol, port])], [false, [['http', NamedPort_Protocol.TCP, 80], ['dns', NamedPort_Protocol.UDP, 53]]]);
  t.like(namesOf(ServiceNamesSchema, found.get('shop/none.shop.svc.cluster.local')), { headless: true, ports: [] });
});

test('a Service, and an import, that keeps clients at one endpoint is told so', (t) => {
  const affine = (resource: Workload | Service | undefined): boolean => {
    const config = resource?.extensions.find(({ name }) => name === TRAFFIC_EXTENSION)?.config;
    return config !== undefined && anyUnpack(config, ServiceTrafficSchema)?.affinity === ServiceTraffic_Affinity.CLIENT_ADDRESS;
  };
  const found = resourcesOf({ services: [exampleService('cart', { sessionAffinity: 'ClientIP' }), exampleService('free', { sessionAffinity: 'None' })] }, [exampleImport({ sessionAffinity: 'ClientIP' })]);
  t.deepEqual([host, setHost, 'shop/free.shop.svc.cluster.local'].map((name) => affine(found.get(name))), [true, true, false]);
});

test('a rule for a Service bounds it, and leaves it the affinity that it has', (t) => {
  const found = resourcesOf({ services: [exampleService('bounded', { sessionAffinity: 'ClientIP' })] });
  const config = found.get('shop/bounded.shop.svc.cluster.local')?.extensions.find(({ name }) => name === TRAFFIC_EXTENSION)?.config;
  t.like(config === undefined ? undefined : anyUnpack(config, ServiceTrafficSchema), { affinity: ServiceTraffic_Affinity.CLIENT_ADDRESS, maxConnections: 4, maxPending: 0 });
});

test('an endpoint of a headless Service is told with its name, and with the families and ports that it has there', (t) => {
  const services = [exampleService('web', { clusterIP: 'None', clusterIPs: ['None'], ports: [] }), exampleService('cart')];
  const slices = [
    exampleSlice('web', [exampleEndpoint('web-0', '10.0.0.1', { hostname: 'web-0' }), exampleEndpoint('late', '10.0.0.2', { conditions: { ready: false } }), exampleEndpoint('early', '10.0.0.3', { conditions: { ready: true, serving: false } })], { ports: [{ name: 'http', port: 8080 }, { name: 'dns', port: 5353, protocol: 'UDP' }] }),
    exampleSlice('cart', [exampleEndpoint('web-0', '10.0.0.1', { hostname: 'web-0' })]),
  ];
  const found = resourcesOf({ services, slices, pods: [examplePod('web-0', ['10.0.0.1', 'fd00::1']), examplePod('late', '10.0.0.2'), examplePod('early', '10.0.0.3', { status: { conditions: [] } })] });
  const web = 'shop/web.shop.svc.cluster.local';
  t.deepEqual(endpointNamesOf(found.get('west//Pod/shop/web-0')), { [web]: ['web-0', true, false, ['http 8080', 'dns 5353']] });
  t.deepEqual(endpointNamesOf(found.get('west//Pod/shop/late')), {});
  t.deepEqual(endpointNamesOf(found.get('west//Pod/shop/early')), { [web]: ['', true, false, ['http 8080', 'dns 5353']] }, 'published before it is ready');
});

test('an endpoint of another cluster is named as that cluster says, where that is a label', (t) => {
  const named: Endpoint = { ...endpoint('web-0', '10.2.0.1'), addresses: ['10.2.0.1', 'fd02::1'], hostname: 'web-0' };
  const found = resourcesOf({}, [exampleImport({ type: 'Headless', clusters: [part('east', named, { ...endpoint('odd'), hostname: 'a.b' }, { ...endpoint('gone'), ready: false, hostname: 'gone' })] })]);
  t.deepEqual(endpointNamesOf(found.get('east//Pod/shop/web-0')), { [setHost]: ['web-0', true, true, []] });
  t.deepEqual(endpointNamesOf(found.get('east//Pod/shop/odd')), { [setHost]: ['', true, false, []] });
  t.deepEqual(endpointNamesOf(found.get('east//Pod/shop/gone')), {});
});

test('the cluster has the domain that it is said to have, the clusterset its own', (t) => {
  const objects = clusterObjects({ services: [exampleService('cart')] });
  const made = addressResources({ cluster: 'west', trustDomain: 'w', network: '', domain: 'west.internal', policiesOf: () => [], trafficOf: () => NO_TRAFFIC_POLICY, pods: [], nodes: [], services: localServices(objects), imports: [{ imported: exampleImport(), addresses: [] }] });
  t.deepEqual([...made.keys()].filter((name) => !name.includes('//')), ['shop/cart.shop.svc.west.internal', setHost]);
});

test('an endpoint that is not ready serves nothing, unless none is and it still serves while it ends', (t) => {
  const found = (...endpoints: ReturnType<typeof exampleEndpoint>[]) => resourcesOf({ services: [exampleService('cart')], slices: [exampleSlice('cart', endpoints)], pods: [examplePod('cart-1'), examplePod('cart-2', '10.0.0.2')] });
  const [ending, ready] = [exampleEndpoint('cart-1', '10.0.0.1', { conditions: { ready: false, serving: true, terminating: true } }), exampleEndpoint('cart-2', '10.0.0.2')];
  t.deepEqual(portsOf(workloadOf(found(ending, ready), 'west//Pod/shop/cart-1')), {});
  t.deepEqual(portsOf(workloadOf(found(ending), 'west//Pod/shop/cart-1')), { [host]: [[80, 8080]] });
  for (const conditions of [{ ready: false, serving: true, terminating: false }, { ready: false, serving: false, terminating: true }]) t.deepEqual(portsOf(workloadOf(found(exampleEndpoint('cart-1', '10.0.0.1', { conditions })), 'west//Pod/shop/cart-1')), {});
});

const unready = { ready: false, serving: false, terminating: false };
const ports = [[80, 8080]];

test('an endpoint that takes no new connections keeps its ports, for calls that are on their way', (t) => {
  for (const conditions of [unready, { ready: false, serving: true, terminating: true }]) {
    const slices = [exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1', { conditions }), exampleEndpoint('cart-2', '10.0.0.2')])];
    const found = resourcesOf({ services: [exampleService('cart')], slices, pods: [examplePod('cart-1'), examplePod('cart-2', '10.0.0.2')] }, [exampleImport({ clusters: [part('west', { ...endpoint('cart-1'), ...conditions }, endpoint('cart-2', '10.0.0.2'))] })]);
    const told = (name: string): object[] => [portsOf, restingPortsOf].map((of) => of(workloadOf(found, `west//Pod/shop/${name}`)));
    t.deepEqual(told('cart-1'), [{}, { [host]: ports, [setHost]: ports }]);
    t.deepEqual(told('cart-2'), [{ [host]: ports, [setHost]: ports }, {}]);
  }
});

test('an endpoint that only some services use is told so for each', (t) => {
  const published = exampleService('published', { publishNotReadyAddresses: true });
  const slices = [exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1', { conditions: unready })]), exampleSlice('published', [exampleEndpoint('cart-1', '10.0.0.1')])];
  const workload = workloadOf(resourcesOf({ services: [exampleService('cart'), published], slices, pods: [examplePod('cart-1')] }), 'west//Pod/shop/cart-1');
  t.deepEqual(portsOf(workload), { 'shop/published.shop.svc.cluster.local': ports });
  t.deepEqual(restingPortsOf(workload), { [host]: ports });
  // One was told sooner than the other.
  const early = workloadOf(resourcesOf({ services: [exampleService('cart')], slices: slices.slice(0, 1), pods: [examplePod('cart-1')] }, [exampleImport({ clusters: [part('west', endpoint('cart-1'))] })]), 'west//Pod/shop/cart-1');
  t.deepEqual([portsOf(early), restingPortsOf(early)], [{ [setHost]: ports }, { [host]: ports }]);
});

test('an endpoint of another cluster that is not ready serves nothing: its agent is told there', (t) => {
  const workload = workloadOf(resourcesOf({}, [exampleImport({ clusters: [part('east', { ...endpoint('cart-9'), ...unready })] })]), 'east//Pod/shop/cart-9');
  t.deepEqual([portsOf(workload), restingPortsOf(workload)], [{}, {}]);
});

/** Of an import with an endpoint of this cluster, which a route gives so many percent, and one of another. */
function routed(percent: number) {
  const objects = clusterObjects({ services: [exampleService('cart')], slices: [exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1')])], pods: [examplePod('cart-1')] });
  const rules = { percents: new Map([['west', percent]]), caps: new Map<string, number>() };
  const made = addressResources({ cluster: 'west', trustDomain: 'w', network: '', domain: 'cluster.local', policiesOf: () => [], trafficOf: () => NO_TRAFFIC_POLICY, pods: objects.pods, nodes: [], services: localServices(objects), imports: [{ imported: exampleImport({ clusters: [part('west', endpoint('cart-1')), part('east', endpoint('cart-9', '10.2.0.9'))] }), addresses: [], rules }] });
  const told = (name: string): Workload => fromBinary(AddressSchema, made.get(name)?.bytes ?? new Uint8Array()).type.value as Workload;
  return { made, told };
}

test('where a workload with a weight stands for a pod of this cluster, the pod itself keeps the ports of the import', (t) => {
  const { made, told } = routed(50);
  const pod = told('west//Pod/shop/cart-1');
  t.deepEqual([portsOf(pod), restingPortsOf(pod)], [{ [host]: ports }, { [setHost]: ports }]);
  const share = told('west/landbridge.dev/Share/shop/cart/cart-1');
  t.deepEqual([portsOf(share), restingPortsOf(share)], [{ [setHost]: ports }, {}]);
  t.false(made.has('east//Pod/shop/cart-9'));
});

test('endpoints of a cluster that is to get nothing are told without capacity: clients of other networks reach them through its gateway', (t) => {
  const { told } = routed(0);
  const [none, all] = [told('west/landbridge.dev/Share/shop/cart/cart-1'), told('east/landbridge.dev/Share/shop/cart/cart-9')];
  t.deepEqual([none.capacity, portsOf(none)], [0, { [setHost]: ports }]);
  t.deepEqual([all.capacity, portsOf(all)], [1_000_000, { [setHost]: ports }]);
});

test('an endpoint of a pod that is not known yet, or has no address yet, is waited for', (t) => {
  const found = resourcesOf({ services: [exampleService('cart')], slices: [exampleSlice('cart', [exampleEndpoint('late', '10.0.0.7'), exampleEndpoint('pending', '10.0.0.8')])], pods: [examplePod('pending', [])] });
  t.deepEqual([...found.keys()], [host], 'by its address alone it would be dialled without a tunnel');
});

test('the API server’s endpoint, which has no pod, is a workload without a tunnel', (t) => {
  const service = { ...exampleService('kubernetes', { ports: [{ name: 'https', port: 443 }] }), metadata: { namespace: 'default', name: 'kubernetes' } };
  const slice = exampleSlice('kubernetes', [exampleEndpoint(undefined, '192.0.2.10')], { ports: [{ name: 'https', port: 6443 }] });
  slice.metadata = { ...slice.metadata, namespace: 'default', name: 'kubernetes' };
  const workload = workloadOf(resourcesOf({ services: [service], slices: [slice] }), 'west/discovery.k8s.io/EndpointSlice/default/kubernetes/192.0.2.10');
  t.like(workload, { tunnelProtocol: TunnelProtocol.NONE, networkMode: NetworkMode.HOST_NETWORK, status: WorkloadStatus.HEALTHY });
  t.deepEqual(portsOf(workload), { 'default/kubernetes.default.svc.cluster.local': [[443, 6443]] });
});

test('a headless Service has no address, one of type ExternalName is none, a derived one belongs to its import', (t) => {
  const services = [exampleService('cart', { clusterIP: 'None', clusterIPs: ['None'] }), exampleService('ext', { type: 'ExternalName' }), exampleService('derived-x', {}, { [MANAGED_BY_LABEL]: MANAGED_BY })];
  const found = resourcesOf({ services });
  t.deepEqual([...found.keys()], [host]);
  t.deepEqual((found.get(host) as Service).addresses, []);
});

test('an import is told with its clusterset address, the workloads of other clusters with all that their clusters say', (t) => {
  const remote: Endpoint = { ...endpoint('cart-9', '10.2.0.9'), serviceAccount: 'theirs', region: 'r', zone: 'z' };
  const found = resourcesOf({}, [exampleImport({ clusters: [{ ...part('east', remote), network: 'n2' }] })]);
  t.deepEqual([...found.keys()], [setHost, 'east//Pod/shop/cart-9']);
  t.deepEqual((found.get(setHost) as Service).addresses.map(({ address }) => [...address]), [[10, 96, 9, 9]]);
  const workload = workloadOf(found, 'east//Pod/shop/cart-9');
  t.like(workload, { network: 'n2', trustDomain: 'east.landbridge', serviceAccount: 'theirs', clusterId: 'east', tunnelProtocol: TunnelProtocol.HBONE, locality: { region: 'r', zone: 'z' } });
  t.deepEqual(portsOf(workload), { [setHost]: [[80, 8080]] });
});

test('this cluster’s own pods serve the import as the workloads that they are already', (t) => {
  const objects = { services: [exampleService('cart')], slices: [exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1')])], pods: [examplePod('cart-1')] };
  const found = resourcesOf(objects, [exampleImport({ clusters: [part('west', endpoint('cart-1'), endpoint('gone'))] })]);
  t.deepEqual(portsOf(workloadOf(found, 'west//Pod/shop/cart-1')), { [host]: [[80, 8080]], [setHost]: [[80, 8080]] });
  t.false(found.has('west//Pod/shop/gone'), 'a pod of ours that the API server no longer has');
});

test('a target port of another protocol is not the one of this service port', (t) => {
  const dns: Endpoint = { ...endpoint('dns-1'), ports: [{ name: 'dns', protocol: 'UDP', port: 5353 }] };
  const found = resourcesOf({}, [exampleImport({ ports: [{ name: 'dns', protocol: 'TCP', port: 53 }], clusters: [part('east', dns)] })]);
  t.deepEqual(portsOf(workloadOf(found, 'east//Pod/shop/dns-1')), {});
});

test('a cluster can not take the place of another’s workloads by a name', (t) => {
  const found = resourcesOf({ pods: [examplePod('cart-1')] }, [exampleImport({ clusters: [part('east', endpoint('../../west//Pod/shop/cart-1', '10.6.6.6'))] })]);
  t.deepEqual(workloadOf(found, 'west//Pod/shop/cart-1')?.addresses, [Uint8Array.of(10, 0, 0, 1)]);
  t.true([...found.keys()].every((name) => name === setHost || name === 'west//Pod/shop/cart-1' || name.startsWith('east//Pod/shop/')));
});

test('a version changes with what is said, and with nothing else', (t) => {
  const version = (address: string): string | undefined => addressResources({ cluster: 'west', trustDomain: 'w', network: '', domain: 'cluster.local', policiesOf: () => [], trafficOf: () => NO_TRAFFIC_POLICY, pods: [examplePod('a', address)], nodes: [], services: new Map(), imports: [] }).get('west//Pod/shop/a')?.version;
  t.is(version('10.0.0.1'), version('10.0.0.1'));
  t.not(version('10.0.0.1'), version('10.0.0.2'));
});

test('the order of the API server’s lists does not change what is told', (t) => {
  const services = [exampleService('cart'), exampleService('pay', { ports: [{ port: 81 }] })];
  const slices = services.map((service) => exampleSlice(service.metadata?.name ?? '', [exampleEndpoint('a', '10.0.0.1'), exampleEndpoint('b', '10.0.0.2')]));
  const pods = [examplePod('a'), examplePod('b', '10.0.0.2')];
  const versions = (flip: <T>(list: readonly T[]) => T[]): unknown => [...addressResources({ cluster: 'west', trustDomain: 'w', network: '', domain: 'cluster.local', policiesOf: () => [], trafficOf: () => NO_TRAFFIC_POLICY, pods: flip(pods), nodes: [], services: localServices(clusterObjects({ services: flip(services), slices: flip(slices), pods })), imports: [] })].map(([name, { version }]) => [name, version]).sort();
  t.deepEqual(versions((list) => list.toReversed()), versions((list) => [...list]));
});

test('roots are told by trust domain', (t) => {
  const bundles = trustBundleResources([{ trustDomain: 'west.landbridge', roots: [Uint8Array.of(1), Uint8Array.of(2)] }, { trustDomain: 'east.landbridge', roots: [] }]);
  t.like(fromBinary(TrustBundleSchema, bundles.get('west.landbridge')?.bytes ?? new Uint8Array()), { trustDomain: 'west.landbridge', roots: [Uint8Array.of(1), Uint8Array.of(2)] });
  t.deepEqual([...bundles.keys()], ['west.landbridge', 'east.landbridge']);
});

const node = (name: string, region: string, zone: string, address = '192.0.2.1') => ({ metadata: { name, labels: { 'topology.kubernetes.io/region': region, 'topology.kubernetes.io/zone': zone } }, status: { addresses: [{ type: 'InternalIP', address }] } });

test('a workload is where its node is, one without a pod where its slice says', (t) => {
  const slices = [exampleSlice('cart', [exampleEndpoint(undefined, '198.51.100.1', { nodeName: 'node-1', zone: 'z9' }), exampleEndpoint(undefined, '198.51.100.2', { zone: 'z8' })])];
  const found = resourcesOf({ pods: [examplePod('a'), examplePod('b', '10.0.0.2', { spec: { nodeName: 'gone' } })], nodes: [node('node-1', 'r1', 'z1')], services: [exampleService('cart')], slices });
  const localities = ['west//Pod/shop/a', 'west//Pod/shop/b', 'west/discovery.k8s.io/EndpointSlice/shop/cart-abcde/198.51.100.1', 'west/discovery.k8s.io/EndpointSlice/shop/cart-abcde/198.51.100.2'].map((name) => workloadOf(found, name)?.locality);
  t.deepEqual(localities.map((each) => each && [each.region, each.zone]), [['r1', 'z1'], undefined, ['r1', 'z9'], ['', 'z8']]);
});

test('an endpoint by an address that only means something on its own host is none', (t) => {
  const slices = [exampleSlice('cart', ['127.0.0.1', '::ffff:127.0.0.1', '0177.0.0.1', '169.254.169.254', 'localhost'].map((address) => exampleEndpoint(undefined, address)))];
  t.deepEqual([...resourcesOf({ services: [exampleService('cart')], slices }).keys()], [host]);
});

test('of a load balancer’s addresses those count that lead to one Service and to no node', (t) => {
  const balanced = (name: string, ...ingress: object[]) => ({ ...exampleService(name, { type: 'LoadBalancer', clusterIPs: [] }), status: { loadBalancer: { ingress } } });
  const services = [balanced('cart', { ip: '203.0.113.1' }, { ip: '203.0.113.2', ipMode: 'Proxy' }, { hostname: 'lb.example' }, { ip: '203.0.113.3' }, { ip: '192.0.2.1' }, { ip: '127.0.0.1' }), balanced('pay', { ip: '203.0.113.3' })];
  const found = resourcesOf({ services: services as never, nodes: [node('node-1', '', '')] });
  t.deepEqual((found.get(host) as Service).addresses.map(({ address }) => address.join('.')), ['203.0.113.1']);
  t.deepEqual((found.get('shop/pay.shop.svc.cluster.local') as Service).addresses, []);
});

test('families, protocols of ports and preferences are told as the Service says them', (t) => {
  const services = [exampleService('cart', { ipFamilies: ['IPv4', 'IPv6'], trafficDistribution: 'PreferSameZone', ports: [{ name: 'grpc-main', port: 80 }, { name: 'x', port: 81, appProtocol: 'kubernetes.io/h2c' }] }), exampleService('local', { internalTrafficPolicy: 'Local', ipFamilies: ['IPv6'] })];
  const found = resourcesOf({ services });
  const [cart, local] = [found.get(host) as Service, found.get('shop/local.shop.svc.cluster.local') as Service];
  t.deepEqual([cart.ipFamilies, local.ipFamilies], [IPFamilies.DUAL, IPFamilies.IPV6_ONLY]);
  t.deepEqual(cart.ports.map(({ appProtocol }) => appProtocol), [AppProtocol.GRPC, AppProtocol.HTTP2]);
  t.like(cart.loadBalancing, { mode: LoadBalancing_Mode.FAILOVER, routingPreference: [LoadBalancing_Scope.NETWORK, LoadBalancing_Scope.REGION, LoadBalancing_Scope.ZONE] });
  t.like(local.loadBalancing, { mode: LoadBalancing_Mode.STRICT, routingPreference: [LoadBalancing_Scope.NODE], healthPolicy: LoadBalancing_HealthPolicy.ONLY_HEALTHY });
});

test('with internalTrafficPolicy Local each node falls back to its own ending endpoints', (t) => {
  const ending = { ready: false, serving: true, terminating: true };
  const slices = [exampleSlice('cart', [exampleEndpoint('a', '10.0.0.1', { nodeName: 'n1', conditions: ending }), exampleEndpoint('b', '10.0.0.2', { nodeName: 'n2' }), exampleEndpoint('c', '10.0.0.3', { nodeName: 'n2', conditions: ending })])];
  const pods = [examplePod('a'), examplePod('b', '10.0.0.2'), examplePod('c', '10.0.0.3')];
  const serving = (spec: object) => {
    const found = resourcesOf({ services: [exampleService('cart', spec)], slices, pods });
    return ['a', 'b', 'c'].filter((name) => Object.keys(portsOf(workloadOf(found, `west//Pod/shop/${name}`))).length > 0);
  };
  t.deepEqual(serving({ internalTrafficPolicy: 'Local' }), ['a', 'b']);
  t.deepEqual(serving({}), ['b']);
});
