import { setImmediate as nextTurn } from 'node:timers/promises';
import test from 'ava';
import { DialTally } from './dial-tally.ts';

test('dials are counted by cluster until they are taken, but those of the own one', (t) => {
  const tally = new DialTally('east');
  tally.add([['west', 1, 2], ['east', 3, 0], ['', 5, 5]]);
  tally.add([['west', 4, 0], ['north', 0, 1]]);
  t.deepEqual([...tally.take()], [['west', { opened: 5, failed: 2 }], ['north', { opened: 0, failed: 1 }]]);
  t.is(tally.take().size, 0);
});

test('it says when a cluster begins to fail, and not that it goes on', async (t) => {
  const tally = new DialTally('east');
  const isNew = async (): Promise<boolean> => await Promise.race([tally.newFailure.then(() => true), nextTurn(false)]);
  tally.add([['west', 3, 0], ['east', 0, 3]]);
  t.false(await isNew());
  tally.add([['west', 0, 1]]);
  t.true(await isNew());
  tally.take();
  tally.add([['west', 2, 1]]);
  t.false(await isNew(), 'what was told before');
  tally.add([['north', 0, 1]]);
  t.true(await isNew());
  tally.take();
  tally.take();
  tally.add([['west', 0, 1]]);
  t.true(await isNew(), 'once it had not failed in between');
});
