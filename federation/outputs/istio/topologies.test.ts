/** What istiod is told, for each topology, against files that can be applied as they are. LANDBRIDGE_GOLDEN=write makes these anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
import type { Endpoint } from '@landbridge/core/records.ts';
import test, { type ExecutionContext } from 'ava';
import { parseAllDocuments, stringify } from 'yaml';
import type { ImportedService } from '../../merge/merge.ts';
import { exampleGateway, exampleRemote } from '../../networks/example-gateways.ts';
import type { RemoteGateways } from '../../networks/remote-gateways.ts';
import { NO_RULES, type ShareRules } from '../../networks/shares.ts';
import { endpoint } from '../../records/example-records.ts';
import { exampleImport, part } from '../example-imports.ts';
import type { IstioContext } from './istio-context.ts';
import { remoteGatewayObjects } from './remote-gateways.ts';
import { istioObjects, MAX_INLINE_ENDPOINTS } from './service-entry.ts';

type Part = ImportedService['clusters'][number];
const FOLDER = path.join(import.meta.dirname, 'golden');

const at = (workload: string, address: string, changes: Partial<Endpoint> = {}): Endpoint => ({ ...endpoint(workload, address), serviceAccount: 'cart', region: 'r1', zone: 'z1', ...changes });
const inNetwork = (network: string, reach: Part['reach'], of: Part): Part => ({ ...of, network, ...(reach === undefined ? {} : { reach }) });

interface Topology {
  readonly clusters: readonly Part[];
  readonly remotes?: readonly RemoteGateways[];
  readonly shape?: IstioContext['shape'];
  readonly rules?: ShareRules;
  /** Of objects that are alike; a file of all would be as long as it is dull. */
  readonly shown?: number;
}

function objectsOf({ clusters, remotes = [], shape = 'ambient', rules = NO_RULES }: Topology): readonly KubernetesObject[] {
  const context: IstioContext = { shape, cluster: 'east', rulesOf: () => rules, gatewaysOf: (cluster) => remotes.find((remote) => remote.cluster === cluster)?.gateways ?? [] };
  return [...istioObjects(exampleImport({ clusters }), ['10.96.0.7'], [], context), ...(shape === 'ambient' ? remoteGatewayObjects(remotes, 'landbridge-system') : [])];
}

/** As the API server is sent them. */
const sent = (objects: readonly KubernetesObject[]): readonly KubernetesObject[] => JSON.parse(JSON.stringify(objects)) as KubernetesObject[];

function compare(t: ExecutionContext, name: string, topology: Topology): void {
  const objects = sent(objectsOf(topology)).slice(-(topology.shown ?? 0));
  const file = path.join(FOLDER, `${name}.yaml`);
  if (process.env['LANDBRIDGE_GOLDEN'] === 'write') writeFileSync(file, objects.map((object) => `---\n${stringify(object)}`).join(''));
  t.deepEqual(parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS() as KubernetesObject), [...objects]);
}

const east = part('east', at('cart-1', '10.101.0.1'));
const west = part('west', at('cart-2', '10.102.0.1', { zone: 'z2' }), at('cart-3', '10.102.0.2', { ready: false, serving: false }));
const far = inNetwork('far', 'gateway', part('north', at('cart-4', '10.103.0.1'), at('cart-5', '10.103.0.2', { region: '', zone: '' })));
const north = { ...exampleRemote('north', exampleGateway('192.0.2.1'), exampleGateway('gw.example', { zone: 'z1', region: 'r1' })) };

test('flat: every endpoint by its address, in no network', (t) => compare(t, 'flat', { clusters: [east, west] }));

test('two networks: each endpoint says its own, and a Gateway leads to the other', (t) => {
  compare(t, 'two-networks', { clusters: [inNetwork('near', undefined, east), far], remotes: [north] });
});

test('a mixture: near clusters, one behind gateways, one that nothing leads to, and shares', (t) => {
  const clusters = [inNetwork('near', undefined, east), inNetwork('near', undefined, west), far, inNetwork('lost', 'none', part('south', at('cart-9', '10.104.0.1')))];
  compare(t, 'mixture', { clusters, remotes: [north], rules: { percents: new Map([['east', 80], ['north', 5]]), caps: new Map() } });
});

test('more endpoints than an entry may have are WorkloadEntries, which it selects', (t) => {
  const many = Array.from({ length: MAX_INLINE_ENDPOINTS + 1 }, (_, i) => at(`cart-${i}`, `10.101.${i >> 8}.${i & 255}`));
  const topology = { clusters: [part('east', ...many)] };
  t.is(objectsOf(topology).length, many.length + 1);
  t.is(new Set(objectsOf(topology).map(({ metadata }) => metadata?.name)).size, many.length + 1);
  compare(t, 'many-endpoints', { ...topology, shown: 3 });
});

test('sidecars: pods by their addresses and Istio’s mutual TLS, other networks by the gateways’ own addresses', (t) => {
  compare(t, 'sidecar', { clusters: [inNetwork('near', undefined, east), far], remotes: [north], shape: 'sidecar' });
});

interface Entry {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>>; readonly labels: Readonly<Record<string, string>> };
  readonly spec: { readonly endpoints?: readonly { readonly address: string; readonly network?: string }[]; readonly subjectAltNames: readonly string[]; readonly workloadSelector?: object };
}
const entries = (topology: Topology): readonly Entry[] => sent(objectsOf(topology)) as unknown as readonly Entry[];

test('endpoints with and without an agent, or with one address, can not be in one entry', (t) => {
  const mixed = entries({ clusters: [part('east', at('a', '10.0.0.1'), at('b', '10.0.0.2', { tunnel: 'none' }))] });
  t.deepEqual(mixed.map(({ metadata }) => metadata.annotations?.['ambient.istio.io/redirection']), ['enabled', undefined, undefined]);
  const twice = entries({ clusters: [inNetwork('near', undefined, part('east', at('a', '10.0.0.1'))), inNetwork('far', 'gateway', part('north', at('b', '10.0.0.1')))], remotes: [north] });
  t.is(twice.filter(({ spec }) => spec.workloadSelector !== undefined).length, 1);
  t.is(twice.length, 4);
});

test('what a member says twice is there once', (t) => {
  const twice = at('a', '10.0.0.1');
  t.is(entries({ clusters: [part('east', twice, twice)] })[0]?.spec.endpoints?.length, 1);
  const names = objectsOf({ clusters: [part('east', twice, twice, at('a', '10.0.0.2', { tunnel: 'none' }))] }).map(({ metadata }) => metadata?.name);
  t.is(new Set(names).size, names.length);
});

test('endpoints without a network come first, since Istio would give them that of the one before', (t) => {
  const entry = entries({ clusters: [far, part('east', at('a', '10.0.0.9'))], remotes: [north] })[0];
  t.is(entry?.spec.endpoints?.[0]?.network, undefined);
  t.true(entry?.spec.endpoints?.slice(1).every(({ network }) => network === 'far'));
});

test('an entry always has a label, or policies with selectors would all be for it', (t) => {
  for (const { metadata } of entries({ clusters: [] })) t.true(Object.keys(metadata.labels).length > 0);
});

test('whoever may answer is named, ready or not, by the trust domain of his own cluster', (t) => {
  t.deepEqual(entries({ clusters: [east, west] })[0]?.spec.subjectAltNames, ['spiffe://east.landbridge/ns/shop/sa/cart', 'spiffe://west.landbridge/ns/shop/sa/cart']);
});

test('a network whose name is no value of a label has no Gateway', (t) => {
  t.deepEqual(remoteGatewayObjects([{ ...north, network: 'not a label' }], 'landbridge-system'), []);
});

test('gateways of one network at several ports are several Gateways, and those of other accounts none, as Istio could not name them', (t) => {
  const remotes = [exampleRemote('a', exampleGateway('192.0.2.1'), exampleGateway('192.0.2.2', { port: 30008 })), exampleRemote('b', exampleGateway('192.0.2.3'), exampleGateway('192.0.2.4', { serviceAccount: 'other' }))];
  const found = sent(remoteGatewayObjects(remotes, 'landbridge-system')) as unknown as { spec: { listeners: { port: number }[]; addresses: { value: string }[] } }[];
  t.deepEqual(found.map(({ spec }) => [spec.listeners[0]?.port, spec.addresses.map(({ value }) => value)]), [[15008, ['192.0.2.1', '192.0.2.3']], [30008, ['192.0.2.2']]]);
});
