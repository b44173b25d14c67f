import test from 'ava';
import fc from 'fast-check';
import { keptPrecedence, precedence, type Sighting } from './precedence.ts';

const NOW = 1000;
const cluster: fc.Arbitrary<string> = fc.constantFrom('east', 'mallory', 'north', 'south', 'west');
const sighting: fc.Arbitrary<Sighting> = fc.record({ cluster, exportedAt: fc.integer({ min: 0, max: 2 * NOW }), joinedAt: fc.integer({ min: 0, max: NOW }) });
const exporting = fc.uniqueArray(sighting, { selector: (each) => each.cluster, maxLength: 5 });
const known = fc.array(cluster, { maxLength: 5 });

test('the order does not depend on that in which exports are told, and has each of them once', (t) => {
  fc.assert(fc.property(exporting.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))), known, ([list, shuffled], first) => {
    const order = precedence(first, list, NOW);
    t.deepEqual(precedence(first, shuffled, NOW), order);
    t.deepEqual([...order].sort(), list.map((each) => each.cluster).sort());
  }));
});

test('whatever a cluster claims, it does not come before one that was seen before it', (t) => {
  fc.assert(fc.property(exporting, known, fc.nat(), (others, first, claim) => {
    const list = [...others.filter((each) => each.cluster !== 'mallory'), { cluster: 'mallory', exportedAt: NOW, joinedAt: 0 }];
    const order = precedence(first, list, NOW);
    const lying = list.map((each) => (each.cluster === 'mallory' ? { ...each, exportedAt: claim } : each));
    const beaten = order.slice(0, order.indexOf('mallory')).filter((each) => first.includes(each) && !first.slice(0, first.indexOf(each)).includes('mallory'));
    const lied = precedence(first, lying, NOW);
    for (const each of beaten) t.true(lied.indexOf(each) < lied.indexOf('mallory'));
  }));
});

test('of those that are seen first together none is older than its membership, or younger than now', (t) => {
  const seen = (exportedAt: number, joinedAt = 0) => ({ exportedAt, joinedAt });
  const order = (east: ReturnType<typeof seen>, west: ReturnType<typeof seen>): readonly string[] => precedence([], [{ cluster: 'west', ...west }, { cluster: 'east', ...east }], NOW);
  t.deepEqual(order(seen(500), seen(400)), ['west', 'east']);
  t.deepEqual(order(seen(500), seen(0, 600)), ['east', 'west'], '1970 is not believed of one that joined later');
  t.deepEqual(order(seen(5 * NOW), seen(NOW)), ['east', 'west'], 'the future is now: of equal age the first by name');
  t.deepEqual(order(seen(500), seen(500)), ['east', 'west']);
});

test('who exports no more loses its place once that is known; who is not known keeps it; who is new before all are listed has none', (t) => {
  const isComplete = (name: string): boolean => name !== 'north';
  t.deepEqual(keptPrecedence(['west', 'north', 'south'], ['south', 'east'], { isComplete, isSettled: true }), ['north', 'south', 'east']);
  t.deepEqual(keptPrecedence(['west', 'north', 'south'], ['south', 'east'], { isComplete, isSettled: false }), ['north', 'south']);
});
