import { fromBinary } from '@bufbuild/protobuf';
import type { KubernetesObject, V1Node, V1Pod } from '@kubernetes/client-node';
import { NO_TRAFFIC_POLICY } from '@landbridge/core/route-plan.ts';
import { AddressSchema, AppProtocol, LoadBalancing_HealthPolicy, LoadBalancing_Mode, type Service, TunnelProtocol, Visibility, type Workload, WorkloadStatus } from '@landbridge/wire/gen/workload_pb.js';
import test from 'ava';
import { allEntries } from '../entries/all-entries.ts';
import { type EntryObject, exampleServiceEntry, exampleWorkloadEntry } from '../entries/example-entries.ts';
import { clusterObjects, exampleEndpoint, examplePod, exampleService, exampleSlice } from '../registry/example-objects.ts';
import { localServices } from '../registry/local-endpoints.ts';
import { addressResources } from './address-resources.ts';

const IDENTITY = { cluster: 'west', trustDomain: 'west.landbridge', network: 'n1', domain: 'cluster.local' };

function told(objects: readonly KubernetesObject[]): ReadonlyMap<string, Workload | Service> {
  const of = <T>(kind: string): T[] => objects.filter((object) => object.kind === kind) as T[];
  const all = clusterObjects({ pods: of<V1Pod>('Pod'), services: of('Service'), slices: of('EndpointSlice'), nodes: of<V1Node>('Node') });
  const services = localServices(all);
  const entries = allEntries({ serviceEntries: of('ServiceEntry'), workloadEntries: of('WorkloadEntry'), pods: all.pods, hasService: (key) => services.has(key) }, IDENTITY.domain);
  const made = addressResources({ ...IDENTITY, pods: all.pods, nodes: all.nodes, services, imports: [], entries, trafficOf: () => NO_TRAFFIC_POLICY, policiesOf: (namespace, labels) => (labels['app'] === 'db' ? [`${namespace}/guard`] : []) });
  return new Map([...made].map(([name, { bytes }]) => [name, fromBinary(AddressSchema, bytes).type.value as Workload | Service]));
}

const serviceOf = (found: ReadonlyMap<string, unknown>, name = 'shop/db.example'): Service | undefined => found.get(name) as Service | undefined;
const texts = (service: Service | undefined): string[] | undefined => service?.addresses.map(({ address, length }) => `${address.join('.')}${length === undefined ? '' : `/${length}`}`);
const portsOf = (workload: unknown, service = 'shop/db.example'): number[][] | undefined => (workload as Workload | undefined)?.services[service]?.ports.map(({ servicePort, targetPort }) => [servicePort, targetPort]);
const selecting = (name: string, spec: object = {}, metadata: object = {}): EntryObject => exampleServiceEntry(name, { resolution: 'STATIC', addresses: ['203.0.113.1'], workloadSelector: { labels: { app: 'db' } }, ...spec }, metadata);
function pod(name: string, ip: string, more: { readonly ready?: boolean; readonly ending?: boolean; readonly containers?: object[] } = {}): V1Pod {
  const made = examplePod(name, ip, { spec: { containers: more.containers ?? [] }, ...(more.ready === false ? { status: { conditions: [] } } : {}) });
  return { ...made, metadata: { ...made.metadata, labels: { app: 'db' }, ...(more.ending === true ? { deletionTimestamp: new Date(1) } : {}) } };
}

test('an entry with endpoints is a service with its addresses, and a workload for each of them', (t) => {
  const found = told([exampleServiceEntry('db', { resolution: 'STATIC', addresses: ['203.0.113.1', '198.51.100.0/24'], subjectAltNames: ['spiffe://x/ns/y/sa/z'], ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: 8080 }, { number: 53, name: 'dns', protocol: 'UDP' }, { number: 443, name: 'tls', protocol: 'TLS' }], endpoints: [{ address: '192.0.2.1', ports: { http: 81 }, weight: 3, locality: 'r/z' }, { address: '192.0.2.1', ports: { http: 82 } }] }, { labels: { app: 'db' } })]);
  const service = serviceOf(found);
  t.like(service, { name: 'db', namespace: 'shop', hostname: 'db.example', canonical: true, visibility: Visibility.PUBLIC, subjectAltNames: ['spiffe://x/ns/y/sa/z'], loadBalancing: undefined });
  t.deepEqual(texts(service), ['203.0.113.1', '198.51.100.0/24']);
  t.deepEqual(service?.ports.map(({ servicePort, appProtocol }) => [servicePort, appProtocol]), [[80, AppProtocol.HTTP11], [443, AppProtocol.TLS]]);
  const [first, second] = ['', '/1'].map((more) => found.get(`west/networking.istio.io/ServiceEntry/shop/db/192.0.2.1${more}`) as Workload);
  t.like(first, { namespace: 'shop', network: 'n1', clusterId: 'west', tunnelProtocol: TunnelProtocol.NONE, status: WorkloadStatus.HEALTHY, capacity: 3, authorizationPolicies: ['shop/guard'], node: '' });
  t.deepEqual([portsOf(first), portsOf(second)], [[[80, 81], [443, 443]], [[80, 82], [443, 443]]]);
  t.like(first?.locality, { region: 'r', zone: 'z' });
});

test('names are looked up by agents: those of endpoints, or the hosts themselves', (t) => {
  const found = told([exampleServiceEntry('db', { resolution: 'DNS', hosts: ['db.example', 'other.example'] }), exampleServiceEntry('api', { resolution: 'DNS', hosts: ['api.example'], endpoints: [{ address: 'real.example' }, { address: '192.0.2.3' }] })]);
  const workload = (name: string): Workload => found.get(`west/networking.istio.io/ServiceEntry/shop/${name}`) as Workload;
  t.like(workload('db/db.example'), { hostname: 'db.example', addresses: [] });
  t.deepEqual([portsOf(workload('db/db.example')), portsOf(workload('db/db.example'), 'shop/other.example')], [[[80, 80]], undefined]);
  t.like(workload('api/real.example'), { hostname: 'real.example', addresses: [] });
  t.deepEqual(portsOf(workload('api/192.0.2.3'), 'shop/api.example'), [[80, 80]]);
});

test('with the resolution NONE connections pass', (t) => {
  const found = told([exampleServiceEntry('db', { addresses: ['203.0.113.1'] })]);
  t.like(serviceOf(found)?.loadBalancing, { mode: LoadBalancing_Mode.PASSTHROUGH, healthPolicy: LoadBalancing_HealthPolicy.ALLOW_ALL });
  t.is(found.size, 1);
});

test('pods and WorkloadEntries of the namespace are selected by their labels, and serve at ports of the same name', (t) => {
  const containers = [{ name: 'c', ports: [{ name: 'http', containerPort: 8081, protocol: 'UDP' }, { name: 'http', containerPort: 8080 }] }];
  const found = told([
    selecting('db', { ports: [{ number: 80, name: 'http', protocol: 'HTTP' }, { number: 90, name: 'other', protocol: 'TCP', targetPort: 9000 }] }),
    pod('db-1', '10.0.0.1', { containers }),
    { ...pod('db-2', '10.0.0.2'), metadata: { name: 'db-2', namespace: 'bank', labels: { app: 'db' } } } as KubernetesObject,
    exampleWorkloadEntry('vm', { ports: { other: 9001 }, labels: { app: 'db', v: 'spec' }, weight: 2, serviceAccount: 'vm', network: 'n2' }, { labels: { v: 'metadata' } }),
    exampleWorkloadEntry('vm-2', { labels: { app: 'db' } }, { labels: { app: 'web' } }),
  ]);
  t.deepEqual(portsOf(found.get('west//Pod/shop/db-1')), [[80, 8080], [90, 9000]]);
  t.is(portsOf(found.get('west//Pod/bank/db-2')), undefined);
  const vm = found.get('west/networking.istio.io/WorkloadEntry/shop/vm') as Workload;
  t.deepEqual(portsOf(vm), [[80, 80], [90, 9001]]);
  t.like(vm, { name: 'vm', network: 'n2', serviceAccount: 'vm', capacity: 2, trustDomain: 'west.landbridge', tunnelProtocol: TunnelProtocol.NONE, authorizationPolicies: ['shop/guard'] });
  t.is(portsOf(found.get('west/networking.istio.io/WorkloadEntry/shop/vm-2')), undefined, 'labels of the object win');
});

test('pods that are not ready serve nothing, those that end only while no other is', (t) => {
  const ports = (...pods: V1Pod[]): unknown[] => [...told([selecting('db'), ...pods]).values()].filter((each) => each.$typeName === 'istio.workload.Workload').map((each) => portsOf(each)?.length ?? 0);
  t.deepEqual(ports(pod('a', '10.0.0.1', { ready: false }), pod('b', '10.0.0.2')), [0, 1]);
  t.deepEqual(ports(pod('a', '10.0.0.1', { ending: true }), pod('b', '10.0.0.2')), [0, 1]);
  t.deepEqual(ports(pod('a', '10.0.0.1', { ending: true }), pod('b', '10.0.0.2', { ready: false })), [1, 0]);
});

test('a WorkloadEntry is healthy unless somebody looks after that and has not said so', (t) => {
  const annotations = { 'proxy.istio.io/health-checks-enabled': 'true' };
  for (const [conditions, isHealthy] of [[[{ type: 'Healthy', status: 'True' }], true], [[{ type: 'Healthy', status: 'False' }], false], [[], false], ['x', false]] as const) {
    const found = told([selecting('db'), exampleWorkloadEntry('vm', { labels: { app: 'db' } }, { annotations }, { conditions })]);
    const vm = found.get('west/networking.istio.io/WorkloadEntry/shop/vm') as Workload;
    t.deepEqual([vm.status === WorkloadStatus.HEALTHY, portsOf(vm)], [isHealthy, isHealthy ? [[80, 80]] : undefined]);
  }
  t.like(told([exampleWorkloadEntry('vm', {}, {}, { conditions: [{ type: 'Healthy', status: 'False' }] })]).get('west/networking.istio.io/WorkloadEntry/shop/vm'), { status: WorkloadStatus.HEALTHY });
});

test('there is a tunnel to what says that it takes one', (t) => {
  const tunnelTo = (metadata: object): [TunnelProtocol, boolean] => {
    const { tunnelProtocol, nativeTunnel } = told([exampleWorkloadEntry('vm', {}, metadata)]).get('west/networking.istio.io/WorkloadEntry/shop/vm') as Workload;
    return [tunnelProtocol, nativeTunnel];
  };
  t.deepEqual(tunnelTo({}), [TunnelProtocol.NONE, false]);
  t.deepEqual(tunnelTo({ annotations: { 'ambient.istio.io/redirection': 'enabled' } }), [TunnelProtocol.HBONE, false]);
  t.deepEqual(tunnelTo({ labels: { 'networking.istio.io/tunnel': 'x,http' } }), [TunnelProtocol.HBONE, true]);
});

test('of one host in a namespace the oldest counts, and a Service before all; of several namespaces the oldest is canonical', (t) => {
  const at = (seconds: number, namespace: string, more: object = {}): object => ({ namespace, creationTimestamp: new Date(seconds * 1000), ...more });
  const found = told([
    selecting('late', { addresses: ['203.0.113.2'] }, at(9, 'shop')),
    selecting('early', {}, at(5, 'shop')),
    selecting('hidden', { exportTo: ['.'] }, at(1, 'bank')),
    selecting('other', { hosts: ['cart.shop.svc.cluster.local'] }, at(1, 'shop')),
    selecting('foreign', { hosts: ['cart.shop.svc.cluster.local'] }, at(1, 'bank')),
    exampleService('cart'),
  ]);
  t.like(serviceOf(found), { name: 'early', canonical: true });
  t.like(serviceOf(found, 'bank/db.example'), { name: 'hidden', canonical: false, visibility: Visibility.NAMESPACE });
  t.like(serviceOf(found, 'shop/cart.shop.svc.cluster.local'), { name: 'cart', canonical: true });
  t.like(serviceOf(found, 'bank/cart.shop.svc.cluster.local'), { name: 'foreign', canonical: false });
});

test('no entry takes the address of a node, or of another namespace’s Service', (t) => {
  const node = { kind: 'Node', metadata: { name: 'n' }, status: { addresses: [{ type: 'InternalIP', address: '192.0.2.50' }] } };
  const addresses = ['10.96.0.1', '192.0.2.50', '203.0.113.1'];
  const found = told([node, exampleService('cart'), selecting('a', { addresses }), selecting('b', { addresses }, { namespace: 'bank' })]);
  t.deepEqual(texts(serviceOf(found)), ['10.96.0.1', '203.0.113.1']);
  t.deepEqual(texts(serviceOf(found, 'bank/db.example')), ['203.0.113.1']);
});

test('automatic addresses are each host’s own', (t) => {
  const found = told([exampleServiceEntry('db', { resolution: 'DNS', hosts: ['db.example', 'b.example'] }, {}, { addresses: [{ host: 'db.example', value: '240.240.0.1' }, { host: 'db.example', value: '2001:2::1' }, { host: 'b.example', value: '240.240.0.2' }] })]);
  t.deepEqual([serviceOf(found)?.addresses.length, texts(serviceOf(found, 'shop/b.example'))], [2, ['240.240.0.2']]);
});

test('pods behind a Service and an entry are behind both', (t) => {
  const found = told([selecting('db'), pod('db-1', '10.0.0.1'), exampleService('cart'), exampleSlice('cart', [exampleEndpoint('db-1', '10.0.0.1')])]);
  t.deepEqual(Object.keys((found.get('west//Pod/shop/db-1') as Workload).services).sort(), ['shop/cart.shop.svc.cluster.local', 'shop/db.example']);
});

test('a Service selects WorkloadEntries beside pods, and finds their ports as it says them', (t) => {
  const service = exampleService('cart', { selector: { app: 'db' }, ports: [{ name: 'http', port: 80, targetPort: 'web' }, { name: 'grpc', port: 90, targetPort: 9000 }, { name: 'sql', port: 5432 }, { name: 'dns', port: 53, protocol: 'UDP' }] });
  const vm = (ports: object, more: object = {}): EntryObject => exampleWorkloadEntry('vm', { labels: { app: 'db' }, ports, ...more });
  const behind = (...objects: KubernetesObject[]): number[][] | undefined => portsOf(told(objects).get('west/networking.istio.io/WorkloadEntry/shop/vm'), 'shop/cart.shop.svc.cluster.local');
  t.deepEqual(behind(service, vm({ web: 8080 })), [[80, 8080], [90, 9000], [5432, 5432]]);
  t.deepEqual(behind(service, vm({ grpc: 9001, http: 8081 })), [[90, 9001], [5432, 5432]], 'a target by name is no port of what has none of that name');
  t.is(behind(service, vm({}, { labels: { app: 'web' } })), undefined);
  t.is(behind({ ...service, metadata: { ...service.metadata, namespace: 'bank' } } as KubernetesObject, vm({})), undefined);
  t.is(behind(exampleService('cart', { selector: {} }), vm({})), undefined, 'an empty selector selects nothing');
  const unhealthy = { ...vm({ web: 8080 }), metadata: { name: 'vm', namespace: 'shop', annotations: { 'proxy.istio.io/health-checks-enabled': 'true' } } };
  t.is(behind(service, unhealthy), undefined);
});
