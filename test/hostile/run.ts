/**
 * `node test/hostile/run.ts flood [--per-second 10000] [--seconds 60]`: a member that writes that fast (M7).
 * `node test/hostile/run.ts operator [--seconds 60]`: an operator who drops, replays, reorders and injects (M15).
 */
import { parseArgs } from 'node:util';
import { floodText, runFlood } from './flood-run.ts';
import { runOperator } from './operator-run.ts';

/** Until it is said of a member that it writes too much. */
const NAMED_MS = 5000;
const USAGE = 'usage: node test/hostile/run.ts flood [--per-second N] [--seconds N] | operator [--seconds N]\n';

const print = (line: string): void => void process.stdout.write(`${new Date().toISOString()} ${line}\n`);

async function flood(perSecond: number, seconds: number): Promise<readonly string[]> {
  const result = await runFlood({ perSecond, durationMs: seconds * 1000 });
  print(`flood of ${perSecond} records a second: ${floodText(result)}`);
  const faults: string[] = [];
  if (result.throttled.join() !== 'mallory') faults.push(`these wait: ${result.throttled.join()}`);
  if (result.namedMs > NAMED_MS) faults.push(`named after ${Math.round(result.namedMs)} ms`);
  if (result.imports.join() !== 'shop/cart,shop/last-word') faults.push(`imported in the end: ${result.imports.join()}`);
  return faults;
}

async function operator(seconds: number): Promise<readonly string[]> {
  const { changes, dropped, replayed, injected, recoveredMs, faults } = await runOperator({ durationMs: seconds * 1000 });
  print(`operator for ${seconds} s: ${dropped} subjects emptied, ${replayed} old records replayed, ${injected} others injected, during ${changes} changes; all as its owner wants it ${Math.round(recoveredMs)} ms after the end`);
  return faults;
}

async function main(): Promise<number> {
  const { values, positionals: [form] } = parseArgs({ allowPositionals: true, options: { 'per-second': { type: 'string', default: '10000' }, seconds: { type: 'string', default: '60' } } });
  const [perSecond, seconds] = [Number(values['per-second']), Number(values.seconds)];
  if ((form !== 'flood' && form !== 'operator') || !(perSecond > 0) || !(seconds > 0)) {
    process.stderr.write(USAGE);
    return 64;
  }
  const faults = form === 'flood' ? await flood(perSecond, seconds) : await operator(seconds);
  for (const fault of faults) print(`FAULT ${fault}`);
  return faults.length === 0 ? 0 : 1;
}

process.exitCode = await main();
