/** Rows of the failure matrix that are about the hub. */
import test from 'ava';
import { FaultClusterset, throughout } from './fault-clusterset.ts';
import { until } from '@landbridge/lab/until.ts';
import { TIMES } from './fault-times.ts';

const degraded = (all: FaultClusterset) => (): boolean => [...all.members.values()].every(({ watch }) => watch.ownState === 'isolated');

test.serial('a hub that is killed: everything stays, nobody is judged, all say so; what was changed meanwhile is there soon after', async (t) => {
  await using all = await FaultClusterset.start();
  await all.server.kill();
  await until('all must be Degraded', degraded(all), 5 * TIMES.isolatedMs);
  all.export('west', ['west-1', 'cart', 'new']);
  t.true(await throughout(2 * TIMES.staleMs, () => [...all.members.values()].every((member) => all.others(member.cluster).every((peer) => member.phaseOf(peer) === 'ready'))), 'time without a hub does not count');
  t.deepEqual(all.lost, []);
  await all.server.boot();
  t.log(`converged ${Math.round(await all.converge('after the hub came back'))} ms after the hub came back`);
  t.deepEqual(all.lost.sort(), ['east west west-2', 'north west west-2']);
  await until('nobody is Degraded', () => [...all.members.values()].every(({ watch }) => watch.ownState === 'connected'));
  // Who comes back first misses the others for as long as they may take to connect again: 5 s, which is Stale here, and not at real times.
  await until('all are Ready', () => [...all.members.values()].every((member) => all.others(member.cluster).every((peer) => member.phaseOf(peer) === 'ready')), TIMES.holdMs + 10_000);
});

test.serial('a hub whose store was wiped: owners write everything again, and nothing vanishes anywhere', async (t) => {
  await using all = await FaultClusterset.start();
  await all.server.kill();
  await all.server.emptyStore();
  await all.server.boot();
  await until('all hear each other', () => !degraded(all)() && [...all.members.values()].every(({ watch }) => watch.ownState === 'connected'));
  // Whoever begins now finds all of it.
  await all.leave('north');
  const north = await all.join('north');
  t.log(`converged ${Math.round(await all.converge('after the wipe'))} ms after a new reader began`);
  t.true(north.isComplete('west'));
  t.deepEqual(all.lost, []);
});

test.serial('a hub with the store of yesterday: what is older is not believed, and is overwritten', async (t) => {
  await using all = await FaultClusterset.start();
  await all.server.kill();
  const yesterday = await all.server.copyStore();
  await all.server.boot();
  all.export('west', ['west-1', 'cart', 'today']);
  await all.converge('before the restore', 20_000);
  const lostBefore = all.lost.length;
  await all.server.kill();
  await yesterday.restore();
  await all.server.boot();
  await until('all hear each other', () => [...all.members.values()].every(({ watch }) => watch.ownState === 'connected'));
  await all.leave('north');
  await all.join('north');
  await all.converge('after the restore');
  t.is(all.lost.filter((each) => !each.startsWith('north')).length, lostBefore - 1, 'what north had lost went with it');
});

test.serial('a hub that is stopped and not ended: connections stay open, and still nobody is judged', async (t) => {
  await using all = await FaultClusterset.start();
  all.server.pause();
  await until('all must be Degraded', degraded(all), 5 * TIMES.isolatedMs);
  t.true(await throughout(2 * TIMES.staleMs, () => [...all.members.values()].every((member) => all.others(member.cluster).every((peer) => member.phaseOf(peer) === 'ready'))));
  all.server.resume();
  all.export('east', ['east-1', 'cart', 'later']);
  await all.converge('after the hub went on');
  t.deepEqual(all.lost.sort(), ['north east east-2', 'west east east-2']);
});
