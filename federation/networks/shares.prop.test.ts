import test from 'ava';
import fc from 'fast-check';
import { clusterShares, clusterWeights, type ShareRules } from './shares.ts';

const CLUSTERS = ['east', 'west', 'north', 'south'];
const named = (value: fc.Arbitrary<number>): fc.Arbitrary<ReadonlyMap<string, number>> => fc.array(fc.tuple(fc.constantFrom(...CLUSTERS), value), { maxLength: 4 }).map((entries) => new Map(entries));
const counts = named(fc.integer({ min: 0, max: 2000 }));
const rules: fc.Arbitrary<ShareRules> = fc.record({ percents: named(fc.integer({ min: 0, max: 25 })), caps: named(fc.integer({ min: 0, max: 100 })) });
const sum = (values: Iterable<number>): number => [...values].reduce((all, value) => all + value, 0);

test('the shares are one whole, of clusters that have endpoints, as soon as any has', (t) => {
  fc.assert(fc.property(counts, rules, (of, said) => {
    const shares = clusterShares(of, said);
    for (const [cluster, share] of shares) {
      t.true((of.get(cluster) ?? 0) > 0, cluster);
      t.true(share > 0 && share <= 1 + 1e-9);
    }
    if (sum(of.values()) > 0) t.true(Math.abs(sum(shares.values()) - 1) < 1e-9, `${[...shares]}`);
    else t.is(shares.size, 0);
  }), { numRuns: 2000 });
});

test('nobody gets more than his cap where others may get the rest', (t) => {
  fc.assert(fc.property(counts, rules, (of, said) => {
    const able = [...of].filter(([, count]) => count > 0).map(([cluster]) => cluster);
    const room = sum(able.map((cluster) => said.caps.get(cluster) ?? 100));
    const isUncapped = able.some((cluster) => !said.caps.has(cluster));
    if (!isUncapped || room < 100) return;
    for (const [cluster, share] of clusterShares(of, said)) t.true(share <= (said.caps.get(cluster) ?? 100) / 100 + 1e-9, `${cluster} ${share}`);
  }), { numRuns: 2000 });
});

test('without a cap, those that are named get what is said, in proportion to each other', (t) => {
  fc.assert(fc.property(counts, named(fc.integer({ min: 1, max: 25 })), (of, percents) => {
    const shares = clusterShares(of, { percents, caps: new Map() });
    const able = [...percents].filter(([cluster]) => (of.get(cluster) ?? 0) > 0);
    for (const [a, x] of able) for (const [b, y] of able) t.true(Math.abs((shares.get(a) ?? 0) * y - (shares.get(b) ?? 0) * x) < 1e-9);
  }));
});

test('weights are whole numbers that add up to the shares, and the order in which clusters are told makes no difference', (t) => {
  fc.assert(fc.property(counts, rules, (of, said) => {
    const weights = clusterWeights(of, 'east', said);
    if (weights === undefined) return;
    for (const { each, all } of weights.values()) t.true(Number.isInteger(each) && Number.isInteger(all) && each >= 0 && all <= 1_000_000);
    const sorted = (map: typeof weights): unknown => [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([cluster, { each }]) => [cluster, each]);
    t.deepEqual(sorted(weights), sorted(clusterWeights(new Map([...of].toReversed()), 'east', said) ?? new Map()));
  }));
});
