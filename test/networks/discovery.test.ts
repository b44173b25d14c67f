/** What the federation service tells of other networks, as agents plan by it. */
import type { Candidate, RoutePlan } from '@landbridge/core/route-plan.ts';
import type { Endpoint } from '@landbridge/core/records.ts';
import { planGateway } from '@landbridge/agent/discovery/gateway-planner.ts';
import type { Registry } from '@landbridge/agent/discovery/registry.ts';
import { planRoute } from '@landbridge/agent/discovery/route-planner.ts';
import { destinationOf, sourceOf, spiffe } from '@landbridge/agent/discovery/test-resources.ts';
import type { ImportedService } from '@landbridge/federation/merge/merge.ts';
import { exampleGateway, exampleRemote } from '@landbridge/federation/networks/example-gateways.ts';
import type { RemoteGateways } from '@landbridge/federation/networks/remote-gateways.ts';
import { NO_RULES, type ShareRules } from '@landbridge/federation/networks/shares.ts';
import { exampleImport, part } from '@landbridge/federation/outputs/example-imports.ts';
import { endpoint } from '@landbridge/federation/records/example-records.ts';
import { addressResources } from '@landbridge/federation/xds/address-resources.ts';
import test from 'ava';
import { registryTold } from './told-registry.ts';

const HERE = { cluster: 'east', trustDomain: 'east.landbridge', network: 'here', domain: 'cluster.local' };
const ADDRESS = '10.96.0.7';

/** An agent of east that was told of one import, and of gateways. */
function agentOf(imported: ImportedService, ...gateways: readonly RemoteGateways[]): Registry {
  return agentWithRules(imported, NO_RULES, gateways);
}

function agentWithRules(imported: ImportedService, rules: ShareRules, gateways: readonly RemoteGateways[] = []): Registry {
  return registryTold(addressResources({ ...HERE, pods: [], nodes: [], services: new Map(), policiesOf: () => [], trafficOf: () => ({ limits: { maxConnections: undefined, maxPending: undefined }, affinity: 'none' }), imports: [{ imported, addresses: [ADDRESS], rules }], gateways }));
}

type Part = ImportedService['clusters'][number];
const far = (cluster: string, ...endpoints: readonly Endpoint[]): Part => ({ ...part(cluster, ...endpoints), network: 'far', reach: 'gateway' });
const near = (cluster: string, ...endpoints: readonly Endpoint[]): Part => ({ ...part(cluster, ...endpoints), network: 'here' });
const planOf = (registry: Registry, place: object = {}): RoutePlan => planRoute(registry, sourceOf({ network: 'here', ...place }), destinationOf(ADDRESS, 80), 0);
const candidates = (plan: RoutePlan): readonly Candidate[] => (plan.kind === 'balance' ? plan.candidates : []);
const ways = (plan: RoutePlan): string[] => candidates(plan).map(({ hop, address, port, rank, weight }) => `${hop} ${address}:${port} ${rank} ${weight}`);

test('pods of another network are reached through the gateways of their cluster, in two tunnels that both name the service', (t) => {
  const registry = agentOf(exampleImport({ clusters: [far('west', endpoint('cart-1'), endpoint('cart-2', '10.0.0.2'))] }), exampleRemote('west', exampleGateway('192.0.2.1'), exampleGateway('192.0.2.2', { port: 30008 })));
  const plan = planOf(registry);
  t.deepEqual(ways(plan), ['double-hbone 192.0.2.1:15008 0 1', 'double-hbone 192.0.2.2:30008 0 1']);
  t.like(candidates(plan)[0], { authority: 'cart.shop.svc.clusterset.local:80', identities: ['spiffe://west.landbridge/ns/landbridge-system/sa/landbridge-gateway'], innerIdentities: ['spiffe://west.landbridge/ns/shop/sa/default'] });
});

test('the nearest gateway is preferred', (t) => {
  const gateways = exampleRemote('west', exampleGateway('192.0.2.1', { region: 'r1', zone: 'z1' }), exampleGateway('192.0.2.2', { region: 'r1', zone: 'z2' }), exampleGateway('192.0.2.3', { region: 'r2', zone: 'z9' }));
  t.deepEqual(ways(planOf(agentOf(exampleImport({ clusters: [far('west', endpoint('cart-1'))] }), gateways), { region: 'r1', zone: 'z2' })).map((way) => way.split(' ').slice(1, 3).join(' ')), ['192.0.2.2:15008 0', '192.0.2.1:15008 1', '192.0.2.3:15008 2']);
});

test('a mixture: some clusters are reached directly, others by their own gateways only', (t) => {
  const clusters = [near('east', endpoint('cart-1')), near('north', endpoint('cart-2', '10.0.2.2')), far('south', endpoint('cart-3')), far('west', endpoint('cart-4'), endpoint('cart-5'))];
  const plan = planOf(agentOf(exampleImport({ clusters }), exampleRemote('south', exampleGateway('192.0.2.3')), exampleRemote('west', exampleGateway('192.0.2.4'))));
  t.deepEqual(candidates(plan).filter(({ hop }) => hop === 'double-hbone').map(({ address, innerIdentities }) => `${address} ${innerIdentities.join()}`).sort(), ['192.0.2.3 spiffe://south.landbridge/ns/shop/sa/default', '192.0.2.4 spiffe://west.landbridge/ns/shop/sa/default']);
  t.true(candidates(plan).some(({ hop, address }) => hop === 'hbone' && address === '10.0.2.2'));
});

test('clusters that share a network draw no connections of each other', (t) => {
  const registry = agentOf(exampleImport({ clusters: [far('west', endpoint('cart-1'))] }), exampleRemote('west', exampleGateway('192.0.2.1')), exampleRemote('rogue', exampleGateway('192.0.2.66')));
  t.deepEqual(ways(planOf(registry)), ['double-hbone 192.0.2.1:15008 0 1']);
});

test('endpoints that take no connections draw none, and a cluster of which none are left is not asked', (t) => {
  const gateways = [exampleRemote('west', exampleGateway('192.0.2.1')), exampleRemote('south', exampleGateway('192.0.2.2'))];
  const unready = { ready: false, serving: false };
  const clusters = (...ofWest: readonly Endpoint[]) => [far('south', endpoint('cart-8'), endpoint('cart-9')), far('west', ...ofWest)];
  const weights = (...ofWest: readonly Endpoint[]) => ways(planOf(agentOf(exampleImport({ clusters: clusters(...ofWest) }), ...gateways))).map((way) => way.split(' ').filter((_, i) => i !== 0 && i !== 2).join(' '));
  t.deepEqual(weights(endpoint('a'), { ...endpoint('b'), ...unready }), ['192.0.2.2:15008 2', '192.0.2.1:15008 1']);
  t.deepEqual(weights({ ...endpoint('a'), ...unready }), ['192.0.2.2:15008 2']);
  t.deepEqual(weights({ ...endpoint('a'), tunnel: 'none' }), ['192.0.2.2:15008 2'], 'a gateway hands on tunnels only');
});

test('a network without gateways is not reached, and neither are pods of a headless service in another network', (t) => {
  t.is(planOf(agentOf(exampleImport({ clusters: [{ ...far('west', endpoint('cart-1')), reach: 'none' }] }))).kind, 'refuse');
  const headless = agentOf(exampleImport({ type: 'Headless', clusters: [far('west', endpoint('cart-1'))] }), exampleRemote('west', exampleGateway('192.0.2.1')));
  const service = headless.service('shop/cart.shop.svc.clusterset.local');
  t.deepEqual(service === undefined ? undefined : [...headless.endpointsOf(service), ...headless.namedEndpointsOf(service)], []);
});

/** At a gateway of a cluster. */
const handedOn = (cluster: string): string[] => {
  const registry = agentOf(exampleImport({ clusters: [near('north', endpoint('cart-1', '10.0.0.1')), far('west', endpoint('cart-2', '10.0.0.2'))] }), exampleRemote('west', exampleGateway('192.0.2.1')));
  return ways(planGateway(registry, sourceOf({ network: 'here', cluster, identity: spiffe(`spiffe://${cluster}.landbridge/ns/landbridge-system/sa/landbridge-gateway`) }), 'cart.shop.svc.clusterset.local', 80));
};

test('a gateway hands on to endpoints of its own cluster, and to none of another network', (t) => {
  t.deepEqual(handedOn('north'), ['plain 10.0.0.1:15008 0 1']);
  t.deepEqual(handedOn('west'), []);
});

test('a gateway whose cluster has no endpoint any more hands on to none of another cluster, as clients expect its own', (t) => {
  t.deepEqual(handedOn('east'), []);
});

const rules = (percents: Readonly<Record<string, number>>, caps: Readonly<Record<string, number>> = {}): ShareRules => ({ percents: new Map(Object.entries(percents)), caps: new Map(Object.entries(caps)) });
const own = (...endpoints: readonly Endpoint[]): Part => near('east', ...endpoints);

/** Parts of the connections by cluster, in percent, among those of the best rank. */
function shareOf(plan: RoutePlan): Record<string, number> {
  const best = candidates(plan).filter(({ rank }) => rank === 0);
  const total = best.reduce((sum, { weight }) => sum + weight, 0);
  const shares: Record<string, number> = {};
  for (const { labels, weight } of best) shares[labels.cluster] = Math.round(((shares[labels.cluster] ?? 0) + (100 * weight) / total) * 10) / 10;
  return shares;
}

test('clients prefer their network, then their region, then their own cluster, whatever others say of their numbers', (t) => {
  const inRegion = (region: string, name: string, address: string): Endpoint => ({ ...endpoint(name, address), region });
  const clusters = [own(inRegion('r1', 'cart-1', '10.0.1.1')), near('north', ...Array.from({ length: 50 }, (_, i) => inRegion('r1', `cart-n${i}`, `10.0.2.${i}`))), near('south', inRegion('r2', 'cart-3', '10.0.3.1')), far('west', inRegion('r1', 'cart-4', '10.0.4.1'))];
  const registry = agentWithRules(exampleImport({ clusters }), NO_RULES, [exampleRemote('west', exampleGateway('192.0.2.1'))]);
  // The own pod is told of as a pod of the cluster, which is not here.
  const ranks = new Map(candidates(planOf(registry, { cluster: 'north', region: 'r1' })).map(({ labels, rank }) => [labels.cluster, rank]));
  t.deepEqual([...ranks], [['north', 0], ['south', 1], ['west', 2]]);
});

test('a percent is of connections, however many endpoints there are, near or behind gateways', (t) => {
  const clusters = [own(endpoint('cart-1', '10.0.1.1'), endpoint('cart-2', '10.0.1.2')), far('west', ...Array.from({ length: 30 }, (_, i) => endpoint(`w-${i}`, `10.0.2.${i}`)))];
  const registry = agentWithRules(exampleImport({ clusters }), rules({ east: 95, west: 5 }), [exampleRemote('west', exampleGateway('192.0.2.1'), exampleGateway('192.0.2.2'))]);
  t.deepEqual(shareOf(planOf(registry)), { east: 95, west: 5 });
  t.deepEqual(shareOf(planOf(agentWithRules(exampleImport({ clusters }), rules({ east: 100, west: 0 }), [exampleRemote('west', exampleGateway('192.0.2.1'))]))), { east: 100 });
});

test('an endpoint that has a weight in one service has none in others, and is the same pod', (t) => {
  const registry = agentWithRules(exampleImport({ clusters: [own(endpoint('cart-1', '10.0.1.1'))] }), rules({ east: 50 }));
  t.like(candidates(planOf(registry))[0], { hop: 'hbone', address: '10.0.1.1', identities: ['spiffe://east.landbridge/ns/shop/sa/default'] });
  t.deepEqual([...registry.resources('workload')].map(({ uid }) => uid), ['east/landbridge.dev/Share/shop/cart/cart-1']);
});

test('a cap holds against a member that claims the client’s region and a hundred endpoints', (t) => {
  const rogue = Array.from({ length: 100 }, (_, i) => ({ ...endpoint(`r-${i}`, `10.0.9.${i}`), region: 'r1' }));
  const plan = (...clusters: readonly Part[]) => planOf(agentWithRules(exampleImport({ clusters }), rules({}, { rogue: 20 })), { region: 'r1' });
  t.deepEqual(shareOf(plan(near('north', endpoint('n', '10.0.2.1')), near('rogue', ...rogue))), { north: 80, rogue: 20 });
  t.deepEqual(shareOf(plan(own(endpoint('e', '10.0.1.1')), near('rogue', ...rogue))), { east: 100 }, 'the own cluster goes first');
  t.deepEqual(shareOf(plan(near('rogue', ...rogue))), { rogue: 100 }, 'nobody else is there');
});
