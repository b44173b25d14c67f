import test from 'ava';
import fc from 'fast-check';
import { DEFAULT_LOAD_BALANCING, type Placed, rankEndpoints } from './load-balancing.ts';

const word = fc.constantFrom('', 'a', 'b');
const place = { network: word, cluster: word, node: word, region: word, zone: word, subzone: word };
const client = fc.record(place);
const endpoint = fc.record({ ...place, healthy: fc.boolean() });
const scope = fc.constantFrom('region', 'zone', 'subzone', 'node', 'cluster', 'network');
const loadBalancing = fc.record({ preferences: fc.uniqueArray(scope, { maxLength: 6 }), mode: fc.constantFrom('unspecified', 'strict', 'failover'), health: fc.constantFrom('only-healthy', 'allow-all') });

test('ranks have no gaps, are in order, and do not depend on the order of the endpoints', (t) => {
  fc.assert(fc.property(client, fc.array(endpoint, { maxLength: 12 }), loadBalancing, (of, endpoints, rules) => {
    const ranked = rankEndpoints(of, endpoints, rules);
    if (ranked.some(({ rank }, i) => rank < (ranked[i - 1]?.rank ?? 0) || rank > (ranked[i - 1]?.rank ?? -1) + 1)) return false;
    const rankOf = new Map<Placed, number>(ranked.map((each) => [each.endpoint, each.rank]));
    const again = rankEndpoints(of, [...endpoints].reverse(), rules);
    return again.length === ranked.length && again.every((each) => rankOf.get(each.endpoint) === each.rank);
  }));
  t.pass();
});

test('failover drops nothing that is usable, strict takes what failover puts first when it matches all', (t) => {
  fc.assert(fc.property(client, fc.array(endpoint, { maxLength: 12 }), fc.uniqueArray(scope, { minLength: 1, maxLength: 6 }), (from, endpoints, preferences) => {
    const failover = rankEndpoints(from, endpoints, { ...DEFAULT_LOAD_BALANCING, mode: 'failover', preferences });
    const strict = rankEndpoints(from, endpoints, { ...DEFAULT_LOAD_BALANCING, mode: 'strict', preferences });
    const matches = (of: Placed): boolean => preferences.every((each) => of[each] === from[each]);
    if (failover.length !== endpoints.filter(({ healthy }) => healthy).length) return false;
    if (strict.length !== endpoints.filter((each) => each.healthy && matches(each)).length) return false;
    const best = new Set<Placed>(failover.filter(({ rank }) => rank === 0).map((each) => each.endpoint));
    return strict.every((each) => best.has(each.endpoint));
  }));
  t.pass();
});
