import type { Case, Metric } from './cases.ts';
import { type Findings, findingsOf, type Load } from './load.ts';
import type { Address, RunningPath } from './path.ts';
import { onSide, type Topology } from './topology.ts';
import { median } from './statistics.ts';
import { cpuSecondsOf, rssKiBOf } from './processes.ts';

/** One look at one path: a number for each metric of its case. */
export interface Sample {
  readonly values: Readonly<Partial<Record<Metric['name'], number>>>;
  /** CPU seconds of the proxies for each unit of work. */
  readonly cpuSeconds: number;
  readonly rssKiB: number;
  /** Share of the machine that others took meanwhile, 0 to 1; NaN where that is not known. */
  readonly foreign: number;
}

export interface Measuring {
  readonly load: Load;
  readonly topology: Topology;
  /** Does nothing but handshakes. */
  readonly handshakes: () => readonly string[];
  readonly certificates: string;
  readonly processors: number;
  readonly signal: AbortSignal;
}

const GIB = 1024 ** 3;
/** Restarts for one sample: a single one says little. */
const FIRST_BYTES = 3;
/** Some handshakes. */
const FIRST_SECONDS = 0.05;

/** Measures a case once. @throws LandbridgeError where the path does not do what it is for */
export async function measure(one: Case, path: RunningPath, seconds: number, warmSeconds: number, on: Measuring): Promise<Sample> {
  const { load, signal } = on;
  const common = { target: path.clientAddress, processes: path.processes, seconds, warmSeconds, signal };
  switch (one.kind) {
    case 'bulk': {
      const found = await load.run(one.direction, { ...common, connections: one.connections });
      const gib = number(found, 'bytes') / GIB;
      const cpu = number(found, 'proxyCpuSeconds') / gib;
      return sample(found, on, { rate: number(found, 'rate') / GIB, cpu }, cpu);
    }
    case 'requests':
    case 'connections': {
      const found = one.kind === 'requests' ? await load.run('requests', { ...common, connections: one.connections, bytes: one.bytes }) : await load.run('connections', { ...common, connections: one.connections });
      const cpu = number(found, 'proxyCpuSeconds') / number(found, 'count');
      // Without an answer there is no latency, rather than one of 0.
      const latency = number(found, 'count') === 0 ? {} : { p50: number(found, 'p50Us'), p99: number(found, 'p99Us') };
      return sample(found, on, { rate: number(found, 'rate'), ...latency, cpu: cpu * 1e6 }, cpu);
    }
    case 'handshakes':
      return await handshakes(one.connections, path, seconds, warmSeconds, on);
    case 'first-byte':
      return await firstByte(path, on);
    case 'idle': {
      const found = await load.run('idle', { ...common, connections: one.connections });
      const kib = number(found, 'rssAfterKiB') - number(found, 'rssBeforeKiB');
      const cpu = number(found, 'proxyCpuSeconds') / number(found, 'seconds');
      return sample(found, on, { memory: kib / one.connections, cpu: cpu * 100 }, cpu);
    }
    default:
      return one satisfies never;
  }
}

function sample(found: Findings, { processors }: Measuring, values: Sample['values'], cpuSeconds: number): Sample {
  const rssKiB = number(found, 'rssKiB');
  const foreign = number(found, 'foreignCpuSeconds') / (number(found, 'seconds') * processors);
  return { values: { ...values, rss: rssKiB / 1024 }, cpuSeconds, rssKiB, foreign: Math.max(0, foreign) };
}

/** The server's end alone, by one client for all, so that a fast or slow client of its own does not count. */
async function handshakes(connections: number, path: RunningPath, seconds: number, warmSeconds: number, on: Measuring): Promise<Sample> {
  const { tunnelAddress, processes } = path;
  if (tunnelAddress === undefined) return { values: {}, cpuSeconds: Number.NaN, rssKiB: Number.NaN, foreign: Number.NaN };
  const before = cpuSecondsOf(processes);
  const found = await shakeHands(tunnelAddress, connections, seconds, warmSeconds, on);
  const cpu = (cpuSecondsOf(processes) - before) / number(found, 'total');
  const rssKiB = rssKiBOf(processes);
  return { values: { rate: number(found, 'rate'), cpu: cpu * 1e6, rss: rssKiB / 1024 }, cpuSeconds: cpu, rssKiB, foreign: Number.NaN };
}

async function shakeHands({ ip, port }: Address, connections: number, seconds: number, warmSeconds: number, { topology, handshakes: program, certificates, signal }: Measuring): Promise<Findings> {
  const options = { '--peer': `${ip}:${port}`, '--certs': certificates, '--connections': connections, '--seconds': seconds, '--warm': warmSeconds };
  return await findingsOf(onSide(topology.client, 'load', [...program(), ...Object.entries(options).flatMap(([name, value]) => [name, String(value)])]), (seconds + warmSeconds) * 1000, signal);
}

/** From connect() to the first byte back, when the tunnel must be made first. */
async function firstByte(path: RunningPath, on: Measuring): Promise<Sample> {
  const { load, signal } = on;
  const times: number[] = [];
  for (let i = 0; i < FIRST_BYTES; i++) {
    await path.restartServer?.();
    // What a process does once in its life is not what a tunnel costs: somebody else has been there before.
    if (path.tunnelAddress !== undefined) await shakeHands(path.tunnelAddress, 1, FIRST_SECONDS, 0, on);
    times.push(number(await load.run('first', { target: path.clientAddress, signal }), 'us') / 1000);
  }
  return { values: { time: median(times) }, cpuSeconds: Number.NaN, rssKiB: rssKiBOf(path.processes), foreign: Number.NaN };
}

function number(found: Findings, name: string): number {
  return found[name] ?? Number.NaN;
}
