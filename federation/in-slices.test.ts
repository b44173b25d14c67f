import test from 'ava';
import { inSlices } from './in-slices.ts';

function* work(units: number, unitMs: number): Generator<void, string> {
  for (let i = 0; i < units; i++) {
    for (const until = performance.now() + unitMs; performance.now() < until; );
    yield;
  }
  return 'done';
}

test('what is short is done at once, in one turn', async (t) => {
  let turns = 0;
  const counting = setImmediate(() => (turns += 1));
  t.is(await inSlices(work(3, 0)), 'done');
  clearImmediate(counting);
  t.is(turns, 0);
});

test('others have their turn while long work goes on', async (t) => {
  let turns = 0;
  const stop = new AbortController();
  const turn = (): void => {
    turns += 1;
    if (!stop.signal.aborted) setImmediate(turn);
  };
  setImmediate(turn);
  t.is(await inSlices(work(20, 1), 4), 'done');
  stop.abort();
  t.true(turns >= 3, `${turns}`);
});

test('what the work throws is thrown', async (t) => {
  await t.throwsAsync(inSlices((function* (): Generator<void, void> {
    yield;
    throw new Error('no');
  })()), { message: 'no' });
});
