/** Rows of the failure matrix that are about a cluster itself: restarts, backups, clocks, its API server. */
import { ExampleLeadership } from '@landbridge/federation/leadership/example-leadership.ts';
import test from 'ava';
import { CLUSTERS, FaultClusterset, throughout } from './fault-clusterset.ts';
import { restartAll, type Store } from './owner-forms.ts';
import { until } from '@landbridge/lab/until.ts';
import type { FaultMember } from './fault-member.ts';
import { GUARD_TIMES, TIMES } from './fault-times.ts';

const DAY_MS = 86_400_000;

/** Who is not heard is Stale by then. On a busy machine a beat may be late, and whoever sends it Suspect until it comes. */
async function isHeard(east: FaultMember): Promise<boolean> {
  const isNeverStale = await throughout(2 * TIMES.staleMs, () => east.phaseOf('west') !== 'stale');
  await until('it is Ready', () => east.phaseOf('west') === 'ready');
  return isNeverStale;
}

/** As many as there is time for; `run.ts orders` has all. */
const ORDERS: readonly (readonly [readonly string[], Store])[] = [
  [['hub', ...CLUSTERS], 'kept'],
  [[...CLUSTERS, 'hub'], 'of yesterday'],
  [['north', 'hub', 'east', 'west'], 'wiped'],
];

for (const [order, store] of ORDERS) {
  test.serial(`everything is started again, in the order ${order.join(', ')}, with the hub’s store ${store}`, async (t) => {
    const { lost, convergedMs } = await restartAll(order, store);
    t.log(`converged ${Math.round(convergedMs)} ms after the last one began`);
    t.deepEqual(lost, []);
  });
}

for (const [days, what] of [[-1, 'a day behind'], [1, 'a day ahead']] as const) {
  test.serial(`a cluster that begins again with a clock that is ${what} is heard and believed, and what it withdraws goes`, async (t) => {
    await using all = await FaultClusterset.start();
    await all.leave('west');
    all.wanted.set('west', ['west-1', 'cart', 'west-3']);
    await all.join('west', { clock: () => Date.now() + days * DAY_MS });
    t.log(`converged ${Math.round(await all.converge('after the restart', 40_000))} ms after it began`);
    t.deepEqual(all.lost.sort(), ['east west west-2', 'north west west-2']);
    t.true(await isHeard(all.member('east')));
    // And back to the right time.
    await all.leave('west');
    all.wanted.set('west', ['west-1', 'cart']);
    await all.join('west');
    await all.converge('after the clock was put right', 40_000);
    t.true(await isHeard(all.member('east')));
  });
}

for (const isHubWiped of [false, true]) {
  test.serial(`a cluster that comes back out of a backup of yesterday, with yesterday's clock, ${isHubWiped ? 'at a hub that lost all records' : 'at a hub that went on'}: nobody loses what it did not take back`, async (t) => {
    await using all = await FaultClusterset.start();
    const yesterday = Array.from({ length: 12 }, (_, index) => `s${String(index).padStart(2, '0')}`);
    const today = [...yesterday.slice(1), ...Array.from({ length: 8 }, (_, index) => `t${index}`)];
    all.export('west', today);
    await all.converge('before');
    const lost = (): string[] => all.lost.filter((each) => /west [st]\d+$/.test(each)).sort();
    t.deepEqual(lost(), []);
    await all.leave('west');
    if (isHubWiped) {
      await all.server.kill();
      await all.server.emptyStore();
      await all.server.boot();
    }
    all.wanted.set('west', yesterday);
    const startMs = performance.now();
    await all.join('west', { clock: () => Date.now() - DAY_MS });
    const east = all.member('east');
    // What came back at once, and that what is missing is held, shows that the records of now count.
    const readers = [east, all.member('north')];
    await until('it is believed', () => readers.every((reader) => reader.exportsOf('west').includes('s00') && reader.heldOf('west') === 8));
    t.log(`believed after ${Math.round(performance.now() - startMs)} ms`);
    t.deepEqual(lost(), []);
    all.export('west', today);
    await all.converge('when it exports again what it did', 10_000);
    t.deepEqual(lost(), ['east west s00', 'north west s00'], 'which it took back itself, at the end');
    // Silent for as long as its beats were of the epoch before, it may have been suspected.
    await until('it is ready', () => east.phaseOf('west') === 'ready');
    t.true(await isHeard(east));
  });
}

test.serial('an API server that was restored from yesterday: many exports are missing, and are held until they are there again', async (t) => {
  await using all = await FaultClusterset.start();
  const today = Array.from({ length: 12 }, (_, index) => `s${String(index).padStart(2, '0')}`);
  all.export('west', today);
  await all.converge('before');
  const lostBefore = all.lost.length;
  await all.leave('west');
  all.wanted.set('west', today.slice(0, 3));
  await all.join('west');
  const east = all.member('east');
  await until('they are held', () => east.heldOf('west') === 9);
  t.deepEqual(east.exportsOf('west'), today);
  all.export('west', today);
  await until('nothing is held', () => east.heldOf('west') === 0, GUARD_TIMES.holdMs);
  t.is(all.lost.length, lostBefore);

  all.export('west', today.slice(0, 3));
  await until('they are held again', () => east.heldOf('west') === 9);
  await all.converge('after the hold', GUARD_TIMES.holdMs + 10_000);
  t.is(all.lost.filter((each) => each.startsWith('east west s')).length, 9, 'where it stays so, they go');
});

test.serial('a cluster without its API server leads no more, and is heard all the same', async (t) => {
  await using all = await FaultClusterset.start();
  await all.leave('west');
  const leadership = new ExampleLeadership(true);
  const west = await all.join('west', { leadership });
  await all.converge('after the restart');
  leadership.set(false);
  t.true(await throughout(2 * TIMES.staleMs, () => all.member('east').phaseOf('west') !== 'stale' && west.watch.ownState !== 'isolated'));
  t.deepEqual(all.lost, []);
});
