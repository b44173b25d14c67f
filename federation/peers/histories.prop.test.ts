/**
 * Whatever is published, lost, doubled, mixed up, begun anew, restored from a backup, left and joined: once that is over,
 * all readers see the same, and that is what the owners want. LANDBRIDGE_HISTORIES says how many histories are tried; a
 * failure prints the seed and the shortest history that shows it.
 */
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { CLUSTERS, ExampleHistory, type HistoryAction, READERS, SERVICES } from './example-history.ts';

const HISTORIES = Number(process.env['LANDBRIDGE_HISTORIES'] ?? 300);
const MAX_ACTIONS = 24;

const cluster = fc.nat(CLUSTERS.length - 1);
const reader = fc.nat(READERS - 1);
const index = fc.nat(40);
const services = fc.uniqueArray(fc.nat(SERVICES - 1));
const ofKind = <K extends HistoryAction['kind']>(kind: K, rest: { [P in Exclude<keyof Extract<HistoryAction, { kind: K }>, 'kind'>]: fc.Arbitrary<Extract<HistoryAction, { kind: K }>[P]> }): fc.Arbitrary<HistoryAction> => fc.record({ kind: fc.constant(kind), ...rest }) as fc.Arbitrary<HistoryAction>;

const action: fc.Arbitrary<HistoryAction> = fc.oneof(
  { weight: 6, arbitrary: ofKind('publish', { cluster, services }) },
  { weight: 8, arbitrary: ofKind('write', { cluster, count: fc.nat(8), lost: fc.array(fc.nat(5), { maxLength: 2 }) }) },
  { weight: 8, arbitrary: ofKind('deliver', { reader, index, again: fc.boolean() }) },
  { weight: 2, arbitrary: ofKind('drop', { reader, index }) },
  { weight: 1, arbitrary: ofKind('restart-reader', { reader }) },
  { weight: 1, arbitrary: ofKind('restart-owner', { cluster, days: fc.integer({ min: -1, max: 1 }), services: fc.option(services, { nil: undefined }) }) },
  { weight: 1, arbitrary: ofKind('wipe', {}) },
  { weight: 1, arbitrary: ofKind('keep', {}) },
  { weight: 1, arbitrary: ofKind('restore', {}) },
  { weight: 1, arbitrary: ofKind('leave', { cluster }) },
  { weight: 1, arbitrary: ofKind('join', { cluster }) },
  { weight: 1, arbitrary: ofKind('wait', { ms: fc.nat(100_000) }) },
);

test(`all readers see the same, and what is wanted, after each of ${HISTORIES} histories`, async (t) => {
  t.timeout(HISTORIES * 100 + 60_000);
  // Until ava has heard of it: it hears nothing while they are tried.
  await new Promise(setImmediate);
  // Assertions of the test itself would show the first history that fails, not the shortest.
  t.notThrows(() => fc.assert(fc.property(fc.array(action, { maxLength: MAX_ACTIONS }), fc.infiniteStream(fc.nat()), holds), { numRuns: HISTORIES }));
});

function holds(actions: readonly HistoryAction[], order: Iterator<number>): void {
  const history = new ExampleHistory();
  for (const each of actions) history.act(each);
  history.heal((_, keys) => shuffled(keys, order));
  const wanted = sorted(history.wanted());
  for (const seen of history.seen()) assert.deepStrictEqual(seen, wanted);
  const [first, ...others] = history.imports().map((imports) => JSON.stringify([...imports]));
  for (const other of others) assert.equal(other, first);
}

const sorted = (record: Record<string, string[]>): Record<string, string[]> => Object.fromEntries(Object.entries(record).sort());

function shuffled(keys: readonly string[], order: Iterator<number>): string[] {
  const list = [...keys];
  for (let at = list.length - 1; at > 0; at -= 1) {
    const other = Number(order.next().value) % (at + 1);
    [list[at], list[other]] = [list[other] as string, list[at] as string];
  }
  return list;
}
