/**
 * Two pods of a node under capture: by TLS inside the agent, by its relay, and accelerated (docs/acceleration.md), in turns
 * on the same machine. Needs root. Usage: node bench/acceleration.ts [ROUNDS]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildAccelerationObject, buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { type CarryOptions, CarriedPods } from '../test/mesh/carried-pods.ts';
import { Mesh } from '../test/mesh/mesh.ts';
import { buildLoad } from './build.ts';
import { APPLICATION_PORT, type Findings } from './load.ts';
import { median, threeDigits } from './statistics.ts';

const ROUNDS = Number(process.argv[2] ?? 5);
const SECONDS = 1.5;

const WAYS: Readonly<Record<'TLS' | 'relay' | 'accelerated', CarryOptions>> = {
  TLS: { tuning: { sameNode: 'tls', accessLog: 'off' } },
  relay: { tuning: { accessLog: 'off' } },
  accelerated: { tuning: { accessLog: 'off' }, accelerated: ['client', 'server'] },
};
const CASES = [
  { name: 'requests of 64 B, 1 connection', argv: ['requests', '--bytes', '64', '--connections', '1'] },
  { name: 'requests of 64 B, 32 connections', argv: ['requests', '--bytes', '64', '--connections', '32'] },
  { name: 'requests of 16 KiB, 1 connection', argv: ['requests', '--bytes', '16384', '--connections', '1'] },
  { name: 'new connections, 32 at once', argv: ['connections', '--connections', '32'] },
] as const;
const METRICS = ['p50Us', 'p99Us', 'rate'] as const;

buildCaptureObject();
buildAccelerationObject();
const load = await buildLoad(AbortSignal.timeout(60_000));
const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-acceleration-'));
const counters = path.join(directory, 'counters');
const found = new Map<string, Findings[]>();
try {
  await using mesh = await Mesh.open({ node: ['client', 'server'] });
  mesh.node('node').becomeAgent();
  const [client, server] = [mesh.pod('client'), mesh.pod('server')];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [way, options] of Object.entries(WAYS)) {
      await using _carried = await CarriedPods.carry(mesh.node('node'), options);
      await using _application = await server.start([load, 'serve', '--address', '0.0.0.0', '--port', String(APPLICATION_PORT), '--counters', counters]);
      for (const { name, argv } of CASES) {
        const text = await client.run([load, ...argv, '--address', server.address, '--port', String(APPLICATION_PORT), '--counters', counters, '--seconds', String(SECONDS)]);
        const key = `${name} ${way}`;
        found.set(key, [...(found.get(key) ?? []), JSON.parse(text) as Findings]);
      }
    }
  }
} finally {
  rmSync(directory, { recursive: true });
}

const middle = (name: string, way: string, metric: string): number => median((found.get(`${name} ${way}`) ?? []).map((findings) => findings[metric] ?? Number.NaN));
process.stdout.write(`medians of ${ROUNDS} rounds; in brackets, of the relay's\n`);
for (const { name } of CASES) {
  process.stdout.write(`${name}\n`);
  for (const way of Object.keys(WAYS)) process.stdout.write(`  ${way.padEnd(12)}${METRICS.map((metric) => `${metric} ${threeDigits(middle(name, way, metric))} (${threeDigits(middle(name, way, metric) / middle(name, 'relay', metric))})`).join('  ')}\n`);
}
