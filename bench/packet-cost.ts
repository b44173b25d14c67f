/**
 * What lb_probe costs each packet into a captured pod. Usage, as root: node bench/packet-cost.ts [ROUNDS]. Writes two tables:
 * of the program by itself, as the kernel runs it on one packet again and again, and of pods of a node with and without it.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { hookOfKernel, InterfaceProgram } from '@landbridge/agent/capture/interface-program.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { probePortKey } from '@landbridge/ebpf/capture-layout.ts';
import { CAPTURE_OBJECT } from '@landbridge/ebpf/capture-object.ts';
import { BpfObject } from '@landbridge/native/libbpf.ts';
import { openNetworkNamespace } from '@landbridge/native/network-namespace.ts';
import { Mesh } from '../test/mesh/mesh.ts';
import { median } from './statistics.ts';

/** Many short ones: in each, both ways meet the same neighbours on the machine. */
const ROUNDS = Number(process.argv[2] ?? 60);
const ROUND_TRIPS = 4000;
const DATAGRAMS = 20_000;
const RUNS = 15;
const REPEAT = 1_000_000;
const PORT = 8080;

/** Client and server on one processor: what is measured is work, and not who waits for whom. */
const pinned = (script: string): readonly string[] => ['taskset', '-c', String(availableParallelism() - 1), '/usr/bin/python3', '-c', script];

const server = pinned(`
import socket, threading
t = socket.create_server(('0.0.0.0', ${PORT}))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(('0.0.0.0', ${PORT}))
print('ready', flush=True)
while True:
    s, _ = t.accept()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while d := s.recv(1): s.send(d)
`);

/** Nanoseconds of a round trip of one byte by TCP, which is one packet into each pod. */
const roundTrips = (host: string): readonly string[] => pinned(`
import socket, time
s = socket.create_connection(('${host}', ${PORT}))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for i in range(2000): s.send(b'x'); s.recv(1)
began = time.perf_counter_ns()
for i in range(${ROUND_TRIPS}): s.send(b'x'); s.recv(1)
print((time.perf_counter_ns() - began) / ${ROUND_TRIPS})
`);

/** Nanoseconds of sending a datagram, which the kernel carries to the other pod's socket within the call, where it is dropped once the queue is full. */
const datagrams = (host: string): readonly string[] => pinned(`
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(('${host}', ${PORT}))
for i in range(5000): s.send(b'x')
began = time.perf_counter_ns()
for i in range(${DATAGRAMS}): s.send(b'x')
print((time.perf_counter_ns() - began) / ${DATAGRAMS})
`);

/** From 10.199.1.2 to 10.199.1.3:8080: a frame of Ethernet, as much as has the headers of IPv4 and TCP. */
const FRAME = Buffer.alloc(66);
FRAME.writeUInt16BE(0x0800, 12);
FRAME.set([0x45, 0, 0, 52, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 199, 1, 2, 10, 199, 1, 3, 0x9c, 0x40, 0x1f, 0x90], 14);
/** Of the socket that the kernel gives the packet of a trial run: the root of the hierarchy. */
const TRIAL_GROUP = Buffer.alloc(8);
TRIAL_GROUP.writeBigUInt64LE(1n);
const SET = Buffer.from([1]);

buildCaptureObject();
await using mesh = await Mesh.open({ west: ['client', 'server'] });
const node = mesh.node('west');
const [client, target] = [mesh.pod('client'), mesh.pod('server')];
using object = BpfObject.open(CAPTURE_OBJECT);
object.load();
const program = object.program('lb_probe');
const pins = path.join(node.bpfRoot, 'probes');
mkdirSync(pins);
const probes = new InterfaceProgram(program, 'ingress', pins, hookOfKernel(program));
const namespaces = [client, target].map(({ netns }) => ({ uid: netns, namespace: openNetworkNamespace(`/run/netns/${netns}`) }));
const attach = (): void => {
  for (const { uid, namespace } of namespaces) probes.install(namespace.number, uid);
};
const detach = (): void => {
  for (const { uid, namespace } of namespaces) probes.remove(namespace.number, uid);
};

attach();
const [pin = ''] = readdirSync(pins);
const { prog_id: id } = JSON.parse(execFileSync('bpftool', ['-j', 'link', 'show', 'pinned', path.join(pins, pin)], { encoding: 'utf8' })) as { prog_id: number };
const run = (): number => Number(/: (\d+)ns/.exec(execFileSync('bpftool', ['prog', 'run', 'id', String(id), 'data_in', '-', 'repeat', String(REPEAT)], { encoding: 'utf8', input: FRAME }))?.[1]);
process.stdout.write('| TCP packet of a socket of the node | the program, ns: median, least |\n|---|---|\n');
for (const [name, prepare] of [
  ['of whom else', () => {}],
  ['of the kubelet, to a port that is not probed', () => object.map('kubelets', SET.length).set(TRIAL_GROUP, SET)],
  ['of the kubelet, to a probed port', () => object.map('probe_ports', SET.length).set(probePortKey('10.199.1.3', PORT), SET)],
] as const) {
  prepare();
  const took = Array.from({ length: RUNS }, run);
  process.stdout.write(`| ${name} | ${median(took)}, ${Math.min(...took)} |\n`);
}

await using _server = await target.start(server);
const loads = [['round trip of a byte, TCP', roundTrips(target.address)], ['datagram', datagrams(target.address)]] as const;
process.stdout.write('\n| between two pods of a node | without, ns: median, least | with lb_probe | more, in the same round: quartiles, ns |\n|---|---|---|---|\n');
for (const [name, load] of loads) {
  const took: Record<'without' | 'with', number[]> = { without: [], with: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const way of round % 2 === 0 ? (['without', 'with'] as const) : (['with', 'without'] as const)) {
      (way === 'with' ? attach : detach)();
      took[way].push(Number(await client.run(load)));
    }
  }
  const of = (values: readonly number[]): string => `${Math.round(median(values))}, ${Math.round(Math.min(...values))}`;
  const more = took.with.map((value, i) => value - (took.without[i] ?? Number.NaN)).sort((a, b) => a - b);
  const quartiles = [1, 2, 3].map((quarter) => Math.round(more[Math.floor((more.length * quarter) / 4)] ?? Number.NaN));
  process.stdout.write(`| ${name} | ${of(took.without)} | ${of(took.with)} | ${quartiles.join(', ')} |\n`);
}
detach();
for (const { namespace } of namespaces) namespace[Symbol.dispose]();
