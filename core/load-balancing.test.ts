import test from 'ava';
import { DEFAULT_LOAD_BALANCING, type LoadBalancing, type LoadBalancingScope, type Place, type Placed, rankEndpoints } from './load-balancing.ts';

const HERE: Place = { network: 'net', cluster: 'east', node: 'n1', region: 'r1', zone: 'z1', subzone: 's1' };

interface Endpoint extends Placed {
  readonly name: string;
}

const at = (name: string, over: Partial<Place> = {}, healthy = true): Endpoint => ({ ...HERE, ...over, name, healthy });
const failover = (...preferences: LoadBalancingScope[]): LoadBalancing => ({ ...DEFAULT_LOAD_BALANCING, mode: 'failover', preferences });
const strict = (...preferences: LoadBalancingScope[]): LoadBalancing => ({ ...failover(...preferences), mode: 'strict' });

/** Names by rank, `a,b | c`. */
function ranks(endpoints: readonly Endpoint[], loadBalancing: LoadBalancing): string {
  const names: string[][] = [];
  for (const { endpoint, rank } of rankEndpoints(HERE, endpoints, loadBalancing)) (names[rank] ??= []).push(endpoint.name);
  return names.map((of) => of.join()).join(' | ');
}

test('conformance 10: without a mode all endpoints are alike', (t) => {
  t.is(ranks([at('here'), at('there', { region: 'r2', zone: 'z2' })], { ...DEFAULT_LOAD_BALANCING, preferences: ['region'] }), 'here,there');
});

test('conformance 10: failover ranks by the number of leading preferences that match', (t) => {
  const endpoints = [at('none', { region: 'r2' }), at('region', { zone: 'z2' }), at('zone', { subzone: 's2' }), at('all')];
  t.is(ranks(endpoints, failover('region', 'zone', 'subzone')), 'all | zone | region | none');
});

test('conformance 10: the count stops at the first mismatch', (t) => {
  // The zone of another region may have the same name.
  t.is(ranks([at('zone only', { region: 'r2' }), at('nothing', { region: 'r2', zone: 'z2' }), at('region only', { zone: 'z2' })], failover('region', 'zone')), 'region only | zone only,nothing');
});

test('conformance 10: ranks that nobody has are left out', (t) => {
  t.is(ranks([at('far', { region: 'r2' }), at('near')], failover('region', 'zone', 'subzone')), 'near | far');
  t.is(ranks([at('far', { region: 'r2' })], failover('region', 'zone', 'subzone')), 'far');
});

test('conformance 10: where the network is the first preference, any endpoint of it is better than all others, and these are measured by the rest', (t) => {
  const endpoints = [
    at('other net, nothing', { network: 'x', region: 'r2', zone: 'z2' }),
    at('other net, region', { network: 'x', zone: 'z2' }),
    at('other net, region and zone', { network: 'x' }),
    at('net only', { region: 'r2', zone: 'z2' }),
    at('net, region', { zone: 'z2' }),
    at('all'),
  ];
  t.is(ranks(endpoints, failover('network', 'region', 'zone')), 'all | net, region | net only | other net, region and zone | other net, region | other net, nothing');
});

test('conformance 10: a network further down is a preference like others', (t) => {
  t.is(ranks([at('region', { network: 'x' }), at('all'), at('none', { region: 'r2' })], failover('region', 'network', 'zone')), 'all | region | none');
});

test('conformance 10: strict keeps only what matches all', (t) => {
  t.is(ranks([at('other node', { node: 'n2' }), at('this node')], strict('node')), 'this node');
  t.is(ranks([at('other node', { node: 'n2' })], strict('node')), '');
  t.is(ranks([at('other net', { network: 'x' }), at('all')], strict('network', 'region')), 'all', 'the exception of the network does not make a match');
  t.is(ranks([at('a'), at('b', { node: 'n2' })], strict()), 'a,b');
});

test('conformance 10: each scope compares its own value, and unknown equals unknown', (t) => {
  for (const scope of ['region', 'zone', 'subzone', 'node', 'cluster', 'network'] as const) {
    t.is(ranks([at('other', { [scope]: 'other' }), at('same')], failover(scope)), 'same | other', scope);
  }
  const unknown: Place = { network: '', cluster: '', node: '', region: '', zone: '', subzone: '' };
  t.is(rankEndpoints(unknown, [{ ...unknown, healthy: true }], strict('region', 'zone', 'subzone', 'node')).length, 1);
  t.is(rankEndpoints(unknown, [{ ...HERE, healthy: true }], strict('region')).length, 0);
});

test('conformance 10: endpoints that are not healthy count only where the policy allows all', (t) => {
  const endpoints = [at('sick', {}, false), at('far', { region: 'r2' })];
  t.is(ranks(endpoints, failover('region')), 'far');
  t.is(ranks(endpoints, { ...failover('region'), health: 'allow-all' }), 'sick | far');
  t.is(ranks(endpoints, { ...DEFAULT_LOAD_BALANCING, health: 'allow-all' }), 'sick,far');
  t.is(ranks([at('sick', {}, false)], strict('region')), '');
});

test('conformance 10: passthrough needs no endpoints', (t) => {
  t.is(ranks([at('any')], { ...DEFAULT_LOAD_BALANCING, mode: 'passthrough' }), '');
});
