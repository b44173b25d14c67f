/**
 * What connect() costs a program in a pod, by how much of the capture it meets. Usage, as root:
 * node bench/connect-cost.ts [ROUNDS]. Writes a table.
 */
import { availableParallelism } from 'node:os';
import { Capture } from '@landbridge/agent/capture/capture.ts';
import { LEASE_MS } from '@landbridge/agent/capture/direct-routes.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { answerFor } from '../test/mesh/answering-agent.ts';
import { Mesh } from '../test/mesh/mesh.ts';
import { median, summarise } from './statistics.ts';

const ROUNDS = Number(process.argv[2] ?? 15);
const CONNECTIONS = 1000;
const WARM_UP = 200;
const PORT = 8080;
const SERVICE = { ip: '10.96.0.10', port: 80 };

const python = (script: string): readonly string[] => ['/usr/bin/python3', '-c', script];
/** Where there are two processors the other one: connect() is measured, not the wait for the server. */
const pinned = (cpu: number, argv: readonly string[]): readonly string[] => ['taskset', '-c', String(cpu % availableParallelism()), ...argv];

const server = pinned(1, python(`
import socket
s = socket.create_server(('0.0.0.0', ${PORT}), backlog=4096)
print('ready', flush=True)
while True: s.accept()[0].close()
`));

/** Microseconds of each connect(), which comes back when the connection is there, as JSON. Ends by a reset, so that nothing is left. */
const client = ({ ip, port }: typeof SERVICE): readonly string[] => pinned(0, python(`
import json, socket, struct, time
took, linger = [], struct.pack('ii', 1, 0)
for i in range(${WARM_UP + CONNECTIONS}):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    began = time.perf_counter_ns()
    s.connect((${JSON.stringify(ip)}, ${port}))
    took.append(time.perf_counter_ns() - began)
    s.close()
    if i % 50 == 0: time.sleep(0.002)
print(json.dumps([ns / 1000 for ns in took[${WARM_UP}:]]))
`));

buildCaptureObject();
await using mesh = await Mesh.open({ west: ['captured', 'other', 'server'] });
const node = mesh.node('west');
node.becomeAgent();
const [captured, other] = [mesh.pod('captured'), mesh.pod('other')];
const destination = { ip: mesh.pod('server').address, port: PORT };
await using _server = await mesh.pod('server').start(server);
using capture = new Capture(node);
await using agent = await answerFor(capture, captured);
const routes = capture.directRoutes;
routes.add(agent.pod.cookie, destination, [{ address: destination, weight: 1 }]);
routes.add(agent.pod.cookie, SERVICE, [70, 20, 10].map((weight) => ({ address: destination, weight })));
routes.renew();
const lease = setInterval(() => routes.renew(), LEASE_MS / 3);

const ways: readonly (readonly [name: string, measure: () => Promise<string>])[] = [
  ['no program attached', async () => await other.runOutside(client(destination))],
  ['programs attached, pod not captured', async () => await other.run(client(destination))],
  ['captured, without the agent: unknown destination', async () => await captured.run(client(destination))],
  ['captured, without the agent: service of three endpoints', async () => await captured.run(client(SERVICE))],
];
const medians = new Map<string, number[]>(ways.map(([name]) => [name, []]));
for (let round = 0; round < ROUNDS; round++) {
  // Each way is first as often as the others.
  for (const [at] of ways.entries()) {
    const [name, measure] = ways[(at + round) % ways.length] as (typeof ways)[number];
    medians.get(name)?.push(median(JSON.parse(await measure()) as number[]));
  }
}
clearInterval(lease);
const base = medians.get(ways[0]?.[0] ?? '') ?? [];
process.stdout.write('| what connect() meets | median of medians, µs | least to most | more than without, in the same round: median, µs |\n|---|---|---|---|\n');
for (const [name, values] of medians) {
  const { median: middle, min, max } = summarise(values);
  process.stdout.write(`| ${name} | ${middle.toFixed(1)} | ${min.toFixed(1)} to ${max.toFixed(1)} | ${median(values.map((value, i) => value - (base[i] ?? Number.NaN))).toFixed(1)} |\n`);
}
