/**
 * `node test/soak/run.ts --bytes 100GiB`: carries so many bytes through a pair of agents, each of which is verified.
 * `node test/soak/run.ts --minutes 30`: calls of all kinds for so long, while applications and agents die; memory is watched.
 */
import { parseArgs } from 'node:util';
import { runMixed, type RssSample, slopeOf } from './mixed-run.ts';
import { runTransfers } from './transfer-run.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const LARGEST_TRANSFER = 64 * 2 ** 20;
const TELL_EVERY_MS = 30_000;
/** Between the second fifth of the time and the last one, whose medians are compared. */
const MOST_GROWTH_MIB = 16;
const USAGE = 'usage: node test/soak/run.ts --bytes N[KiB|MiB|GiB] [--connections N] | --minutes N [--callers N]\n';

const print = (line: string): void => void process.stdout.write(`${new Date().toISOString()} ${line}\n`);
const inMib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
const inGib = (bytes: number): string => (bytes / 2 ** 30).toFixed(2);

/** Calls at most so often. */
function nowAndThen<T>(tell: (value: T) => void): (value: T) => void {
  let toldAtMs = performance.now();
  return (value) => {
    if (performance.now() - toldAtMs < TELL_EVERY_MS) return;
    toldAtMs = performance.now();
    tell(value);
  };
}

async function transfers(bytes: number, connections: number): Promise<boolean> {
  const result = await runTransfers({ bytes, connections, largest: LARGEST_TRANSFER, leaveOutOf: undefined }, nowAndThen((done) => print(`${inGib(done)} GiB`)));
  print(`${inGib(result.bytes)} GiB in ${(result.durationMs / 1000).toFixed(0)} s, ${result.complete} connections complete, ${result.reset} reset`);
  print(`agents hold ${inMib(result.rssBytes.client)} and ${inMib(result.rssBytes.server)} MiB; tunnels failed: ${JSON.stringify(result.failures)}`);
  for (const fault of result.faults) print(`FAULT ${fault}`);
  return result.faults.length === 0;
}

/** The median of a fifth of the samples, in MiB. */
function medianOfFifth(samples: readonly RssSample[], fifth: number): number {
  const part = samples.slice(Math.floor((samples.length * fifth) / 5), Math.ceil((samples.length * (fifth + 1)) / 5)).map(({ bytes }) => bytes).sort((a, b) => a - b);
  return (part[part.length >> 1] ?? 0) / 2 ** 20;
}

async function mixed(minutes: number, callers: number): Promise<boolean> {
  const { counts, faultsMade, unexplained, rss, left } = await runMixed({ durationMs: minutes * 60_000, callers, faultEveryMs: 10_000 }, nowAndThen(({ complete, reset, losses, faults }) => print(`${complete} complete, ${reset} reset, ${losses.length} lost, ${faults.length} faults`)));
  print(`${counts.complete} connections complete with ${inGib(counts.bytes)} GiB to the callers, ${counts.reset} reset, ${counts.losses.length} lost to ${faultsMade} faults, ${unexplained.length} of them without a reason`);
  for (const fault of counts.faults) print(`FAULT ${fault}`);
  for (const { text } of unexplained) print(`LOST ${text}`);
  let isFine = counts.faults.length + unexplained.length === 0;
  for (const side of ['client', 'server'] as const) {
    const samples = rss[side];
    const [early, late] = [medianOfFifth(samples, 1), medianOfFifth(samples, 4)];
    const { filesBefore, filesAfter, connections, sessions, handshakes } = left[side];
    print(`agent of the ${side}: ${early.toFixed(1)} MiB early, ${late.toFixed(1)} MiB late, ${slopeOf(samples.slice(samples.length / 3)).toFixed(1)} MiB an hour; ${filesBefore} files before, ${filesAfter} after; ${connections} connections, ${sessions} sessions, ${handshakes} handshakes left`);
    isFine &&= late - early <= MOST_GROWTH_MIB && filesAfter <= filesBefore && connections + sessions + handshakes === 0;
  }
  return isFine;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { bytes: { type: 'string' }, minutes: { type: 'string' }, connections: { type: 'string', default: '16' }, callers: { type: 'string', default: '32' } } });
  const [, number, unit] = /^(\d+)([KMG]iB)?$/.exec(values.bytes ?? '') ?? [];
  if (number !== undefined) return (await transfers(Number(number) * (UNITS[unit ?? ''] ?? 1), Number(values.connections))) ? 0 : 1;
  if (Number(values.minutes) > 0) return (await mixed(Number(values.minutes), Number(values.callers))) ? 0 : 1;
  process.stderr.write(USAGE);
  return 64;
}

process.exitCode = await main();
