import test from 'ava';
import { EventLoop } from './event-loop.ts';
import { HandshakeTurns, MAX_BEGUN } from './handshake-turns.ts';

class Handshake {
  state: 'waiting' | 'begun' | 'gone' = 'waiting';

  begin(): void {
    this.state = 'begun';
  }

  giveWay(): void {
    this.state = 'gone';
  }
}

const count = (all: readonly Handshake[], state: Handshake['state']): number => all.filter((each) => each.state === state).length;

test('handshakes begin a few in each round, in the order in which they came', (t) => {
  using loop = new EventLoop();
  const turns = new HandshakeTurns(loop);
  const all = Array.from({ length: 10 }, () => new Handshake());
  for (const each of all) turns.wait(each);
  turns.ended(all[1] as Handshake);
  t.is(count(all, 'begun'), 0);
  loop.runOnce(0);
  t.deepEqual(all.slice(0, 6).map(({ state }) => state), ['begun', 'waiting', 'begun', 'begun', 'begun', 'waiting']);
  for (let i = 0; i < 3; i++) loop.runOnce(0);
  t.is(count(all, 'begun'), 9);
});

test('where too many have begun the oldest gives way, and those that ended leave their place', (t) => {
  using loop = new EventLoop();
  const turns = new HandshakeTurns(loop);
  const all = Array.from({ length: MAX_BEGUN + 10 }, () => new Handshake());
  for (const each of all.slice(0, MAX_BEGUN)) turns.wait(each);
  for (let i = 0; i < MAX_BEGUN; i++) loop.runOnce(0);
  t.is(count(all, 'begun'), MAX_BEGUN);
  for (const each of all.slice(1, 6)) turns.ended(each);
  for (const each of all.slice(MAX_BEGUN)) turns.wait(each);
  for (let i = 0; i < 10; i++) loop.runOnce(0);
  t.deepEqual(all.flatMap(({ state }, i) => (state === 'gone' ? [i] : [])), [0, 6, 7, 8, 9]);
});
