import type { KubernetesObject, V1EndpointSlice, V1Node, V1Pod, V1Service } from '@kubernetes/client-node';
import { NO_TRAFFIC_POLICY, type TrafficPolicy } from '@landbridge/core/route-plan.ts';
import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import fc from 'fast-check';
import { allEntries } from '../entries/all-entries.ts';
import { EntryIndex } from '../entries/entry-index.ts';
import { exampleServiceEntry, exampleWorkloadEntry } from '../entries/example-entries.ts';
import { MANAGED_BY, MANAGED_BY_LABEL } from '../kubernetes/types.ts';
import type { Reach } from '../networks/reach.ts';
import type { RemoteGateways } from '../networks/remote-gateways.ts';
import { NO_RULES, type ShareRules } from '../networks/shares.ts';
import { exampleImport, part } from '../outputs/example-imports.ts';
import { endpoint } from '../records/example-records.ts';
import { clusterObjects, exampleEndpoint, examplePod, exampleService, exampleSlice } from '../registry/example-objects.ts';
import { localServices } from '../registry/local-endpoints.ts';
import { LocalIndex } from '../registry/local-index.ts';
import { AddressIndex } from './address-index.ts';
import { addressResources, type PoliciesOf, type TrafficOf } from './address-resources.ts';
import type { Import } from './imported-service.ts';
import { isTold } from './local-service.ts';
import type { Resource } from './resource.ts';

const IDENTITY = { cluster: 'west', trustDomain: 'west.landbridge', network: 'n', domain: 'cluster.local' };
const POLICIES: readonly PoliciesOf[] = [() => [], (_, labels) => (labels['app'] === 'a' ? ['shop/guard'] : []), (namespace) => [`${namespace}/all`]];
const FEW: TrafficPolicy = { limits: { maxConnections: 5, maxPending: undefined }, affinity: 'none' };
const AFFINE: TrafficPolicy = { limits: { maxConnections: undefined, maxPending: 1 }, affinity: 'client-address' };
const RULES: readonly TrafficOf[] = [() => NO_TRAFFIC_POLICY, (_, hostname) => (hostname.startsWith('s1.') ? FEW : NO_TRAFFIC_POLICY), (_, hostname) => (hostname.endsWith('.clusterset.local') ? AFFINE : FEW)];
const bit = fc.boolean();
const someOf = <T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values);

const podName = someOf('p1', 'p2', 'p3');
const ready = someOf({ ready: true, serving: true, terminating: false }, { ready: false, serving: true, terminating: true }, { ready: false, serving: false, terminating: false });
const pod: fc.Arbitrary<V1Pod> = fc.record({ name: podName, ip: someOf(['10.0.0.1'], ['10.0.0.2', 'fd00::2'], []), node: someOf('n1', 'n2'), tunnel: bit, app: someOf('a', 'b'), phase: someOf('Running', 'Succeeded') }).map(({ name, ip, node, tunnel, app, phase }) => {
  const made = examplePod(name, ip, { spec: { nodeName: node }, status: { phase }, ...(tunnel ? { annotations: { [REDIRECTION_ANNOTATION]: 'enabled' } } : {}) });
  return { ...made, metadata: { ...made.metadata, labels: { app } } };
});
const node: fc.Arbitrary<V1Node> = fc.record({ name: someOf('n1', 'n2'), zone: someOf('', 'z1', 'z2'), address: someOf('192.0.2.1', '203.0.113.1') }).map(({ name, zone, address }) => ({ metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } }, status: { addresses: [{ type: 'InternalIP', address }] } }));
const service: fc.Arbitrary<V1Service> = fc.record({ name: someOf('s1', 's2', 's3'), spec: someOf<object>({}, { selector: { app: 'a' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] }, { clusterIP: 'None', clusterIPs: ['None'], selector: { app: 'b' } }, { clusterIP: 'None', clusterIPs: ['None'] }, { type: 'LoadBalancer' }, { type: 'ExternalName' }, { internalTrafficPolicy: 'Local' }), ip: someOf('203.0.113.1', '203.0.113.2'), ours: bit }).map(({ name, spec, ip, ours }) => ({ ...exampleService(name, spec, ours && name === 's3' ? { [MANAGED_BY_LABEL]: MANAGED_BY } : {}), status: { loadBalancer: { ingress: [{ ip }] } } }));
const slice: fc.Arbitrary<V1EndpointSlice> = fc.record({ name: someOf('e1', 'e2', 'e3'), of: someOf('s1', 's2', 's3'), v6: bit, port: someOf(8080, 8081), endpoints: fc.array(fc.record({ pod: fc.option(podName, { nil: undefined }), conditions: ready, node: someOf('n1', 'n2') }), { maxLength: 3 }) }).map(({ name, of, v6, port, endpoints }) =>
  exampleSlice(of, endpoints.map((each, i) => exampleEndpoint(each.pod, v6 ? `fd00::${i}9` : `198.51.100.${i}`, { conditions: each.conditions, nodeName: each.node, ...(i === 0 ? { hostname: 'h' } : {}) })), { metadata: { name }, addressType: v6 ? 'IPv6' : 'IPv4', ports: [{ name: '', protocol: 'TCP', port }] }));
const imported: fc.Arbitrary<Import> = fc.record({ name: someOf('s1', 'i2'), headless: bit, ours: fc.subarray(['p1', 'p2']), theirs: fc.subarray(['p1', 'q2']), reach: someOf<Reach>('direct', 'gateway', 'none'), isReady: bit, rules: someOf<ShareRules>(NO_RULES, { percents: new Map([['west', 90], ['east', 10]]), caps: new Map() }, { percents: new Map(), caps: new Map([['east', 20]]) }), address: someOf('10.96.9.1', '10.96.9.2') }).map(({ name, headless, ours, theirs, reach, isReady, rules, address }) => ({
  rules,
  imported: { ...exampleImport({ type: headless ? 'Headless' : 'ClusterSetIP', clusters: [part('west', ...ours.map((each) => ({ ...endpoint(each), ready: isReady }))), { ...part('east', ...theirs.map((each) => endpoint(each, '10.2.0.1'))), reach }] }), name },
  addresses: headless ? [] : [address],
}));

const host = someOf('a.example', 'b.example', '*.c.example', 's1.shop.svc.cluster.local');
const serviceEntry: fc.Arbitrary<KubernetesObject> = fc.record({ name: someOf('x1', 'x2', 'x3'), namespace: someOf('shop', 'bank'), hosts: fc.uniqueArray(host, { minLength: 1, maxLength: 2 }), addresses: fc.uniqueArray(someOf('10.96.0.1', '192.0.2.1', '203.0.113.2', '198.51.100.0/24', 'nonsense'), { maxLength: 2 }), resolution: someOf('NONE', 'STATIC', 'DNS', 'DYNAMIC_DNS'), selected: someOf(undefined, 'a', 'b'), endpoints: fc.array(someOf<object>({ address: '192.0.2.7' }, { address: 'db.example', weight: 3, ports: { http: 81 } }, { address: '127.0.0.1' }), { maxLength: 2 }), exportTo: someOf(undefined, ['.']), age: fc.nat({ max: 2 }), isTold: bit }).map(({ name, namespace, hosts, addresses, resolution, selected, endpoints, exportTo, age, isTold: hasStatus }) =>
  exampleServiceEntry(name, { hosts, addresses, resolution, ...(selected === undefined ? { endpoints } : { workloadSelector: { labels: { app: selected } } }), ...(exportTo === undefined ? {} : { exportTo }) }, { namespace, creationTimestamp: new Date(age * 1000), labels: { app: 'a' } }, hasStatus ? { addresses: hosts.map((each, i) => ({ host: each, value: `240.240.0.${i + 1}` })) } : {}));
const workloadEntry: fc.Arbitrary<KubernetesObject> = fc.record({ name: someOf('w1', 'w2'), namespace: someOf('shop', 'bank'), app: someOf('a', 'b'), address: someOf('192.0.2.9', 'vm.example', '0177.0.0.1'), port: someOf<object>({}, { http: 8088 }), isHealthy: bit }).map(({ name, namespace, app, address, port, isHealthy }) =>
  exampleWorkloadEntry(name, { address, ports: port, labels: { app } }, { namespace, annotations: { 'proxy.istio.io/health-checks-enabled': 'true' } }, { conditions: [{ type: 'Healthy', status: isHealthy ? 'True' : 'False' }] }));

const gateways: fc.Arbitrary<RemoteGateways> = fc.record({ cluster: someOf('east', 'north'), gateways: fc.subarray(['192.0.2.20', '192.0.2.21', 'gateway.example']), port: someOf(15008, 30008), zone: someOf('z1', 'z2') }).map(({ cluster, gateways: addresses, port, zone }) =>
  ({ cluster, trustDomain: `${cluster}.landbridge`, network: 'far', gateways: addresses.map((address) => ({ address, port, region: '', zone, namespace: 'landbridge-system', serviceAccount: 'landbridge-gateway' })) }));

type Kind = 'gateways' | 'pods' | 'nodes' | 'services' | 'slices' | 'imports' | 'serviceEntries' | 'workloadEntries';
interface Put {
  readonly kind: Kind;
  readonly key: string;
  readonly value: unknown;
}
const putOf = <T>(kind: Kind, arbitrary: fc.Arbitrary<T>, keyOf: (value: T) => string): fc.Arbitrary<Put> => fc.tuple(arbitrary, fc.integer({ min: 0, max: 3 })).map(([value, turn]) => ({ kind, key: keyOf(value), value: turn === 0 ? undefined : value }));
const shop = ({ metadata }: { metadata?: { name?: string } }): string => `shop/${metadata?.name}`;
const keyed = ({ metadata }: KubernetesObject): string => `${metadata?.namespace}/${metadata?.name}`;
const put = fc.oneof(putOf('pods', pod, shop), putOf('nodes', node, ({ metadata }) => metadata?.name ?? ''), putOf('services', service, shop), putOf('slices', slice, shop), putOf('imports', imported, (each) => `shop/${each.imported.name}`), putOf('serviceEntries', serviceEntry, keyed), putOf('workloadEntries', workloadEntry, keyed), putOf('gateways', gateways, ({ cluster }) => cluster));
type Event = { readonly kind: 'put'; readonly put: Put; readonly isLost: boolean } | { readonly kind: 'policies' | 'rules'; readonly index: number } | { readonly kind: 'apply' } | { readonly kind: 'relist' } | { readonly kind: 'restart' };
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('put' as const), put, isLost: fc.integer({ min: 0, max: 5 }).map((turn) => turn === 0) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('policies' as const, 'rules' as const), index: fc.nat({ max: 2 }) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'apply' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'relist' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
);

/** Long ones: what is wrong with an index needs several things to happen in some order. */
const history = fc.array(event, { minLength: 1, maxLength: 60, size: 'max' });

const KINDS: readonly Kind[] = ['pods', 'nodes', 'services', 'slices', 'imports', 'serviceEntries', 'workloadEntries', 'gateways'];

class World {
  readonly objects = Object.fromEntries(KINDS.map((kind) => [kind, new Map()])) as { readonly [K in Kind]: Map<string, unknown> };
  pending = this.none();
  seen = Object.fromEntries(KINDS.map((kind) => [kind, new Set()])) as { readonly [K in Kind]: Set<string> };
  policiesOf: PoliciesOf = () => [];
  hasOtherPolicies = false;
  trafficOf: TrafficOf = () => NO_TRAFFIC_POLICY;
  hasOtherRules = false;
  local = new LocalIndex();
  entries = new EntryIndex(IDENTITY.domain);
  index = new AddressIndex(IDENTITY);
  /** As somebody has them who was told of differences only. */
  told = new Map<string, Resource>();

  none(): { [K in Kind]: Set<string> } {
    return Object.fromEntries(KINDS.map((kind) => [kind, new Set()])) as { [K in Kind]: Set<string> };
  }

  do(each: Event): void {
    switch (each.kind) {
      case 'put': {
        const { kind, key, value } = each.put;
        if (value === undefined) this.objects[kind].delete(key);
        else this.objects[kind].set(key, value);
        this.seen[kind].add(key);
        if (!each.isLost) this.pending[kind].add(key);
        return;
      }
      case 'policies':
        this.policiesOf = POLICIES[each.index] ?? this.policiesOf;
        this.hasOtherPolicies = true;
        return;
      case 'rules':
        this.trafficOf = RULES[each.index] ?? this.trafficOf;
        this.hasOtherRules = true;
        return;
      case 'apply':
        return this.apply();
      case 'relist':
        for (const kind of KINDS) this.pending[kind] = new Set(this.seen[kind]);
        return this.apply();
      case 'restart':
        this.local = new LocalIndex();
        this.entries = new EntryIndex(IDENTITY.domain);
        this.index = new AddressIndex(IDENTITY);
        this.told = new Map();
        for (const kind of KINDS) this.pending[kind] = new Set(this.objects[kind].keys());
        return this.apply();
      default:
        return each satisfies never;
    }
  }

  apply(): void {
    const { pending, objects } = this;
    this.pending = this.none();
    const at = <T>(kind: Kind) => (key: string): T | undefined => objects[kind].get(key) as T | undefined;
    const services = result(this.local.apply(pending, { service: at('services'), slice: at('slices'), pod: at('pods') }));
    const hasService = (key: string): boolean => isToldService(this.local.services.get(key)?.service);
    const hosts = result(this.entries.apply({ ...pending, services }, { serviceEntry: at('serviceEntries'), workloadEntry: at('workloadEntries'), pod: at('pods'), pods: () => objects.pods.values() as Iterable<V1Pod>, hasService }));
    const changed = result(this.index.apply(
      { pods: pending.pods, nodes: pending.nodes, services: services.union(new Set(this.local.selectingBeside(pending.workloadEntries))), imports: pending.imports, hosts, workloadEntries: pending.workloadEntries, gateways: pending.gateways.size > 0, policies: this.hasOtherPolicies, traffic: this.hasOtherRules },
      { pod: at('pods'), node: at('nodes'), service: (key) => this.local.services.get(key), imported: at('imports'), host: (key) => this.entries.host(key, hasService), workloadEntry: (key) => this.entries.workloadEntry(key), gateways: objects.gateways as ReadonlyMap<string, RemoteGateways>, workloadEntriesWith: (namespace, labels) => this.entries.workloadEntriesWith(namespace, labels), policiesOf: this.policiesOf, trafficOf: this.trafficOf },
    ));
    this.hasOtherPolicies = false;
    this.hasOtherRules = false;
    for (const name of changed) {
      const now = this.index.resources.get(name);
      if (now === undefined) this.told.delete(name);
      else this.told.set(name, now);
    }
  }

  fromScratch(): ReadonlyMap<string, Resource> {
    const list = <T>(kind: Kind): T[] => [...this.objects[kind].values()] as T[];
    const all = clusterObjects({ services: list('services'), slices: list('slices'), pods: list('pods'), nodes: list('nodes') });
    const services = localServices(all);
    const entries = allEntries({ serviceEntries: list('serviceEntries'), workloadEntries: list('workloadEntries'), pods: all.pods, hasService: (key) => isToldService(services.get(key)?.service) }, IDENTITY.domain);
    return addressResources({ ...IDENTITY, pods: all.pods, nodes: all.nodes, services, policiesOf: this.policiesOf, trafficOf: this.trafficOf, imports: list('imports'), entries, gateways: list('gateways') });
  }
}

function result<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

const isToldService = (made: V1Service | undefined): boolean => made !== undefined && isTold(made);
const versions = (resources: ReadonlyMap<string, Resource>): unknown => [...resources].map(([name, { version }]) => `${name} ${version}`).sort();

test('after any history of changes, lost ones and restarts among it, a list leads to what is computed from scratch', (t) => {
  fc.assert(fc.property(history, (events) => {
    const world = new World();
    for (const each of events) world.do(each);
    world.do({ kind: 'relist' });
    const expected = versions(world.fromScratch());
    t.deepEqual(versions(world.index.resources), expected);
    t.deepEqual(versions(world.told), expected, 'what was told as different adds up to it');
  }), { numRuns: 400 });
});

test('without lost changes no list is needed', (t) => {
  fc.assert(fc.property(history, (events) => {
    const world = new World();
    for (const each of events) if (each.kind !== 'relist') world.do(each.kind === 'put' ? { ...each, isLost: false } : each);
    world.do({ kind: 'apply' });
    t.deepEqual(versions(world.index.resources), versions(world.fromScratch()));
  }), { numRuns: 400 });
});

test('a change of one pod tells of that pod alone', (t) => {
  const world = new World();
  const pods = ['p1', 'p2', 'p3'].map((name, i) => examplePod(name, `10.0.0.${i}`));
  for (const each of pods) world.do({ kind: 'put', isLost: false, put: { kind: 'pods', key: shop(each), value: each } });
  world.do({ kind: 'put', isLost: false, put: { kind: 'services', key: 'shop/s1', value: exampleService('s1') } });
  world.do({ kind: 'put', isLost: false, put: { kind: 'slices', key: 'shop/e1', value: exampleSlice('s1', pods.map((each, i) => exampleEndpoint(each.metadata?.name, `10.0.0.${i}`)), { metadata: { name: 'e1' } }) } });
  world.apply();
  t.is(world.told.size, 4);
  world.told.clear();
  world.do({ kind: 'put', isLost: false, put: { kind: 'pods', key: 'shop/p2', value: examplePod('p2', '10.0.0.77') } });
  world.apply();
  t.deepEqual([...world.told.keys()], ['west//Pod/shop/p2']);
});
