/** `node test/soak/idle.ts [--connections N] [--rounds N] [--pods N]`: what connections and pods that rest cost an agent. */
import { parseArgs } from 'node:util';
import { holdConnections, holdPods } from './idle-run.ts';

/** Of each side's agent, for a connection. */
const MOST_KIB = 40;
/** Between the last two rounds: V8's young generation has its size by then. */
const MOST_GROWTH_MIB = 16;
const MIB = 2 ** 20;

const { values } = parseArgs({ options: { connections: { type: 'string', default: '10000' }, rounds: { type: 'string', default: '6' }, pods: { type: 'string', default: '100' } } });
const print = (line: string): void => void process.stdout.write(`${line}\n`);
let isFine = true;

const pods = await holdPods(Number(values.pods));
print(`an agent without pods: ${(pods.none / MIB).toFixed(1)} MiB; with ${pods.count}: ${(pods.all / MIB).toFixed(1)} MiB, ${((pods.all - pods.none) / pods.count / 1024).toFixed(1)} KiB for each`);

const { count, rounds } = await holdConnections(Number(values.connections), Number(values.rounds));
for (const [i, round] of rounds.entries()) {
  for (const side of ['client', 'server'] as const) {
    const { before, held, after } = round[side];
    const each = (held - before) / count / 1024;
    print(`round ${i + 1}, agent of the ${side}: ${(before / MIB).toFixed(1)} MiB before, ${(held / MIB).toFixed(1)} MiB with ${count} connections (${each.toFixed(1)} KiB each), ${(after / MIB).toFixed(1)} MiB after`);
    isFine &&= each <= MOST_KIB;
  }
}
const [previous, last] = [rounds.at(-2), rounds.at(-1)];
if (previous !== undefined && last !== undefined) for (const side of ['client', 'server'] as const) isFine &&= last[side].after - previous[side].after <= MOST_GROWTH_MIB * MIB;
process.exitCode = isFine ? 0 : 1;
