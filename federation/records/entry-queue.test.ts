import test from 'ava';
import type { BusEvent } from '../bus/bus.ts';
import { EntryQueue } from './entry-queue.ts';

const entry = (key: string, text: string, revision = 1): BusEvent => ({ kind: 'entry', key, value: Buffer.from(text), revision });
const say = (event: BusEvent): string => (event.kind === 'entry' ? `${event.key}=${Buffer.from(event.value).toString()}` : event.kind);

/** Takes until `done` is said. */
async function taken(fill: (queue: EntryQueue) => void): Promise<string[]> {
  const stop = new AbortController();
  const all: string[] = [];
  const queue = new EntryQueue((event) => {
    all.push(say(event));
    if (say(event) === 'end=') stop.abort();
  });
  const running = queue.run(stop.signal);
  fill(queue);
  queue.add(entry('end', ''));
  await running;
  return all.slice(0, -1);
}

test('a value that is overtaken is not looked at, and the newest has its place', async (t) => {
  const all = await taken((queue) => {
    for (const event of [entry('a', '1'), entry('b', '1'), entry('a', '2'), entry('a', '3')]) queue.add(event);
  });
  t.deepEqual(all, ['a=3', 'b=1']);
});

test('that all is read comes after all that was read', async (t) => {
  const all = await taken((queue) => {
    for (const event of [entry('a', '1'), { kind: 'current' } as const, entry('b', '1'), { kind: 'restart' } as const, entry('a', '2'), { kind: 'current' } as const, entry('c', '1')]) queue.add(event);
  });
  t.deepEqual(all, ['a=2', 'b=1', 'restart', 'current', 'c=1']);
});

test('what was asked for by itself does not overtake what the watch has told', async (t) => {
  const all = await taken((queue) => {
    for (const event of [entry('a', 'new', 5), entry('a', 'older', 0), entry('b', 'asked', 0), entry('b', 'told', 6)]) queue.add(event);
  });
  t.deepEqual(all, ['a=new', 'b=told']);
});

test('others have their turn while many are looked at', async (t) => {
  const stop = new AbortController();
  let [looked, turns] = [0, 0];
  const queue = new EntryQueue(() => {
    for (const until = performance.now() + 1; performance.now() < until; );
    looked += 1;
    if (looked === 100) stop.abort();
  });
  const turn = (): void => {
    turns += 1;
    if (!stop.signal.aborted) setImmediate(turn);
  };
  setImmediate(turn);
  for (let i = 0; i < 100; i++) queue.add(entry(`k${i}`, ''));
  await queue.run(stop.signal);
  t.true(turns >= 5, `${turns}`);
});

test('whoever reads waits while there is no room, and no longer than that', async (t) => {
  const stop = new AbortController();
  const queue = new EntryQueue(() => {}, 8);
  queue.add(entry('a', '12345678'));
  await queue.room(stop.signal);
  queue.add(entry('b', '1'));
  let hasRoom = false;
  const waiting = queue.room(stop.signal).then(() => (hasRoom = true));
  await new Promise(setImmediate);
  t.false(hasRoom);
  const running = queue.run(stop.signal);
  await waiting;
  queue.add(entry('c', '123456789'));
  queue.add(entry('c', '1'));
  await queue.room(stop.signal);
  queue.add(entry('d', '123456789'));
  stop.abort();
  await queue.room(stop.signal);
  await running;
  t.pass();
});

test('it is told whose records wait, until the last of them is taken', async (t) => {
  const stop = new AbortController();
  const waiting: string[] = [];
  const queue = new EntryQueue((event) => {
    waiting.push(`${say(event)} ${['east', 'west'].filter((cluster) => queue.waitsFor(cluster)).join()}`);
    if (waiting.length === 4) stop.abort();
  });
  for (const event of [entry('east.svc.a', '1'), entry('west.svc.a', '1'), entry('east.sync', '1'), entry('east.svc.a', '2'), { kind: 'current' } as const]) queue.add(event);
  await queue.run(stop.signal);
  t.deepEqual(waiting, ['east.svc.a=2 east,west', 'west.svc.a=1 east', 'east.sync=1 ', 'current ']);
});
