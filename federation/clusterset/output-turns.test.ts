import test from 'ava';
import { OutputTurns, REWRITES, rewritesOf } from './output-turns.ts';

const NOBODY: ReadonlySet<string> = new Set();

const never = (): boolean => false;
const turnsOf = (looks: Partial<ConstructorParameters<typeof OutputTurns>[0]> = {}): OutputTurns => new OutputTurns({ lacksAddress: never, isGone: never, ...looks });

function taken(turns: OutputTurns, { busy = NOBODY, nowMs = 0 } = {}): string[] {
  const all: string[] = [];
  for (let turn = turns.take(busy, nowMs); turn !== undefined; turn = turns.take(busy, nowMs)) all.push(turn.what === 'status' ? `${turn.key} status` : turn.key);
  return all;
}

test('what has no address yet comes first, statuses last, each in their order', (t) => {
  const turns = turnsOf({ lacksAddress: (key) => key.startsWith('new') });
  for (const key of ['a', 'new-1', 'b', 'new-2']) turns.add(key, 0);
  turns.addStatus('c');
  t.is(turns.size, 5);
  t.deepEqual(taken(turns), ['new-1', 'new-2', 'a', 'b', 'c status']);
  t.is(turns.size, 0);
});

test('one that waits keeps its place, and is in the other queue once it has an address', (t) => {
  const withAddress = new Set<string>();
  const turns = turnsOf({ lacksAddress: (key) => !withAddress.has(key) });
  for (const key of ['a', 'b', 'c', 'a']) turns.add(key, 0);
  withAddress.add('a');
  turns.add('a', 0);
  t.deepEqual(taken(turns), ['b', 'c', 'a']);
});

test('those that are being written wait for themselves and keep nobody else waiting', (t) => {
  const turns = turnsOf();
  for (const key of ['a', 'b']) turns.add(key, 0);
  turns.addStatus('a');
  t.deepEqual(taken(turns, { busy: new Set(['a']) }), ['b']);
  t.deepEqual(taken(turns), ['a', 'a status']);
});

test('statuses get on while objects change without end', (t) => {
  const turns = turnsOf();
  turns.addStatus('waiting');
  let waited = 0;
  for (; waited < 100; waited++) {
    turns.add(`changed-${waited}`, 0);
    if (turns.take(NOBODY, 0)?.what === 'status') break;
  }
  t.true(waited < 10, `${waited}`);
});

/** All of its turns rewrite what is there. */
function rewrite(turns: OutputTurns, nowMs: number): string[] {
  const keys = taken(turns, { nowMs });
  for (const key of keys) turns.rewrote(key, 1, nowMs);
  return keys;
}

test('what is rewritten for the first time in a while is in time whatever others do; what changes again has its rate, and what is removed has none', (t) => {
  const turns = turnsOf({ isGone: (key) => key === 'gone' });
  const churning = Array.from({ length: REWRITES.burst + 30 }, (_, i) => `churning-${i}`);
  for (const key of [...churning, 'gone']) turns.rewrote(key, 1, 0);
  t.is(turns.dueMs(NOBODY), undefined);
  turns.add('churning-0', 0);
  t.deepEqual(taken(turns), ['churning-0'], 'that was the first time of all of them');
  for (const key of churning) turns.rewrote(key, 1, 0);
  for (const key of [...churning, 'gone', 'calm']) turns.add(key, 0);
  t.deepEqual(rewrite(turns, 0), ['gone', 'calm']);
  const dueMs = turns.dueMs(NOBODY);
  if (dueMs === undefined) return t.fail('all are there');
  t.deepEqual(rewrite(turns, dueMs - 1), []);
  t.is(taken(turns, { nowMs: dueMs })[0], 'churning-0');
});

test('one that changes again while it waits as if it had rested keeps that place', (t) => {
  const turns = turnsOf();
  turns.add('a', 0);
  for (let i = 0; i < 2; i++) turns.rewrote('a', 2 * REWRITES.burst, 0);
  turns.add('a', 1);
  t.deepEqual(taken(turns, { nowMs: 1 }), ['a']);
});

test('how long the one waits that waits longest is told, wherever it waits', (t) => {
  const lacking = new Set(['a']);
  const turns = turnsOf({ lacksAddress: (key) => lacking.has(key) });
  t.is(turns.sinceMs, undefined);
  turns.add('a', 5);
  turns.add('b', 7);
  lacking.clear();
  turns.add('a', 9);
  t.is(turns.sinceMs, 5);
  t.deepEqual(taken(turns), ['b', 'a']);
  t.is(turns.sinceMs, undefined);
});

test('what is written to make an import does not count, what changes or removes its objects does', (t) => {
  const named = (name: string) => ({ apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'shop', name } });
  const [there, other, fresh] = [named('there'), named('other'), named('fresh')];
  const apply = (object: ReturnType<typeof named>) => ({ verb: 'apply', object }) as const;
  const remove = (object: ReturnType<typeof named>) => ({ verb: 'delete', object }) as const;
  t.is(rewritesOf([apply(there), remove(other)], [there, other], false), 2);
  t.is(rewritesOf([apply(there), apply(fresh)], [there], false), 0, 'its address, and the slices that follow it');
  t.is(rewritesOf([apply(there)], [there], true), 0);
  t.is(rewritesOf([apply(fresh), remove(there)], [there], false), 1, 'slices that come and go');
});
