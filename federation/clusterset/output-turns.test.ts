import test from 'ava';
import { OutputTurns } from './output-turns.ts';

const NOBODY: ReadonlySet<string> = new Set();

function taken(turns: OutputTurns, busy = NOBODY): string[] {
  const all: string[] = [];
  for (let turn = turns.take(busy); turn !== undefined; turn = turns.take(busy)) all.push(turn.what === 'status' ? `${turn.key} status` : turn.key);
  return all;
}

test('what has no address yet comes first, statuses last, each in their order', (t) => {
  const turns = new OutputTurns((key) => key.startsWith('new'));
  for (const key of ['a', 'new-1', 'b', 'new-2']) turns.add(key);
  turns.addStatus('c');
  t.is(turns.size, 5);
  t.deepEqual(taken(turns), ['new-1', 'new-2', 'a', 'b', 'c status']);
  t.is(turns.size, 0);
});

test('one that waits keeps its place, and is in the other queue once it has an address', (t) => {
  const withAddress = new Set<string>();
  const turns = new OutputTurns((key) => !withAddress.has(key));
  for (const key of ['a', 'b', 'c', 'a']) turns.add(key);
  withAddress.add('a');
  turns.add('a');
  t.deepEqual(taken(turns), ['b', 'c', 'a']);
});

test('those that are being written wait for themselves and keep nobody else waiting', (t) => {
  const turns = new OutputTurns(() => false);
  for (const key of ['a', 'b']) turns.add(key);
  turns.addStatus('a');
  t.deepEqual(taken(turns, new Set(['a'])), ['b']);
  t.deepEqual(taken(turns), ['a', 'a status']);
});

test('statuses get on while objects change without end', (t) => {
  const turns = new OutputTurns(() => false);
  turns.addStatus('waiting');
  let waited = 0;
  for (; waited < 100; waited++) {
    turns.add(`changed-${waited}`);
    if (turns.take(NOBODY)?.what === 'status') break;
  }
  t.true(waited < 10, `${waited}`);
});
