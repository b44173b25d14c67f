import test from 'ava';
import { clusterShares, clusterWeights, NO_RULES, type ShareRules, withCaps } from './shares.ts';

const rules = (percents: Readonly<Record<string, number>>, caps: Readonly<Record<string, number>> = {}): ShareRules => ({ percents: new Map(Object.entries(percents)), caps: new Map(Object.entries(caps)) });
const shares = (counts: Readonly<Record<string, number>>, said: ShareRules): Record<string, number> => Object.fromEntries([...clusterShares(new Map(Object.entries(counts)), said)].map(([cluster, share]) => [cluster, Math.round(share * 1000) / 10]).sort());

test('a canary gets its percent, however many endpoints it has', (t) => {
  t.deepEqual(shares({ east: 2, west: 300 }, rules({ east: 95, west: 5 })), { east: 95, west: 5 });
  t.deepEqual([...(clusterWeights(new Map([['east', 2], ['west', 300]]), 'east', rules({ east: 95, west: 5 })) ?? [])], [['east', { each: 475_000, all: 950_000 }], ['west', { each: 167, all: 50_000 }]]);
});

test('clusters that are not named share the rest by their endpoints', (t) => {
  t.deepEqual(shares({ east: 1, west: 3, north: 1 }, rules({ east: 60 })), { east: 60, north: 10, west: 30 });
  t.deepEqual(shares({ east: 1, west: 3 }, rules({ east: 100 })), { east: 100 });
});

test('what a cluster without endpoints would get goes to the others, also to one that is to get nothing', (t) => {
  t.deepEqual(shares({ east: 0, west: 3, north: 1 }, rules({ east: 80, west: 15, north: 5 })), { north: 25, west: 75 });
  t.deepEqual(shares({ east: 0, west: 2 }, rules({ east: 100, west: 0 })), { west: 100 });
  t.deepEqual(shares({ east: 0 }, rules({ east: 100 })), {});
});

test('a cap holds against any number of endpoints, and against any percent', (t) => {
  t.deepEqual(shares({ east: 10, rogue: 100_000 }, rules({}, { rogue: 20 })), { east: 80, rogue: 20 });
  t.deepEqual(shares({ east: 10, west: 30, rogue: 100_000 }, rules({ rogue: 90, east: 10 }, { rogue: 20 })), { east: 80, rogue: 20 }, 'the rest goes by what was said');
  t.deepEqual(shares({ east: 10, west: 30, rogue: 100_000 }, rules({ rogue: 100 }, { rogue: 20 })), { east: 20, rogue: 20, west: 60 }, 'or to those that were to get nothing');
});

test('a cap never refuses a connection', (t) => {
  t.deepEqual(shares({ rogue: 3 }, rules({}, { rogue: 20 })), { rogue: 100 });
  t.deepEqual(shares({ rogue: 3 }, rules({}, { rogue: 0 })), { rogue: 100 });
  t.deepEqual(shares({ a: 1, b: 1 }, rules({}, { a: 10, b: 30 })), { a: 25, b: 75 });
  t.deepEqual(shares({ a: 1, b: 1 }, rules({}, { a: 0 })), { b: 100 });
});

test('with caps alone the own cluster is not one of those that share', (t) => {
  t.deepEqual([...(clusterWeights(new Map([['east', 4], ['west', 1], ['rogue', 99]]), 'east', rules({}, { rogue: 50 })) ?? [])], [['east', { each: 250_000, all: 1_000_000 }], ['west', { each: 500_000, all: 500_000 }], ['rogue', { each: 5051, all: 500_000 }]]);
});

test('a policy of the cluster bounds what a route says, by the smaller cap', (t) => {
  t.is(withCaps(NO_RULES, [{ cluster: 'rogue' }]), NO_RULES);
  const both = withCaps(rules({ rogue: 90 }, { rogue: 50, west: 10 }), [{ cluster: 'rogue', maxSharePercent: 20 }, { cluster: 'west', maxSharePercent: 60 }]);
  t.deepEqual(both.caps, new Map([['rogue', 20], ['west', 10]]));
  t.deepEqual(shares({ east: 1, rogue: 50 }, both), { east: 80, rogue: 20 });
});

test('without rules every endpoint counts alike', (t) => {
  t.is(clusterWeights(new Map([['east', 1]]), 'east', NO_RULES), undefined);
});
