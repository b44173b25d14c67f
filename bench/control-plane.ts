/**
 * What the federation service costs in a large cluster, and an agent that follows all of it: time until everything is
 * known and told, memory, stalls of the event loop, and how soon a change of a pod reaches an agent. Each part is a process
 * of its own. Usage: node bench/control-plane.ts [SERVICES [TIMES…]], such as 10000 1 2 4
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { DeltaDiscoveryRequestSchema, DeltaDiscoveryResponseSchema } from '@landbridge/wire/gen/discovery_pb.js';
import { ADDRESS_TYPE, DELTA_ADS_METHOD } from '@landbridge/wire/protocol.ts';
import { PODS_PER_SERVICE } from './control-plane/mesh-objects.ts';
import { BenchProcess } from './control-plane/process.ts';

const [base = 10_000, ...times] = process.argv.slice(2).map(Number);
const CHANGES = { perSecond: 200, count: 2000 };
const PART_MS = 600_000;
const SETTLE_MS = 3000;

interface Report {
  readonly what: string;
  readonly ms: number;
  readonly rssMiB: number;
  readonly heapMiB: number;
  readonly cpuMs: number;
  readonly stallP99Ms: number;
  readonly stallMaxMs: number;
}

/** Follows addresses as an agent does; `onName` is called for each resource that is told, when it is. */
async function follow(port: number, roots: string, onName: (name: string, atMs: number) => void): Promise<Disposable> {
  const client = new Client(`localhost:${port}`, credentials.createSsl(Buffer.from(roots)), { 'grpc.max_receive_message_length': -1 });
  const metadata = new Metadata();
  metadata.set('authorization', 'Bearer bench');
  const same = (bytes: Buffer): Buffer => bytes;
  const call = client.makeBidiStreamRequest(DELTA_ADS_METHOD, same, same, metadata);
  const send = (request: object): void => void call.write(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, { typeUrl: ADDRESS_TYPE, ...request }))));
  call.on('error', () => {});
  call.on('data', (bytes: Buffer) => {
    const atMs = now();
    const { nonce, resources } = fromBinary(DeltaDiscoveryResponseSchema, bytes);
    for (const { name } of resources) onName(name, atMs);
    send({ responseNonce: nonce });
  });
  send({ resourceNamesSubscribe: ['*'] });
  await once(call, 'data');
  return {
    [Symbol.dispose]: () => {
      call.cancel();
      client.close();
    },
  };
}

/** Of the clock that all processes share. */
const now = (): number => performance.timeOrigin + performance.now();

function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

async function measure(services: number): Promise<readonly string[]> {
  const signal = AbortSignal.timeout(PART_MS);
  using objects = new BenchProcess('object-server.ts', [String(services)]);
  const { server, roots } = await objects.next<{ server: string; roots: string }>(signal);
  using service = new BenchProcess('service.ts', [server, roots, String(services * (PODS_PER_SERVICE + 1))]);
  const { port, roots: serviceRoots } = await service.next<{ port: number; roots: string }>(signal);
  const synced = await service.next<Report>(signal);
  await sleep(SETTLE_MS, undefined, { signal });
  const sent = new Map<string, number>();
  const latencies: number[] = [];
  service.send('reset');
  using _follow = await follow(port, serviceRoots, (name, atMs) => {
    const sentMs = sent.get(name);
    if (sentMs === undefined) return;
    latencies.push(atMs - sentMs);
    sent.delete(name);
  });
  service.send('told');
  const told = await service.next<Report>(signal);
  service.send('reset');
  objects.on(({ changed, atMs }: { changed: string; atMs: number }) => {
    // A pod that changes again before it was told is told once.
    if (!sent.has(changed)) sent.set(changed, atMs);
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
  process.stderr.write(`${services} services: ${latencies.length} changes told, ${workloads} workloads at the agent\n`);
  const one = (value: number): string => value.toFixed(1);
  return [
    `${services} / ${services * PODS_PER_SERVICE}`,
    `${one(synced.ms / 1000)} s, ${one(synced.cpuMs / 1000)} s`,
    `${Math.round(changed.rssMiB)} MiB`,
    `${one(synced.stallP99Ms)} / ${one(synced.stallMaxMs)} ms`,
    `${one(told.stallMaxMs)} ms`,
    `${one(changed.stallP99Ms)} / ${one(changed.stallMaxMs)} ms`,
    `${((changed.cpuMs / CHANGES.count)).toFixed(2)} ms`,
    `${one(percentile(latencies, 0.5))} / ${one(percentile(latencies, 0.99))} ms`,
    `${one(agentMs / 1000)} s`,
    `${Math.round(rssMiB - beforeMiB)} MiB`,
  ];
}

const HEAD = ['Services / pods', 'known and told: time, processor', 'memory', 'stalls until then, p99 / longest', 'longest stall while an agent is told all', `stalls at ${CHANGES.perSecond} changes/s`, 'processor for a change', 'change of a pod to an agent, p50 / p99', 'an agent knows all', 'which takes of it'];
process.stdout.write(`| ${HEAD.join(' | ')} |\n|${'---|'.repeat(HEAD.length)}\n`);
for (const factor of times.length > 0 ? times : [1, 2, 4]) process.stdout.write(`| ${(await measure(base * factor)).join(' | ')} |\n`);
