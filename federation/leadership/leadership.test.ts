import test from 'ava';
import { whenAborted } from '@landbridge/core/when-aborted.ts';
import { ExampleLeadership } from './example-leadership.ts';
import { ALONE, whileLeading } from './leadership.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('work is done while one leads, and anew each time', async (t) => {
  const leadership = new ExampleLeadership();
  const stop = new AbortController();
  const seen: string[] = [];
  const running = whileLeading(leadership, stop.signal, async (signal) => {
    seen.push('begins');
    await whenAborted(signal);
    seen.push('ends');
    throw new Error('for want of the lead');
  });
  await turn();
  t.deepEqual(seen, []);
  leadership.set(true);
  await turn();
  leadership.set(false);
  await turn();
  leadership.set(true);
  await turn();
  t.deepEqual(seen, ['begins', 'ends', 'begins']);
  stop.abort();
  await running;
  t.deepEqual(seen, ['begins', 'ends', 'begins', 'ends']);
});

test('work that is done is not begun again in the same term', async (t) => {
  const leadership = new ExampleLeadership(true);
  const stop = new AbortController();
  let times = 0;
  const running = whileLeading(leadership, stop.signal, async () => void times++);
  await turn();
  leadership.set(true);
  await turn();
  t.is(times, 1);
  leadership.set(false);
  leadership.set(true);
  await turn();
  t.is(times, 1, 'nobody was awake to see it');
  leadership.set(false);
  await turn();
  leadership.set(true);
  await turn();
  t.is(times, 2);
  stop.abort();
  await running;
});

test('what work throws while it may work is thrown', async (t) => {
  await t.throwsAsync(whileLeading(ALONE, new AbortController().signal, async () => await Promise.reject(new Error('broken'))), { message: 'broken' });
});
