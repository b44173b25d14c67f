/**
 * Answers to queries for names by one thread, beside CoreDNS with the same names in zone files: `node bench/dns.ts
 * [ROUNDS] [SECONDS]`. The server has one processor, the load another; both take turns. Writes a table.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { toolPath } from '@landbridge/lab/tools.ts';
import { buildLoad, prepareMachine } from './build.ts';
import { type Findings, findingsOf } from './load.ts';
import { queryFile, zoneFile } from './name-queries.ts';
import { median, summarise } from './statistics.ts';

const ROUNDS = Number(process.argv[2] ?? 5);
const SECONDS = Number(process.argv[3] ?? 2);
const SERVICES = 2000;
const QUERIES = 20_000;
const WARM_SECONDS = 0.5;
/** As two stub resolvers at once ask, and as a node full of pods does. */
const OUTSTANDING = [2, 64];
const PORTS = { landbridge: 15_953, coredns: 15_954 } as const;
const ZONES = ['cluster.local', 'clusterset.local'] as const;

const { signal } = new AbortController();
await prepareMachine(signal);
const load = await buildLoad(signal);
const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-names-'));
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(path.join(directory, name), content);
  return path.join(directory, name);
};
const queries = file('queries', queryFile(SERVICES, QUERIES));
const blocks = ZONES.map((zone) => `${zone}:${PORTS.coredns} {\n  bind 127.0.0.1\n  file ${file(zone, zoneFile(zone, SERVICES))}\n  errors\n}\n`);
const pinned = (cpu: number, argv: readonly string[]): readonly string[] => ['taskset', '-c', String(cpu % availableParallelism()), ...argv];
const servers = {
  landbridge: pinned(0, [process.execPath, path.join(import.meta.dirname, 'peers/names-server.ts'), String(PORTS.landbridge), String(SERVICES)]),
  coredns: pinned(0, ['env', 'GOMAXPROCS=1', toolPath('coredns'), '-conf', file('Corefile', blocks.join(''))]),
} as const;

async function measure(name: keyof typeof servers, outstanding: number): Promise<Findings> {
  const [command = '', ...args] = servers[name];
  const server = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(server, 'close');
  try {
    let output = '';
    for await (const chunk of server.stdout.iterator({ destroyOnReturn: false })) if (/^ready$|CoreDNS-/m.test((output += String(chunk)))) break;
    server.stdout.resume();
    const argv = pinned(1, [load, 'names', '--address', '127.0.0.1', '--port', String(PORTS[name]), '--counters', path.join(directory, 'counters'), '--queries', queries, '--connections', String(outstanding), '--seconds', String(SECONDS), '--warm', String(WARM_SECONDS), '--pids', String(server.pid)]);
    return await findingsOf(argv, (SECONDS + WARM_SECONDS) * 1000, signal);
  } finally {
    server.kill();
    await ended;
  }
}

const names = Object.keys(servers) as (keyof typeof servers)[];
const rows: string[] = [];
try {
  for (const outstanding of OUTSTANDING) {
    const found: Record<string, Findings[]> = Object.fromEntries(names.map((name) => [name, []]));
    for (let round = 0; round < ROUNDS; round++) {
      // Each is first as often as the other.
      for (const [at] of names.entries()) {
        const name = names[(at + round) % names.length] as keyof typeof servers;
        found[name]?.push(await measure(name, outstanding));
      }
    }
    for (const name of names) {
      const of = (key: string): number[] => (found[name] ?? []).map((findings) => findings[key] ?? Number.NaN);
      const { median: rate, min, max } = summarise(of('rate'));
      const busy = median((found[name] ?? []).map((findings) => ((findings['proxyCpuSeconds'] ?? Number.NaN) / (findings['count'] ?? 1)) * 1e6));
      rows.push(`| ${name} | ${outstanding} | ${rate.toFixed(0)} | ${min.toFixed(0)} to ${max.toFixed(0)} | ${median(of('p50Us')).toFixed(0)} | ${median(of('p99Us')).toFixed(0)} | ${busy.toFixed(1)} | ${Math.max(...of('lost'))} | ${Math.max(...of('failed'))} |`);
    }
  }
} finally {
  rmSync(directory, { recursive: true });
}
process.stdout.write(`load average ${loadavg().map((value) => value.toFixed(1)).join(' ')}\n\n| who answers | unanswered at a time | answers/s | least to most | p50, µs | p99, µs | processor time of the server, µs | lost | failed |\n|---|---|---|---|---|---|---|---|---|\n${rows.join('\n')}\n`);
