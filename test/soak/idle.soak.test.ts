import test from 'ava';
import { holdConnections, holdPods } from './idle-run.ts';

const KIB = 1024;
/** Of each side's agent. */
const MOST_FOR_A_CONNECTION = 40 * KIB;
const MOST_FOR_A_POD = 100 * KIB;

test.serial('a connection that rests costs little on both sides', async (t) => {
  const { count, rounds } = await holdConnections(3000, 1);
  for (const [side, { before, held }] of Object.entries(rounds[0] ?? {})) t.true((held - before) / count <= MOST_FOR_A_CONNECTION, `${side}: ${((held - before) / count / KIB).toFixed(1)} KiB`);
});

test.serial('a pod that does nothing costs little', async (t) => {
  const { count, none, all } = await holdPods(50);
  t.true((all - none) / count <= MOST_FOR_A_POD, `${((all - none) / count / KIB).toFixed(1)} KiB`);
});
