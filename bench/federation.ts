/**
 * What the federation service of one member costs where many others share many services: time until all is known and told, and
 * until all of it is written, memory, stalls, how soon a change reaches an agent, and what the hub costs at rest. The hub is a
 * real nats-server, the API server a real one, and the other members publish what members publish. How far it has come is told
 * by lines on standard error. Usage: node bench/federation.ts [--quick] [--json FILE] [--profile DIRECTORY] [--seconds OF_CHANGES] [TIMES…]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { kubeConfigAccess } from '@landbridge/federation/kubernetes/kube-config-access.ts';
import type { HubCredentials } from '@landbridge/federation/join/credentials.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import { buildTools, toolPath } from '@landbridge/lab/tools.ts';
import { now } from './control-plane/clock.ts';
import { follow } from './control-plane/follow.ts';
import { asInTheChart, asInTheImage, BenchProcess } from './control-plane/process.ts';
import type { Changed } from './federation/members.ts';
import type { Row } from './federation/picture.ts';
import { memoryMiB, processorSeconds } from './federation/processor.ts';
import type { AccessFile } from './federation/service.ts';
import { HOME, type MeshSize, NAMESPACES, SERVICE_RANGE } from './federation/shared-services.ts';
import { Told } from './federation/told.ts';

const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { quick: { type: 'boolean', default: false }, json: { type: 'string' }, profile: { type: 'string' }, seconds: { type: 'string' } } });
const SIZE: MeshSize = options.quick ? { members: 8, services: 200, endpoints: 10_000 } : { members: 64, services: 2000, endpoints: 100_000 };
const RATE = options.quick ? { perSecond: 200, seconds: 20 } : { perSecond: 1000, seconds: 600 };
const CHANGES = { perSecond: RATE.perSecond, count: RATE.perSecond * (options.seconds === undefined ? RATE.seconds : Number(options.seconds)) };
/** Made before anything is timed. */
const SERVICE = asInTheImage('bench/federation/service.ts');
const IDLE_MS = options.quick ? 20_000 : 60_000;
const PART_MS = 3_600_000;
const PROGRESS_MS = 5000;
/** After changes the last ones have to come within this time. */
const DRAIN_MS = 120_000;
const profiling: readonly string[] = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];

interface Report {
  readonly ms: number;
  readonly cpuMs: number;
  readonly stallP99Ms: number;
  readonly stallMaxMs: number;
}

/** Bytes that a process has sent to a port and received from it, headers apart. */
function traffic(pid: number, port: number): number {
  const lines = execFileSync('ss', ['-tinpHO', 'dst', `127.0.0.1:${port}`], { encoding: 'utf8' }).split('\n').filter((line) => line.includes(`pid=${pid},`));
  const count = (name: string): number => lines.reduce((sum, line) => sum + Number(new RegExp(`${name}:([0-9]+)`).exec(line)?.[1] ?? 0), 0);
  return count('bytes_acked') + count('bytes_received');
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function measure(factor: number): Promise<readonly Row[]> {
  const size: MeshSize = { members: SIZE.members, services: SIZE.services * factor, endpoints: SIZE.endpoints * factor };
  const stop = new AbortController();
  const signal = AbortSignal.any([AbortSignal.timeout(PART_MS), stop.signal]);
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-bench-'));
  using _directory = { [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) };
  await using api = await TestApiServer.start(SERVICE_RANGE);
  for (let i = 0; i < NAMESPACES; i++) await api.create('/api/v1/namespaces', { metadata: { name: `team-${i}` } });
  const access = path.join(directory, 'access.json');
  const { server, roots: serverRoots, certificate } = kubeConfigAccess(api.config, 'bench/1');
  const file: AccessFile = { server: server.href, roots: String(serverRoots()), certificate: { cert: String(certificate?.cert), key: String(certificate?.key) } };
  writeFileSync(access, JSON.stringify(file), { mode: 0o600 });
  using members = new BenchProcess('../federation/members.ts', [size.members, size.services, size.endpoints].map(String));
  const { credentials, records } = await members.next<{ credentials: HubCredentials; records: number }>(signal);
  say(`${size.members} members have published ${records} records`);

  const startedMs = now();
  using service = new BenchProcess(SERVICE, [access, String(size.endpoints + size.services)], asInTheChart(factor, ...profiling));
  service.send(credentials);
  const { pid, port, roots } = await service.next<{ pid: number; port: number; roots: string }>(signal);
  const told = new Told();
  const processors = new Map([[process.pid, 'follower'], [pid, 'service'], [members.pid, 'members']]);
  const seconds = (program: string): number => processorSeconds(processors).get(program) ?? 0;
  /** Of the API server and its storage. */
  const apiSeconds = (): number => seconds('kube-apiserver') + seconds('etcd');
  const slices = async (): Promise<number> => await api.count('/apis/discovery.k8s.io/v1/endpointslices').catch(() => Number.NaN);
  const progress = async (): Promise<void> => {
    while (!signal.aborted) {
      const used = [...processorSeconds(processors)].filter(([, spent]) => spent >= 1).map(([name, spent]) => `${name} ${Math.round(spent)}`).join(', ');
      const changes = told.changes === 0 ? '' : `, ${told.changes} changes, ${told.underWay} under way, p50 ${Math.round(told.latency(0.5, { since: true }))} ms, p99 ${Math.round(told.latency(0.99, { since: true }))} ms`;
      told.mark();
      say(`${Math.round((now() - startedMs) / 1000)} s: told ${told.workloads} endpoints, ${told.services} services, ${told.addressed} with an address; ${await slices()} slices; ${Math.round(memoryMiB(pid).now)} MiB; processor ${used} s; load ${loadavg()[0]?.toFixed(1)}${changes}`);
      await sleep(PROGRESS_MS, undefined, { signal });
    }
  };
  // Before the service ends, of which it tells.
  using _progress = { [Symbol.dispose]: () => stop.abort() };
  progress().catch((thrown: unknown) => {
    if (!signal.aborted) say(`no progress can be told: ${String(thrown)}`);
  });
  const untilTold = async (isEnough: () => boolean): Promise<number> => {
    while (!isEnough()) await sleep(50, undefined, { signal });
    return now() - startedMs;
  };
  const following = follow(port, roots, (name, atMs, bytes) => told.take(name, atMs, bytes));
  const synced = await service.next<Report>(signal);
  const [syncedApi, syncedLoad] = [apiSeconds(), loadavg()[0] ?? 0];
  say(`all known: ${JSON.stringify(synced)}`);
  using _following = await following;
  const toldMs = await untilTold(() => told.workloads >= size.endpoints && told.services >= size.services);
  const addressedMs = await untilTold(() => told.addressed >= size.services);
  say(`all services have an address after ${Math.round(addressedMs)} ms`);
  let toWrite: number;
  do {
    await sleep(1000, undefined, { signal });
    service.send('waiting');
    ({ toWrite } = await service.next<{ toWrite: number }>(signal));
  } while (toWrite > 0 || (await slices()) < size.services * 2);
  const writtenMs = now() - startedMs;
  service.send('report');
  const written = await service.next<Report>(signal);
  const writtenApi = apiSeconds();
  const memory = memoryMiB(pid);
  say(`all written: ${JSON.stringify({ writtenMs, ...written })}`);

  const hubPort = Number(new URL(credentials.urls[0] ?? '').port);
  const before = traffic(pid, hubPort);
  await sleep(IDLE_MS, undefined, { signal });
  const idleBytes = (traffic(pid, hubPort) - before) * (60_000 / IDLE_MS);

  members.on((changed: readonly Changed[]) => {
    for (const { uid, address, atMs } of changed) told.sent(uid, address, atMs);
  });
  service.send('reset');
  const [serviceBefore, apiBefore, changesMs] = [seconds('service'), apiSeconds(), now()];
  members.send(CHANGES);
  while (told.changes < CHANGES.count && now() - changesMs < 2 * (CHANGES.count / CHANGES.perSecond) * 1000) await sleep(20, undefined, { signal });
  const [madeMs, left, made] = [now() - changesMs, told.underWay, told.changes];
  while (told.underWay > 0 && now() - changesMs - madeMs < DRAIN_MS) await sleep(20, undefined, { signal });
  const drainedMs = now() - changesMs - madeMs;
  service.send('changed');
  const changed = await service.next<Report>(signal);
  const name = `${size.members} members, ${size.services} services, ${size.endpoints} endpoints`;
  const row = (what: string, value: number, unit: string): Row => ({ path: name, case: what, value: Math.round(value * 10) / 10, unit });
  return [
    row('all known and told', synced.ms / 1000, 's'),
    row('an agent has it', toldMs / 1000, 's'),
    row('processor until told: service', synced.cpuMs / 1000, 's'),
    row('processor until told: API server and etcd', syncedApi, 's'),
    row('stalls until told, p99', synced.stallP99Ms, 'ms'),
    row('longest stall until told', synced.stallMaxMs, 'ms'),
    row('load average when told', syncedLoad, ''),
    row('all services have an address', addressedMs / 1000, 's'),
    row('all objects written', writtenMs / 1000, 's'),
    row('processor until written: service', written.cpuMs / 1000, 's'),
    row('processor until written: API server and etcd', writtenApi, 's'),
    row('stalls until written, p99', written.stallP99Ms, 'ms'),
    row('longest stall until written', written.stallMaxMs, 'ms'),
    row('memory, all written', memory.now, 'MiB'),
    row('memory until then, at most', memory.most, 'MiB'),
    row('traffic with the hub at rest', idleBytes / 1024, 'KiB/min'),
    row('changes made', made, ''),
    row('changes made in a second', made / (madeMs / 1000), ''),
    row('a change to an agent, p50', told.latency(0.5), 'ms'),
    row('a change to an agent, p99', told.latency(0.99), 'ms'),
    row('most changes under way', told.mostUnderWay, ''),
    row('changes under way when the last was made', left, ''),
    row('until the last of them is told', drainedMs / 1000, 's'),
    row('changes that were never told', told.underWay, ''),
    row('processor for a change: service', changed.cpuMs / made, 'ms'),
    row('processor under changes: service', (100 * (seconds('service') - serviceBefore)) / ((madeMs + drainedMs) / 1000), '%'),
    row('processor under changes: API server and etcd', (100 * (apiSeconds() - apiBefore)) / ((madeMs + drainedMs) / 1000), '%'),
    row('stalls under changes, p99', changed.stallP99Ms, 'ms'),
    row('longest stall under changes', changed.stallMaxMs, 'ms'),
    row('memory after changes', memoryMiB(pid).now, 'MiB'),
    row('memory, at most', memoryMiB(pid).most, 'MiB'),
    row('load average at the end', loadavg()[0] ?? 0, ''),
  ];
}

await buildTools(new AbortController().signal);
process.env['LANDBRIDGE_NATS_SERVER'] ??= toolPath('nats-server');
const rows: Row[] = [];
for (const factor of positionals.length > 0 ? positionals.map(Number) : [1]) rows.push(...(await measure(factor)));
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, undefined, 2)}\n`);
process.stdout.write(`What the federation service of cluster ${HOME} costs.\n\n| mesh | what | |\n|---|---|---|\n${rows.map((row) => `| ${row.path} | ${row.case} | ${row.value} ${row.unit} |`).join('\n')}\n`);
