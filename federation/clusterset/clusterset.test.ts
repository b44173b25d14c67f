import { X509Certificate } from 'node:crypto';
import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { KubernetesObject, V1EndpointSlice, V1Service } from '@kubernetes/client-node';
import type { MetaRecord, ServicePort, ServiceRecord } from '@landbridge/core/records.ts';
import { until } from '@landbridge/lab/until.ts';
import { ServiceTrafficSchema } from '@landbridge/wire/gen/traffic_pb.js';
import { TrustBundleSchema } from '@landbridge/wire/gen/trust_pb.js';
import { AddressSchema } from '@landbridge/wire/gen/workload_pb.js';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, REDIRECTION_ANNOTATION, TRAFFIC_EXTENSION, TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { MCS_SOURCE_LABEL, type ServiceExport, type ServiceImport } from '../kubernetes/types.ts';
import { metrics as registered } from '../metrics.ts';
import { derivedServiceName } from '../outputs/names.ts';
import { exampleAuthentication, exampleAuthorization } from '../policy/example-policies.ts';
import { endpoint, exampleKeys, exampleMember } from '../records/example-records.ts';
import type { ClusterView } from '../records/peer-table.ts';
import { exampleEndpoint, exampleExport, examplePod, exampleService, exampleSlice } from '../registry/example-objects.ts';
import { makeRoot } from '../ca/own-root.ts';
import { boundedBy, exampleRule } from '../traffic/example-rules.ts';
import { ExampleCluster, exampleView, exporting, settled } from './example-cluster.ts';
import { delta, type Snapshot } from '../xds/snapshot.ts';
import { bundleDigest } from './trust-distribution.ts';
import { MAX_STATUSES_PER_PASS } from './policy-statuses.ts';

const derived = derivedServiceName('shop', 'cart');
const http: ServicePort = { name: 'http', protocol: 'TCP', port: 80 };
const metrics: ServicePort = { name: 'metrics', protocol: 'TCP', port: 9090 };

/** West exports the service as well, earlier than this cluster. */
function west(ports: ServicePort[] = [http, metrics], more: Partial<ServiceRecord> = {}, view: Partial<ClusterView> = {}): ReadonlyMap<string, ClusterView> {
  const record: ServiceRecord = { kind: 'svc', namespace: 'shop', name: 'cart', exportedAt: 1, type: 'ClusterSetIP', ports, sessionAffinity: 'None', ipFamilies: ['IPv4'], ...more };
  const theirs = { ...endpoint('cart-w', '10.2.0.1'), ports: ports.map(({ name, protocol }) => ({ name, protocol, port: 8080 })) };
  return new Map([['west', exampleView('west', { services: new Map([['shop/cart', record]]), endpoints: new Map([['shop/cart', [theirs]]]), ...view })]]);
}

const derivedSlices = (cluster: ExampleCluster): V1EndpointSlice[] => (cluster.list('EndpointSlice') as V1EndpointSlice[]).filter(({ metadata }) => metadata?.labels?.[MCS_SOURCE_LABEL] !== undefined);
const sources = (cluster: ExampleCluster): string[] => derivedSlices(cluster).map(({ metadata }) => metadata?.labels?.[MCS_SOURCE_LABEL] ?? '').sort();
const servicePorts = (cluster: ExampleCluster): string[] => ((cluster.list('Service') as V1Service[]).find(({ metadata }) => metadata?.name === derived)?.spec?.ports ?? []).map(({ name = '' }) => name);
const exportersOf = (cluster: ExampleCluster): unknown => (cluster.list('ServiceImport')[0] as ServiceImport | undefined)?.status?.clusters;
const conditions = (cluster: ExampleCluster): Record<string, string> => Object.fromEntries(((cluster.list('ServiceExport')[0] as ServiceExport | undefined)?.status?.conditions ?? []).map(({ type, status }) => [type, status]));

function toldPorts(cluster: ExampleCluster): number[] {
  const resource = cluster.told.at(-1)?.types.get(ADDRESS_TYPE)?.get('shop/cart.shop.svc.clusterset.local');
  const { type } = fromBinary(AddressSchema, resource?.bytes ?? new Uint8Array());
  return type.case === 'service' ? type.value.ports.map(({ servicePort }) => servicePort) : [];
}

test('an export is published and becomes an import with an address, endpoints and a status; then nothing is left to do', async (t) => {
  await using cluster = await settled(exporting());
  t.deepEqual([...cluster.membership.published.keys()], ['meta', 'svc.shop.cart', 'eps.shop.cart.0']);
  t.deepEqual((cluster.list('ServiceImport')[0] as ServiceImport).spec?.ips, ['10.96.0.7']);
  t.deepEqual(sources(cluster), ['east']);
  t.deepEqual(exportersOf(cluster), [{ cluster: 'east' }]);
  t.like((cluster.list('ServiceImport')[0] as ServiceImport).status?.conditions, [{ type: 'Ready', status: 'True', reason: 'Ready' }]);
  t.deepEqual(conditions(cluster), { Valid: 'True', Ready: 'True', Conflict: 'False' });
  t.deepEqual(toldPorts(cluster), [80]);
  const before = cluster.written.length;
  await cluster.settle();
  t.is(cluster.written.length, before);
});

test('nothing is published, told or written before every kind of object was listed', async (t) => {
  const cluster = exporting();
  cluster.source('Pod').setReachable(false);
  await using _ = await settled(cluster);
  t.deepEqual([cluster.membership.published.size, cluster.told.length, cluster.written.length, cluster.clusterset.synced], [0, 0, 0, false]);
  cluster.source('Pod').setReachable(true);
  await cluster.settle();
  t.true(cluster.clusterset.synced);
  t.is(cluster.list('ServiceImport').length, 1);
});

test('clusters that export the same are one import; where they differ the export says so', async (t) => {
  const cluster = exporting();
  cluster.membership.views = west([http, metrics], { sessionAffinity: 'ClientIP', sessionAffinityTimeoutSeconds: 60 });
  await using _ = await settled(cluster);
  t.deepEqual(sources(cluster), ['east', 'west']);
  t.deepEqual(servicePorts(cluster), ['http', 'metrics']);
  t.deepEqual(conditions(cluster), { Valid: 'True', Ready: 'True', Conflict: 'True' });
  t.deepEqual(exportersOf(cluster), [{ cluster: 'east' }, { cluster: 'west' }]);
});

test.serial('metrics count imports of which clusters do not export the same', async (t) => {
  const cluster = exporting();
  cluster.membership.views = west([http]);
  await using _ = await settled(cluster);
  const count = async (): Promise<number | undefined> => (await registered.importConflicts.get()).values[0]?.value;
  t.is(await count(), 0);
  cluster.membership.views = west([http, metrics]);
  await cluster.settle();
  t.is(await count(), 1);
});

test('a cluster that withdraws its export takes its slices along, the last one everything', async (t) => {
  const cluster = exporting();
  cluster.membership.views = west();
  await using _ = await settled(cluster);
  cluster.membership.views = new Map([['west', exampleView('west')]]);
  await cluster.settle();
  t.deepEqual(sources(cluster), ['east']);
  t.deepEqual(servicePorts(cluster), ['http']);
  cluster.remove('ServiceExport', 'cart');
  await cluster.settle();
  t.deepEqual([cluster.list('ServiceImport').length, derivedSlices(cluster).length, servicePorts(cluster).length], [0, 0, 0]);
});

test('an export that is taken back while it is told what became of it stays away', async (t) => {
  const cluster = exporting();
  let takeBack = (): void => cluster.remove('ServiceExport', 'cart');
  const publication = (): { readonly kind: 'stored' } => {
    takeBack();
    takeBack = () => {};
    return { kind: 'stored' };
  };
  Object.defineProperty(cluster.membership, 'publication', { get: publication });
  await using _ = await settled(cluster);
  t.true(cluster.written.includes('status serviceexports cart'));
  t.deepEqual([cluster.list('ServiceExport'), cluster.list('ServiceImport'), [...cluster.membership.published.keys()]], [[], [], ['meta']]);
});

for (const how of ['in an entry', 'selected by an entry'] as const) test(`after a restart without the hub, shared imports stay as they were, ports and endpoints ${how} for Istio included`, async (t) => {
  const cluster = exporting();
  // Istio knows of a whole entry, and not of an endpoint of it, whether it takes tunnels.
  if (how === 'in an entry') cluster.put(examplePod('cart-1', '10.0.0.1', { annotations: { [REDIRECTION_ANNOTATION]: 'enabled' } }));
  for (const name of ['serviceentries', 'workloadentries']) cluster.put({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `${name}.networking.istio.io` }, spec: { versions: [{ name: 'v1', served: true }] } } as KubernetesObject);
  cluster.membership.views = west();
  await using _ = await settled(cluster);
  const entriesNow = (): string => JSON.stringify([cluster.list('ServiceEntry'), cluster.list('WorkloadEntry')]);
  const entries = entriesNow();
  t.regex(entries, /10\.2\.0\.1/);
  t.is(cluster.list('WorkloadEntry').length, how === 'in an entry' ? 0 : 2);
  t.deepEqual(toldPorts(cluster), [80, 9090]);
  for (const views of [new Map<string, ClusterView>(), west([], {}, { services: new Map(), endpoints: new Map(), complete: false })]) {
    await cluster.restart({ views, allListed: false });
    t.deepEqual(cluster.written, []);
    t.deepEqual(sources(cluster), ['east', 'west']);
    t.deepEqual(servicePorts(cluster), ['http', 'metrics']);
    t.is(entriesNow(), entries);
    t.deepEqual(toldPorts(cluster), [80, 9090], 'agents go on with all ports as well');
    t.deepEqual(exportersOf(cluster), [{ cluster: 'east' }, { cluster: 'west' }]);
  }
});

test('while another cluster is not known, this one’s own endpoints still change', async (t) => {
  const cluster = exporting();
  cluster.membership.views = west();
  await using _ = await settled(cluster);
  await cluster.restart({ views: new Map(), allListed: false });
  cluster.put(exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.5')], { ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] }));
  await cluster.settle();
  t.true(JSON.stringify(derivedSlices(cluster)).includes('10.0.0.5'));
  t.deepEqual(sources(cluster), ['east', 'west']);
});

test('an import of other clusters alone outlives a restart without the hub', async (t) => {
  const cluster = new ExampleCluster();
  cluster.membership.views = west();
  await using _ = await settled(cluster);
  t.deepEqual(sources(cluster), ['west']);
  await cluster.restart({ views: new Map(), allListed: false });
  t.deepEqual(cluster.written, []);
  await cluster.restart({ views: new Map([['west', exampleView('west')]]), allListed: true });
  t.is(cluster.list('ServiceImport').length, 0, 'it is known to be gone now');
});

test('agents are told no name of what is not imported here: into a closed namespace, or one that there is not', async (t) => {
  await using cluster = new ExampleCluster();
  cluster.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-system' } });
  const record = (namespace: string): ServiceRecord => ({ kind: 'svc', namespace, name: 'cart', exportedAt: 1, type: 'Headless', ports: [http], sessionAffinity: 'None', ipFamilies: ['IPv4'] });
  const namespaces = ['kube-system', 'nowhere', 'shop'];
  cluster.membership.views = new Map([['west', exampleView('west', { services: new Map(namespaces.map((namespace) => [`${namespace}/cart`, record(namespace)])), endpoints: new Map(namespaces.map((namespace) => [`${namespace}/cart`, [endpoint(`of-${namespace}`)]])) })]]);
  await settled(cluster);
  t.deepEqual([...(cluster.told.at(-1)?.types.get(ADDRESS_TYPE)?.keys() ?? [])], ['shop/cart.shop.svc.clusterset.local', 'west//Pod/shop/of-shop']);
});

test('a trust domain’s roots are told under its own name, and this cluster’s own are nobody else’s to say', async (t) => {
  const cluster = exporting();
  const impostor = exampleView('north');
  cluster.membership.views = new Map([['west', exampleView('west')], ['north', { ...impostor, member: { ...impostor.member, trustDomain: 'east.landbridge' } }]]);
  await using _ = await settled(cluster);
  t.deepEqual([...(cluster.told.at(-1)?.types.get(TRUST_BUNDLE_TYPE)?.keys() ?? [])], ['east.landbridge', 'west.landbridge']);
  const own = cluster.told.at(-1)?.types.get(TRUST_BUNDLE_TYPE)?.get('east.landbridge')?.bytes;
  t.true(Buffer.from(own ?? []).includes('root'));
});

const toldNames = (cluster: ExampleCluster): readonly string[] => [...(cluster.told.at(-1)?.types.get(ADDRESS_TYPE)?.keys() ?? [])];

test('agents are told of an import and its endpoints before the API server has taken anything of it', async (t) => {
  const cluster = exporting();
  cluster.membership.views = west();
  cluster.refused.add('ServiceImport');
  await using _ = await settled(cluster);
  t.is(cluster.list('ServiceImport').length, 0);
  t.deepEqual(toldPorts(cluster), [80, 9090]);
  t.true(toldNames(cluster).includes('west//Pod/shop/cart-w'));
  const told = fromBinary(AddressSchema, cluster.told.at(-1)?.types.get(ADDRESS_TYPE)?.get('shop/cart.shop.svc.clusterset.local')?.bytes ?? new Uint8Array());
  t.deepEqual(told.type.case === 'service' ? told.type.value.addresses : undefined, [], 'its name leads nowhere yet');
});

for (const [why, change] of [
  ['headless, whose name leads to pods without an address', (cluster: ExampleCluster): void => void (cluster.membership.views = west([http], { type: 'Headless' }))],
  ['in a namespace that is not here', (cluster: ExampleCluster): void => cluster.remove('Namespace', 'shop', '')],
  ['of a name that somebody else has', (cluster: ExampleCluster): void => cluster.put({ apiVersion: 'multicluster.x-k8s.io/v1beta1', kind: 'ServiceImport', metadata: { name: 'cart', namespace: 'shop' } })],
] as const) test(`nobody is told of an import that is ${why}, while it is not written`, async (t) => {
  await using cluster = new ExampleCluster();
  cluster.membership.views = west();
  cluster.refused.add('ServiceImport');
  change(cluster);
  await settled(cluster);
  t.deepEqual(toldNames(cluster).filter((name) => name.includes('cart')), []);
});

test('what the API server refused is tried again', async (t) => {
  const cluster = exporting();
  cluster.refused.add('Service');
  await using _ = await settled(cluster);
  t.deepEqual(servicePorts(cluster), []);
  cluster.refused.clear();
  const before = cluster.written.length;
  await until('another attempt', () => cluster.written.length > before);
  await cluster.settle();
  t.deepEqual(servicePorts(cluster), ['http']);
});

test('an export of what can not be exported says so and publishes nothing', async (t) => {
  const cluster = new ExampleCluster();
  cluster.put(exampleService('cart', { type: 'ExternalName', externalName: 'example.org' }));
  cluster.put(exampleExport('cart'));
  await using _ = await settled(cluster);
  t.deepEqual([...cluster.membership.published.keys()], ['meta']);
  t.deepEqual(conditions(cluster), { Valid: 'False', Ready: 'False', Conflict: 'False' });
});

test('a node’s agent may ask for the identities of pods that run there, not of those that ended or share the host’s network', async (t) => {
  const cluster = new ExampleCluster();
  const pods: KubernetesObject[] = [examplePod('a', '10.0.0.1', { spec: { serviceAccountName: 'one' } }), examplePod('b', '10.0.0.2', { spec: { serviceAccountName: 'two', nodeName: 'node-2' } }), examplePod('c', '10.0.0.3', { spec: { serviceAccountName: 'three', hostNetwork: true } }), examplePod('d', '10.0.0.4', { spec: { serviceAccountName: 'four' }, status: { phase: 'Failed' } })];
  for (const pod of pods) cluster.put(pod);
  await using _ = await settled(cluster);
  t.deepEqual([...cluster.clusterset.identitiesOn('node-1')].map(String), ['spiffe://east.landbridge/ns/shop/sa/one']);
  t.deepEqual([...cluster.clusterset.identitiesOn('node-2')].map(String), ['spiffe://east.landbridge/ns/shop/sa/two']);
  t.is(cluster.clusterset.identitiesOn('').size, 0);
});

const policyNames = (cluster: ExampleCluster): string[] => [...(cluster.told.at(-1)?.types.get(AUTHORIZATION_TYPE)?.keys() ?? [])].sort();
function definition(plural: string, group = 'security.istio.io'): KubernetesObject {
  return { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `${plural}.${group}` }, spec: { versions: [{ name: 'v1', served: true }] } } as KubernetesObject;
}
function podPolicies(cluster: ExampleCluster): readonly string[] {
  const resource = cluster.told.at(-1)?.types.get(ADDRESS_TYPE)?.get('east//Pod/shop/cart-1');
  const { type } = fromBinary(AddressSchema, resource?.bytes ?? new Uint8Array());
  return type.case === 'workload' ? type.value.authorizationPolicies : [];
}

test('policies come and go with their definitions, and pods name those that select them', async (t) => {
  const cluster = new ExampleCluster();
  const pod = examplePod('cart-1');
  cluster.put({ ...pod, metadata: { ...pod.metadata, labels: { app: 'cart' } } });
  await using _ = await settled(cluster);
  t.deepEqual(policyNames(cluster), []);
  t.true(cluster.told.at(-1)?.types.has(AUTHORIZATION_TYPE), 'that there are none is told');
  cluster.put(definition('authorizationpolicies'));
  await cluster.settle();
  cluster.put(exampleAuthorization({ selector: { matchLabels: { app: 'cart' } }, action: 'DENY', rules: [{}] }));
  cluster.put(exampleAuthorization({}, { name: 'wide', namespace: 'landbridge-system' }));
  await cluster.settle();
  t.deepEqual(policyNames(cluster), ['landbridge-system/wide', 'shop/guard']);
  t.deepEqual(podPolicies(cluster), ['shop/guard']);
  cluster.put(definition('peerauthentications'));
  await cluster.settle();
  cluster.put(exampleAuthentication({ mtls: { mode: 'STRICT' } }));
  await cluster.settle();
  t.deepEqual(podPolicies(cluster), ['landbridge-system/istio_converted_static_strict', 'shop/guard']);
  cluster.remove('AuthorizationPolicy', 'guard');
  await cluster.settle();
  t.deepEqual(policyNames(cluster), ['landbridge-system/istio_converted_static_strict', 'landbridge-system/wide']);
  cluster.remove('CustomResourceDefinition', 'authorizationpolicies.security.istio.io', '');
  await cluster.settle();
  t.deepEqual(policyNames(cluster), ['landbridge-system/istio_converted_static_strict']);
});

test('DestinationRules bound Services and imports as they come and go, and say what became of them', async (t) => {
  const cluster = new ExampleCluster();
  cluster.put(exampleService('cart'));
  cluster.put(definition('destinationrules', 'networking.istio.io'));
  await using _ = await settled(cluster);
  const bounds = (): number | undefined => {
    const { type } = fromBinary(AddressSchema, cluster.told.at(-1)?.types.get(ADDRESS_TYPE)?.get('shop/cart.shop.svc.cluster.local')?.bytes ?? new Uint8Array());
    const config = type.case === 'service' ? type.value.extensions.find(({ name }) => name === TRAFFIC_EXTENSION)?.config : undefined;
    return config === undefined ? undefined : anyUnpack(config, ServiceTrafficSchema)?.maxConnections;
  };
  t.is(bounds(), undefined);
  cluster.put(exampleRule(boundedBy('cart', 7)));
  cluster.put(exampleRule({ host: 'cart', subsets: [] }, { name: 'younger', creationTimestamp: new Date('2026-02-01T00:00:00Z') }));
  await cluster.settle();
  t.is(bounds(), 7);
  const said = (cluster.list('DestinationRule') as ServiceExport[]).map(({ metadata, status }) => `${metadata?.name}: ${status?.conditions?.find(({ type }) => type === 'Accepted')?.reason}`);
  t.deepEqual(said.sort(), ['rule: Accepted', 'younger: UnsupportedValue']);
  t.deepEqual(cluster.clusterset.judgedPolicies, [], 'they are no policies');
  cluster.remove('DestinationRule', 'rule');
  await cluster.settle();
  t.is(bounds(), undefined);
});

test('while policies are defined and not listed nothing is told: without them more would be allowed', async (t) => {
  const cluster = new ExampleCluster();
  cluster.put(definition('authorizationpolicies'));
  cluster.unreachable.add('AuthorizationPolicy');
  await using _ = await settled(cluster);
  t.is(cluster.told.length, 0);
  t.deepEqual([cluster.clusterset.synced, cluster.clusterset.unlisted], [false, ['authorizationPolicies']]);
  cluster.put(exampleAuthorization({ action: 'DENY', rules: [{}] }));
  cluster.source('AuthorizationPolicy').setReachable(true);
  await cluster.settle();
  t.deepEqual(cluster.told.map(({ types }) => [...(types.get(AUTHORIZATION_TYPE)?.keys() ?? [])]).at(0), ['shop/guard']);
});

test('each policy says what became of it, once, also where there are many', async (t) => {
  const cluster = new ExampleCluster();
  cluster.put(definition('authorizationpolicies'));
  cluster.put(definition('peerauthentications'));
  await using _ = await settled(cluster);
  const count = MAX_STATUSES_PER_PASS * 2 + 10;
  for (let i = 0; i < count; i++) cluster.put(exampleAuthorization(i === 0 ? 'nonsense' : {}, { name: `p${i}` }));
  cluster.put(exampleAuthentication({ mtls: { mode: 'STRICT' } }));
  await cluster.settle();
  const accepted = (cluster.list('AuthorizationPolicy') as ServiceExport[]).map(({ status }) => status?.conditions?.find(({ type }) => type === 'Accepted')?.status);
  t.deepEqual([accepted.filter((status) => status === 'False').length, accepted.filter((status) => status === 'True').length], [1, count - 1]);
  t.is(cluster.written.filter((line) => line.startsWith('status ')).length, count + 1, 'one write for each');
  cluster.written.length = 0;
  await cluster.settle();
  t.deepEqual(cluster.written, []);
  t.like(cluster.clusterset.judgedPolicies.find(({ object }) => object.metadata?.name === 'p0')?.verdict, { kind: 'refused' });
});

test('what became of a policy is said again where that failed, and where somebody has taken it away', async (t) => {
  const cluster = new ExampleCluster();
  cluster.put(definition('authorizationpolicies'));
  cluster.refused.add('AuthorizationPolicy');
  await using _ = await settled(cluster);
  cluster.put(exampleAuthorization({}, { name: 'guard' }));
  await cluster.settle();
  const accepted = (): string | undefined => (cluster.list('AuthorizationPolicy') as ServiceExport[])[0]?.status?.conditions?.find(({ type }) => type === 'Accepted')?.status;
  t.is(accepted(), undefined);
  cluster.refused.clear();
  await cluster.settle();
  t.is(accepted(), 'True');
  cluster.put(exampleAuthorization({}, { name: 'guard' }));
  await cluster.settle();
  t.is(accepted(), 'True');
});

test('roots that a member says it has are told to agents, and once these have them the member is told so', async (t) => {
  const roots = [0, 1].map(() => new X509Certificate(makeRoot('west.landbridge', Date.now()).certificatePem).raw.toString('base64'));
  const said = (...of: readonly string[]): ReadonlyMap<string, ClusterView> => west(undefined, undefined, { meta: { kind: 'meta', trustDomain: 'west.landbridge', network: '', version: '0.1.0', roots: [...of] } });
  const cluster = exporting();
  cluster.confirmation = { connected: 2, confirmed: 1 };
  cluster.membership.views = said(roots[0] as string);
  await using _ = await settled(cluster);
  const told = (): number => fromBinary(TrustBundleSchema, cluster.told.at(-1)?.types.get(TRUST_BUNDLE_TYPE)?.get('west.landbridge')?.bytes ?? new Uint8Array()).roots.length;
  const published = (): MetaRecord => cluster.membership.published.get('meta') as MetaRecord;
  t.is(told(), 1);
  t.deepEqual(published().roots, [Buffer.from('root').toString('base64')], 'its own');
  t.deepEqual(published().trusted, []);
  cluster.membership.views = said(...roots);
  await cluster.settle();
  t.is(told(), 2);
  t.deepEqual(published().trusted, []);
  cluster.confirmation = { connected: 2, confirmed: 2 };
  await cluster.settle();
  t.deepEqual(published().trusted, [{ cluster: 'west', digest: bundleDigest({ roots: roots.map((each) => Buffer.from(each, 'base64')) }) }]);
  t.deepEqual(cluster.clusterset.rootsToldTo(), { agents: { connected: 2, confirmed: 2, replicasBehind: [] }, membersBehind: ['west'], allListed: true });
});

test('a service that begins anew takes no roots from agents before it has read what their cluster says of them', async (t) => {
  const [joined, now] = [0, 1].map(() => new X509Certificate(makeRoot('west.landbridge', Date.now()).certificatePem).raw.toString('base64')) as [string, string];
  const known = west(undefined, undefined, { member: exampleMember('west', exampleKeys(), { roots: [joined] }), meta: { kind: 'meta', trustDomain: 'west.landbridge', network: '', version: '0.1.0', roots: [now] } });
  const cluster = exporting();
  cluster.membership.views = known;
  await using _ = await settled(cluster);
  const agent = new Map<string, string>();
  const follow = (): readonly string[] => {
    const { updated, removed } = delta(cluster.told.at(-1) as Snapshot, TRUST_BUNDLE_TYPE, agent);
    for (const [name, { version }] of updated) agent.set(name, version);
    return [...updated.map(([name]) => name), ...removed.map((name) => `-${name}`)];
  };
  t.deepEqual(follow(), ['east.landbridge', 'west.landbridge']);
  // The founder's record is there first, with the roots of the join.
  await cluster.restart({ views: west(undefined, undefined, { ...([...known.values()][0] as ClusterView), meta: undefined, complete: false }) });
  t.deepEqual(follow(), []);
  const fresh = delta(cluster.told.at(-1) as Snapshot, TRUST_BUNDLE_TYPE, new Map());
  t.is(fresh.updated.length, 2, 'who has none gets those');
  await cluster.restart({ views: known });
  t.deepEqual(follow(), []);
});
