import type { DialReport } from '@landbridge/wire/dial-report.ts';
import test from 'ava';
import fc from 'fast-check';
import { type Doubts, dueMs, FIRST_DOUBT_MS, isDoubted, MAX_DOUBT_MS, MIN_NODES, passTime, REPORT_LIFE_MS, takeReport } from './dial-doubts.ts';

const isMember = (cluster: string): boolean => cluster === 'west' || cluster === 'north';
const dials = (opened: number, failed: number, cluster = 'west'): DialReport => new Map([[cluster, { opened, failed }]]);
const FAILING = dials(0, 5);
const told = (doubts: Doubts, nodes: readonly string[], report: DialReport, nowMs: number): Doubts => nodes.reduce((before, node) => takeReport(before, node, report, nowMs, isMember), doubts);
const nodes = (count: number, prefix = 'n'): string[] => Array.from({ length: count }, (_, index) => `${prefix}${index}`);

test('a cluster to which nothing opens from most of several nodes is doubted at once, and only that one', (t) => {
  const doubts = told(told(new Map(), nodes(3), FAILING, 0), nodes(2), dials(9, 0, 'north'), 0);
  t.deepEqual([isDoubted(doubts, 'west'), isDoubted(doubts, 'north')], [true, false]);
  t.is(dueMs(doubts), FIRST_DOUBT_MS);
});

test('nodes for which it opens outvote those that fail, and what some endpoints do is no doubt about a cluster', (t) => {
  t.false(isDoubted(told(told(new Map(), nodes(3, 'good'), dials(5, 0), 0), nodes(3), FAILING, 0), 'west'));
  t.true(isDoubted(told(told(new Map(), nodes(3, 'good'), dials(5, 0), 0), nodes(4), FAILING, 0), 'west'));
  t.false(isDoubted(told(new Map(), nodes(5), dials(2, 5), 0), 'west'));
  t.false(isDoubted(told(new Map(), nodes(5), dials(0, 2), 0), 'west'));
});

test('a peer that breaks is doubted by agents that soon put its endpoint aside, whenever each of them reports', (t) => {
  // Many opened, then three fail, and from then on an agent tries once in a while.
  const reports = [dials(80, 0), dials(40, 3), dials(0, 2), dials(0, 1)];
  let doubts: Doubts = new Map();
  for (const [i, report] of reports.entries()) {
    t.false(isDoubted(doubts, 'west'));
    doubts = takeReport(doubts, 'n0', report, i * 5000, isMember);
    doubts = takeReport(doubts, 'n1', report, i * 5000 + 2500, isMember);
  }
  t.true(isDoubted(doubts, 'west'));
  doubts = told(new Map(), nodes(2), dials(0, 2), 0);
  t.false(isDoubted(told(doubts, nodes(2), dials(30, 1), 5000), 'west'), 'one that opens again');
  t.false(isDoubted(told(doubts, nodes(2), dials(0, 1), REPORT_LIFE_MS), 'west'), 'what is long past');
});

test('doubt ends by itself, and lasts longer each time that it comes again soon', (t) => {
  let [doubts, nowMs]: [Doubts, number] = [new Map(), 0];
  const lengths: number[] = [];
  for (let round = 0; round < 6; round++) {
    while (!isDoubted(doubts, 'west')) doubts = told(doubts, nodes(2), FAILING, (nowMs += 1000));
    const beganMs = nowMs;
    while (isDoubted(doubts, 'west')) doubts = passTime(doubts, (nowMs += 1000), isMember);
    lengths.push((nowMs - beganMs) / 1000);
  }
  t.deepEqual(lengths, [30, 60, 120, 240, 300, 300]);
  doubts = told(passTime(doubts, (nowMs += 700_000), isMember), nodes(2), FAILING, nowMs);
  t.is(dueMs(doubts), nowMs + FIRST_DOUBT_MS);
});

test('whatever one node says, however often, and whatever is said of no member: nobody is doubted', (t) => {
  const step = fc.record({ waitMs: fc.nat(20_000), opened: fc.nat(10), failed: fc.nat(1_000_000), cluster: fc.constantFrom('west', 'north', 'nobody') });
  fc.assert(fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
    let [doubts, nowMs]: [Doubts, number] = [new Map(), 0];
    for (const { waitMs, opened, failed, cluster } of steps) {
      doubts = takeReport(doubts, 'liar', dials(opened, failed, cluster), (nowMs += waitMs), isMember);
      t.is(dueMs(doubts), undefined);
      t.false(doubts.has('nobody'));
    }
  }));
});

test('any history: a doubt begins only where enough nodes failed lately, lasts no longer than it may, and is over without reports', (t) => {
  const step = fc.record({ waitMs: fc.nat(40_000), node: fc.constantFrom(...nodes(5)), opened: fc.nat(3), failed: fc.nat(6) });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    let [doubts, nowMs]: [Doubts, number] = [new Map(), 0];
    const failedAt = new Map<string, number>();
    for (const { waitMs, node, opened, failed } of steps) {
      nowMs += waitMs;
      const before = passTime(doubts, nowMs, isMember);
      if (failed > opened) failedAt.set(node, nowMs);
      doubts = takeReport(doubts, node, dials(opened, failed), nowMs, isMember);
      if (isDoubted(doubts, 'west') && !isDoubted(before, 'west')) t.true([...failedAt.values()].filter((atMs) => nowMs - atMs < REPORT_LIFE_MS).length >= MIN_NODES);
      t.true((dueMs(doubts) ?? nowMs) - nowMs <= MAX_DOUBT_MS);
    }
    t.is(dueMs(passTime(doubts, nowMs + MAX_DOUBT_MS, isMember)), undefined);
  }));
});

test('a cluster that is no member any more is forgotten', (t) => {
  t.is(passTime(told(new Map(), nodes(2), FAILING, 0), 1, () => false).size, 0);
});
