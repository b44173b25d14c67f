/** Cases F4, F5 and F6: partitions, ways that flap, and ways that are slow and lose packets, as TCP of the kernel meets them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@landbridge/lab/until.ts';
import { throughout } from './fault-clusterset.ts';
import { CONVERGED_MS, REAL_TIMES } from './fault-times.ts';
import { quantile } from '../quantile.ts';
import { type FormOptions, seconds } from './forms.ts';
import { PacketClusterset } from './packet-clusterset.ts';
import { NOTHING_PASSES } from './packet-way.ts';

/** In each direction. */
const SLOW = { delayMs: 300, jitterMs: 100, loss: 0.05, reorder: 0.01, duplicate: 0.01 };
/** For all but one in a hundred changes. */
const SLOW_SEEN_MS = 5000;
const SEEN_WITHIN_MS = 60_000;
/** Until it is said of a cluster that it is away. */
const SAID_MS = 30_000;
const FLAP_MS = 2000;
const MINUTE_MS = 60_000;

export async function slowWay({ minutes, print }: FormOptions): Promise<readonly string[]> {
  await using all = await PacketClusterset.start();
  const { set } = all;
  await all.way('west', { there: SLOW, back: SLOW });
  const tookMs: number[] = [];
  const startMs = performance.now();
  while (performance.now() - startMs < minutes * MINUTE_MS) {
    set.export('west', [...(set.wanted.get('west') ?? []), `round-${tookMs.length}`]);
    tookMs.push(await set.converge(`round ${tookMs.length}`, SEEN_WITHIN_MS));
  }
  const carried = await all.way('west', {});
  const [p50, p99] = [quantile(tookMs, 0.5), quantile(tookMs, 0.99)];
  print(`300 ms ± 100 and 5 % loss in each direction: ${tookMs.length} changes in ${minutes} min were seen by all after ${seconds(p50)} (p50), ${seconds(p99)} (p99), ${seconds(Math.max(...tookMs))} at most; of ${carried.packets} packets ${carried.lost} were lost, ${carried.doubled} doubled, ${carried.early} out of order`);
  const faults = p99 <= SLOW_SEEN_MS ? [] : [`p99 is ${seconds(p99)}, more than ${seconds(SLOW_SEEN_MS)}`];
  await set.converge('when the way is good again');
  return [...faults, ...set.lost.map((each) => `lost: ${each}`)];
}

export async function partitions({ minutes, print }: FormOptions): Promise<readonly string[]> {
  const faults: string[] = [];
  const kinds = [['in both directions', { there: NOTHING_PASSES, back: NOTHING_PASSES }], ['from the cluster to the hub', { there: NOTHING_PASSES }], ['from the hub to the cluster', { back: NOTHING_PASSES }]] as const;
  for (const [what, profiles] of kinds) {
    await using all = await PacketClusterset.start();
    const { set } = all;
    const [east, west] = [set.member('east'), set.member('west')];
    const cutMs = performance.now();
    await all.way('west', profiles);
    await until('it knows that it is isolated', () => west.watch.ownState === 'isolated', SAID_MS);
    const isolatedMs = performance.now() - cutMs;
    await until('the others suspect it', () => east.phaseOf('west') !== 'ready', SAID_MS);
    const suspectedMs = performance.now() - cutMs;
    set.export('west', ['west-1', 'west-2', 'cart', 'west-3']);
    set.export('east', ['east-1', 'east-2', 'cart', 'east-3']);
    const isQuiet = await throughout(Math.max(0, (minutes / kinds.length) * MINUTE_MS - suspectedMs), () => west.phaseOf('east') === 'ready' && west.phaseOf('north') === 'ready');
    if (!isQuiet) faults.push(`${what}: the one that hears nobody judged others`);
    if (set.lost.length > 0) faults.push(`${what}, lost before it healed: ${set.lost.join(', ')}`);
    await all.way('west', {});
    const healedMs = await set.converge(`${what}, after it healed`, SEEN_WITHIN_MS);
    print(`nothing passes ${what} for ${seconds(performance.now() - cutMs - healedMs)}: it calls itself isolated after ${seconds(isolatedMs)}, others suspect it after ${seconds(suspectedMs)}; all agree ${seconds(healedMs)} after it healed`);
    if (healedMs > CONVERGED_MS) faults.push(`${what}: converged ${seconds(healedMs)} after it healed`);
    if (set.lost.length > 0) faults.push(`${what}, lost: ${set.lost.join(', ')}`);
  }
  return faults;
}

export async function flapping({ minutes, print }: FormOptions): Promise<readonly string[]> {
  await using all = await PacketClusterset.start();
  const { set } = all;
  const before = await all.way('west', {});
  const startMs = performance.now();
  let flaps = 0;
  while (performance.now() - startMs < minutes * MINUTE_MS) {
    await all.way('west', { there: NOTHING_PASSES, back: NOTHING_PASSES });
    await sleep(FLAP_MS);
    await all.way('west', {});
    set.export('west', [...(set.wanted.get('west') ?? []), `flap-${flaps}`]);
    flaps += 1;
    await sleep(FLAP_MS);
  }
  const elapsedMs = performance.now() - startMs;
  const healedMs = await set.converge('after the last time', SEEN_WITHIN_MS);
  const dials = (await all.way('west', {})).dials - before.dials;
  const faults: string[] = [];
  const changes = [...set.members.values()].map(({ cluster, phases }) => ({ cluster, phases: phases.filter((each) => each.startsWith('west ')).slice(1) }));
  for (const { cluster, phases } of changes) if (phases.length > elapsedMs / REAL_TIMES.peers.holdMs + 1) faults.push(`${cluster} said too often something else of it: ${phases.join(', ')}`);
  if (healedMs > CONVERGED_MS) faults.push(`converged ${seconds(healedMs)} after the last time`);
  // Twice as many as there were times at which the way was good again.
  if (dials > 2 * flaps + 5) faults.push(`${dials} dials in ${flaps} times`);
  faults.push(...set.lost.map((each) => `lost: ${each}`));
  print(`${flaps} times nothing passed for 2 s: ${dials} dials, ${changes.map(({ cluster, phases }) => `${cluster} said ${phases.length} times something else of it`).join(', ')}; all agree ${seconds(healedMs)} after the last time`);
  return faults;
}
