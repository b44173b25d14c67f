/** Rows of the failure matrix that are about the way between a cluster and the hub. */
import test from 'ava';
import { FaultClusterset } from './fault-clusterset.ts';
import { until } from '@landbridge/lab/until.ts';
import { TIMES } from './fault-times.ts';

const STALE_MS = TIMES.staleMs + 5000;

test.serial('a cluster that is cut off: the others keep what it exports and call it Stale, it keeps theirs and judges nobody', async (t) => {
  await using all = await FaultClusterset.start();
  const [east, west] = [all.member('east'), all.member('west')];
  all.link('west').cut();
  await until('east calls it Suspect', () => east.phaseOf('west') === 'suspect', STALE_MS);
  await until('east calls it Stale', () => east.phaseOf('west') === 'stale', STALE_MS);
  t.deepEqual([east.phaseOf('north'), east.watch.standingOf('west'), east.watch.standingOf('north')], ['ready', 'last', 'first']);
  t.deepEqual([west.watch.ownState, west.phaseOf('east'), west.phaseOf('north')], ['isolated', 'ready', 'ready']);
  // Both sides go on.
  all.export('west', ['west-1', 'cart', 'west-3']);
  all.export('east', ['east-1', 'cart', 'east-3']);
  await until('north hears of east', () => all.member('north').exportsOf('east').includes('east-3'));
  t.deepEqual(east.exportsOf('west'), ['cart', 'west-1', 'west-2']);
  t.deepEqual(west.exportsOf('east'), ['cart', 'east-1', 'east-2']);
  all.link('west').mend();
  t.log(`converged ${Math.round(await all.converge('after it healed'))} ms after it healed`);
  await until('it is Ready again', () => east.phaseOf('west') === 'ready', TIMES.holdMs + 10_000);
  t.deepEqual(all.lost.sort(), ['east west west-2', 'north east east-2', 'north west west-2', 'west east east-2']);
});

for (const [direction, what] of [['back', 'hears nothing'], ['there', 'is not heard']] as const) {
  test.serial(`a way that works in one direction, so that the cluster ${what}: it judges nobody, the others judge it if they do not hear it`, async (t) => {
    await using all = await FaultClusterset.start();
    const [east, west] = [all.member('east'), all.member('west')];
    all.link('west').hold(direction);
    await until('it knows that it is isolated', () => west.watch.ownState === 'isolated', STALE_MS);
    if (direction === 'there') await until('the others call it Stale', () => east.phaseOf('west') === 'stale', STALE_MS);
    t.deepEqual([west.phaseOf('east'), west.phaseOf('north'), all.lost], ['ready', 'ready', []]);
    all.export('east', ['east-1', 'east-2', 'cart', 'east-3']);
    all.export('west', ['west-1', 'west-2', 'cart', 'west-3']);
    all.link('west').mend();
    t.log(`converged ${Math.round(await all.converge('after it healed'))} ms after it healed`);
    await until('all are Ready', () => [...all.members.values()].every((member) => all.others(member.cluster).every((peer) => member.phaseOf(peer) === 'ready')), TIMES.holdMs + 10_000);
    t.deepEqual(all.lost, []);
  });
}

test.serial('a way that flaps: what is said of the cluster changes no more often than it may, and nothing vanishes', async (t) => {
  await using all = await FaultClusterset.start();
  const startMs = performance.now();
  const link = all.link('west');
  // As 2 s up and 2 s down are to beats of 5 s, and for eight times as long as two changes are apart.
  while (performance.now() - startMs < 8 * TIMES.holdMs) {
    link.cut();
    await new Promise((resolve) => setTimeout(resolve, 100));
    link.mend();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const elapsedMs = performance.now() - startMs;
  for (const { cluster, phases } of all.members.values()) {
    const changes = phases.filter((each) => each.startsWith('west ')).length - 1;
    t.true(changes <= elapsedMs / TIMES.holdMs + 1, `${cluster}: ${phases.join(', ')}`);
  }
  await all.converge('after the last time');
  t.deepEqual(all.lost, []);
});

test.serial('a slow, uneven and lossy way: 300 ms and up to 100 more or less in each direction, and one piece in twenty sent twice, change nothing but the time that it takes', async (t) => {
  await using all = await FaultClusterset.start();
  // What is lost of a connection is sent again, and holds up what comes after it.
  all.link('west').delay(() => 200 + Math.random() * 200 + (Math.random() < 0.05 ? 600 : 0));
  const tookMs: number[] = [];
  for (const round of [1, 2, 3, 4, 5]) {
    all.export('west', ['west-1', 'cart', `round-${round}`]);
    tookMs.push(await all.converge(`round ${round}`, 5000));
  }
  t.log(`seen after ${tookMs.map((each) => Math.round(each)).join(', ')} ms`);
  t.deepEqual([...new Set(all.members.get('east')?.phases)].filter((each) => each.endsWith('stale')), []);
});
