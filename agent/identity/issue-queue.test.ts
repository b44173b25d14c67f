import test from 'ava';
import { IssueQueue, type Urgency } from './issue-queue.ts';

const never = new AbortController().signal;

/** Waits for a turn and notes it. */
function line(queue: IssueQueue, order: string[]): (name: string, urgency: () => Urgency, signal?: AbortSignal) => Promise<Disposable> {
  return async (name, urgency, signal = never) => {
    const turn = await queue.turn(urgency, signal);
    order.push(name);
    return turn;
  };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('no more than the limit go at once; the most urgent comes first, then who came first', async (t) => {
  const queue = new IssueQueue(2);
  const order: string[] = [];
  const enter = line(queue, order);
  const [a, b] = [await enter('a', () => 'renewal'), await enter('b', () => 'renewal')];
  let urgency: Urgency = 'renewal';
  const waiting = [enter('first', () => 'renewal'), enter('second', () => 'expiring'), enter('third', () => 'wanted'), enter('becomes urgent', () => urgency)];
  await settle();
  t.deepEqual(order, ['a', 'b']);
  a[Symbol.dispose]();
  a[Symbol.dispose]();
  await settle();
  t.deepEqual(order, ['a', 'b', 'third'], 'a turn that is given back twice is one turn');
  urgency = 'wanted';
  b[Symbol.dispose]();
  (await waiting[2])?.[Symbol.dispose]();
  await settle();
  t.deepEqual(order.slice(3), ['becomes urgent', 'second']);
  for (const each of [waiting[3], waiting[1]]) (await each)?.[Symbol.dispose]();
  (await waiting[0])?.[Symbol.dispose]();
  t.deepEqual(order.at(-1), 'first');
});

test('who does not wait any more takes no turn from others', async (t) => {
  const queue = new IssueQueue(1);
  const order: string[] = [];
  const enter = line(queue, order);
  const a = await enter('a', () => 'renewal');
  const [gone, late] = [new AbortController(), new AbortController()];
  const left = enter('left', () => 'wanted', gone.signal);
  const given = enter('given', () => 'expiring', late.signal);
  const last = enter('last', () => 'renewal');
  gone.abort();
  await t.throwsAsync(left, { name: 'AbortError' });
  // At the moment that the turn is its own.
  late.abort();
  a[Symbol.dispose]();
  await t.throwsAsync(given);
  (await last)[Symbol.dispose]();
  t.deepEqual(order, ['a', 'last']);
  await t.throwsAsync(queue.turn(() => 'wanted', gone.signal));
  (await queue.turn(() => 'wanted', never))[Symbol.dispose]();
});
