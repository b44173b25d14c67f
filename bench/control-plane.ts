/**
 * What the federation service costs in a large cluster, and an agent that follows all of it: time until everything is
 * known and told, memory, stalls of the event loop, and how soon a change of a pod reaches an agent. Each part is a process
 * of its own. Usage: node bench/control-plane.ts [--kubernetes] [SERVICES [TIMES…]], such as 10000 1 2 4
 * The API server is one that only serves objects; with --kubernetes a real one, with etcd, a controller and kwok.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { percentile } from './control-plane/clock.ts';
import { follow } from './control-plane/follow.ts';
import { PODS_PER_SERVICE } from './control-plane/mesh-objects.ts';
import { asInTheChart, asInTheImage, BenchProcess } from './control-plane/process.ts';

const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { kubernetes: { type: 'boolean', default: false } } });
const [base = 10_000, ...times] = positionals.map(Number);
const CHANGES = { perSecond: 200, count: 2000 };
const PART_MS = options.kubernetes ? 1_800_000 : 600_000;
const SETTLE_MS = 3000;
const SERVICE = asInTheImage('bench/control-plane/service.ts');

interface Report {
  readonly what: string;
  readonly ms: number;
  readonly rssMiB: number;
  readonly heapMiB: number;
  readonly cpuMs: number;
  readonly stallP99Ms: number;
  readonly stallMaxMs: number;
}

async function measure(services: number): Promise<readonly string[]> {
  const signal = AbortSignal.timeout(PART_MS);
  using objects = new BenchProcess(options.kubernetes ? 'kubernetes-server.ts' : 'object-server.ts', [String(services)]);
  const { server, roots } = await objects.next<{ server: string; roots: string }>(signal);
  using service = new BenchProcess(SERVICE, [server, roots, String(services * (PODS_PER_SERVICE + 1))], asInTheChart(services / 10_000));
  const { port, roots: serviceRoots } = await service.next<{ port: number; roots: string }>(signal);
  const synced = await service.next<Report>(signal);
  await sleep(SETTLE_MS, undefined, { signal });
  const sent = new Map<string, number>();
  const latencies: number[] = [];
  const seen = new Map<string, number>();
  const written = new Map<string, number>();
  const told = new Map<string, number>();
  service.send('reset');
  using _follow = await follow(port, serviceRoots, (name, atMs) => {
    const sentMs = sent.get(name);
    if (sentMs === undefined) return;
    latencies.push(atMs - sentMs);
    if (!told.has(name)) told.set(name, atMs);
    sent.delete(name);
  });
  service.send('told');
  const all = await service.next<Report>(signal);
  service.send('reset');
  objects.on((message: { changed: string; atMs: number } | { written: string; atMs: number } | { seen: string; atMs: number }) => {
    if ('seen' in message) return void seen.set(message.seen, seen.get(message.seen) ?? message.atMs);
    if ('written' in message) written.set(message.written, written.get(message.written) ?? message.atMs);
    // A pod that changes again before it was told is told once.
    else if (!sent.has(message.changed)) sent.set(message.changed, message.atMs);
  });
  objects.send(CHANGES);
  await sleep((CHANGES.count / CHANGES.perSecond) * 1000 + SETTLE_MS, undefined, { signal });
  service.send('changed');
  const changed = await service.next<Report>(signal);
  using agent = new BenchProcess('agent.ts', [`https://localhost:${port}`, serviceRoots]);
  const { ms: agentMs } = await agent.next<{ ms: number }>(signal);
  await sleep(SETTLE_MS, undefined, { signal });
  agent.send('report');
  const { rssMiB, beforeMiB, workloads } = await agent.next<{ rssMiB: number; beforeMiB: number; workloads: number }>(signal);
  latencies.sort((a, b) => a - b);
  // A watch may be ahead of the answer.
  const since = (known: ReadonlyMap<string, number>): readonly number[] => [...told].flatMap(([name, atMs]) => (known.has(name) ? [Math.max(0, atMs - (known.get(name) ?? 0))] : [])).sort((a, b) => a - b);
  process.stderr.write(`${services} services: ${latencies.length} changes told, ${workloads} workloads at the agent\n`);
  const one = (value: number): string => value.toFixed(1);
  return [
    `${services} / ${services * PODS_PER_SERVICE}`,
    `${one(synced.ms / 1000)} s, ${one(synced.cpuMs / 1000)} s`,
    `${Math.round(changed.rssMiB)} MiB`,
    `${one(synced.stallP99Ms)} / ${one(synced.stallMaxMs)} ms`,
    `${one(all.stallMaxMs)} ms`,
    `${one(changed.stallP99Ms)} / ${one(changed.stallMaxMs)} ms`,
    `${((changed.cpuMs / CHANGES.count)).toFixed(2)} ms`,
    `${one(percentile(latencies, 0.5))} / ${one(percentile(latencies, 0.99))} ms`,
    ...[since(written), since(seen)].map((ms) => (ms.length === 0 ? 'none' : `${one(percentile(ms, 0.5))} / ${one(percentile(ms, 0.99))} ms`)),
    `${one(agentMs / 1000)} s`,
    `${Math.round(rssMiB)} MiB, ${Math.round(rssMiB - beforeMiB)}`,
  ];
}

const HEAD = ['Services / pods', 'known and told: time, processor', 'memory', 'stalls until then, p99 / longest', 'longest stall while an agent is told all', `stalls at ${CHANGES.perSecond} changes/s`, 'processor for a change', 'change of a pod to an agent, p50 / p99', 'of it after the API server has answered, p50 / p99', 'of it after another watch has told, p50 / p99', 'an agent knows all', 'with which it takes; more than before'];
process.stdout.write(`| ${HEAD.join(' | ')} |\n|${'---|'.repeat(HEAD.length)}\n`);
for (const factor of times.length > 0 ? times : [1, 2, 4]) process.stdout.write(`| ${(await measure(base * factor)).join(' | ')} |\n`);
