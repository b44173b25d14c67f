/**
 * What the federation service of one member costs where many others share many services: time until all is known and told,
 * memory, stalls, how soon a change reaches an agent, and what the hub costs at rest. The hub is a real nats-server, the API server
 * a real one, and the other members publish what members publish. Usage: node bench/federation.ts [--quick] [--json FILE] [--profile DIRECTORY] [--seconds OF_CHANGES] [TIMES…]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { HubCredentials } from '@landbridge/federation/join/credentials.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import { buildTools, toolPath } from '@landbridge/lab/tools.ts';
import { now, percentile } from './control-plane/clock.ts';
import { follow } from './control-plane/follow.ts';
import { BenchProcess } from './control-plane/process.ts';
import { HOME, type MeshSize, NAMESPACES } from './federation/shared-services.ts';

const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { quick: { type: 'boolean', default: false }, json: { type: 'string' }, profile: { type: 'string' }, seconds: { type: 'string' } } });
const SIZE: MeshSize = options.quick ? { members: 8, services: 200, endpoints: 10_000 } : { members: 64, services: 2000, endpoints: 100_000 };
const RATE = options.quick ? { perSecond: 200, seconds: 20 } : { perSecond: 1000, seconds: 600 };
const CHANGES = { perSecond: RATE.perSecond, count: RATE.perSecond * (options.seconds === undefined ? RATE.seconds : Number(options.seconds)) };
const IDLE_MS = options.quick ? 20_000 : 60_000;
const PART_MS = 3_600_000;
const SETTLE_MS = 5000;
/** As in control-plane.ts. */
const AS_IN_THE_CHART = ['--max-old-space-size=384', '--max-semi-space-size=4', ...(options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`])];

interface Report {
  readonly ms: number;
  readonly rssMiB: number;
  readonly cpuMs: number;
  readonly stallP99Ms: number;
  readonly stallMaxMs: number;
}

interface Row {
  readonly path: string;
  readonly case: string;
  readonly value: number;
  readonly unit: string;
}

/** Bytes that a process has sent to a port and received from it, headers apart. */
function traffic(pid: number, port: number): number {
  const lines = execFileSync('ss', ['-tinpHO', 'dst', `127.0.0.1:${port}`], { encoding: 'utf8' }).split('\n').filter((line) => line.includes(`pid=${pid},`));
  const count = (name: string): number => lines.reduce((sum, line) => sum + Number(new RegExp(`${name}:([0-9]+)`).exec(line)?.[1] ?? 0), 0);
  return count('bytes_acked') + count('bytes_received');
}

async function measure(size: MeshSize): Promise<readonly Row[]> {
  const signal = AbortSignal.timeout(PART_MS);
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-bench-'));
  using _directory = { [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) };
  await using api = await TestApiServer.start('10.224.0.0/12');
  for (let i = 0; i < NAMESPACES; i++) await api.create('/api/v1/namespaces', { metadata: { name: `team-${i}` } });
  const kubeconfig = path.join(directory, 'kubeconfig');
  writeFileSync(kubeconfig, api.config.exportConfig(), { mode: 0o600 });
  using members = new BenchProcess('../federation/members.ts', [size.members, size.services, size.endpoints].map(String));
  const { credentials, records } = await members.next<{ credentials: HubCredentials; records: number }>(signal);
  process.stderr.write(`${size.members} members have published ${records} records\n`);
  using service = new BenchProcess('../federation/service.ts', [kubeconfig, String(size.endpoints + size.services)], AS_IN_THE_CHART);
  service.send(credentials);
  const { pid, port, roots } = await service.next<{ pid: number; port: number; roots: string }>(signal);
  const synced = await service.next<Report>(signal);
  process.stderr.write(`${JSON.stringify(synced)}\n`);
  const writtenMs = await untilWritten(api, size, signal);
  await sleep(SETTLE_MS, undefined, { signal });
  service.send('report');
  const written = await service.next<Report>(signal);
  process.stderr.write(`${JSON.stringify({ writtenMs, ...written })}\n`);

  const hubPort = Number(new URL(credentials.urls[0] ?? '').port);
  const before = traffic(pid, hubPort);
  await sleep(IDLE_MS, undefined, { signal });
  const idleBytes = (traffic(pid, hubPort) - before) * (60_000 / IDLE_MS);

  const sent = new Map<string, number>();
  const latencies: number[] = [];
  using _follow = await follow(port, roots, (name, atMs) => {
    const sentMs = sent.get(name);
    if (sentMs === undefined) return;
    latencies.push(atMs - sentMs);
    sent.delete(name);
  });
  let waiting = 0;
  members.on(({ changed, atMs }: { changed: string; atMs: number }) => {
    if (!sent.has(changed)) sent.set(changed, atMs);
    waiting = Math.max(waiting, sent.size);
  });
  service.send('reset');
  const startedMs = now();
  members.send(CHANGES);
  await sleep((CHANGES.count / CHANGES.perSecond) * 1000, undefined, { signal });
  const left = sent.size;
  while (sent.size > 0 && now() - startedMs < PART_MS) await sleep(100, undefined, { signal });
  const drainedMs = now() - startedMs - (CHANGES.count / CHANGES.perSecond) * 1000;
  service.send('changed');
  const changed = await service.next<Report>(signal);
  latencies.sort((a, b) => a - b);
  const name = `${size.members} members, ${size.services} services, ${size.endpoints} endpoints`;
  const row = (what: string, value: number, unit: string): Row => ({ path: name, case: what, value: Math.round(value * 10) / 10, unit });
  return [
    row('all known and told', synced.ms / 1000, 's'),
    row('processor until then', synced.cpuMs / 1000, 's'),
    row('all objects written, after that', writtenMs / 1000, 's'),
    row('memory, all written', written.rssMiB, 'MiB'),
    row('stalls until told, p99', synced.stallP99Ms, 'ms'),
    row('longest stall until all is written', written.stallMaxMs, 'ms'),
    row('traffic with the hub at rest', idleBytes / 1024, 'KiB/min'),
    row(`a change to an agent at ${CHANGES.perSecond}/s, p50`, percentile(latencies, 0.5), 'ms'),
    row(`a change to an agent at ${CHANGES.perSecond}/s, p99`, percentile(latencies, 0.99), 'ms'),
    row('most changes under way', waiting, ''),
    row('changes under way at the end', left, ''),
    row('until the last of them is told', Math.max(0, drainedMs) / 1000, 's'),
    row('processor for a change', changed.cpuMs / CHANGES.count, 'ms'),
    row('stalls under changes, p99', changed.stallP99Ms, 'ms'),
    row('memory after changes', changed.rssMiB, 'MiB'),
  ];
}

/** Milliseconds until the API server has a slice for each export. */
async function untilWritten(api: TestApiServer, size: MeshSize, signal: AbortSignal): Promise<number> {
  const startedMs = now();
  while ((await api.count('/apis/discovery.k8s.io/v1/endpointslices')) < size.services * 2) await sleep(200, undefined, { signal });
  return now() - startedMs;
}

await buildTools(new AbortController().signal);
process.env['LANDBRIDGE_NATS_SERVER'] ??= toolPath('nats-server');
const rows: Row[] = [];
for (const factor of positionals.length > 0 ? positionals.map(Number) : [1]) rows.push(...(await measure({ members: SIZE.members, services: SIZE.services * factor, endpoints: SIZE.endpoints * factor })));
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, undefined, 2)}\n`);
process.stdout.write(`What the federation service of cluster ${HOME} costs.\n\n| mesh | what | |\n|---|---|---|\n${rows.map((row) => `| ${row.path} | ${row.case} | ${row.value} ${row.unit} |`).join('\n')}\n`);
