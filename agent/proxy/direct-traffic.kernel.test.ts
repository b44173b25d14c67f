import test from 'ava';
import { addressBytes } from '@landbridge/ebpf/capture-layout.ts';
import { FileDescriptor } from '@landbridge/native/libc.ts';
import { eventually } from '../../test/agents/eventually.ts';
import { allSegmentsOf } from '../../test/e2e/packet-capture.ts';
import { caller, greeter, hammer, portTeller, tallyCaller } from '../../test/mesh/applications.ts';
import type { Mesh } from '../../test/mesh/mesh.ts';
import type { MeshPod } from '../../test/mesh/mesh-pod.ts';
import { twoPods } from '../../test/mesh/two-pods.ts';
import { ender, enderCaller } from '../../test/mesh/raw-programs.ts';
import { StaticAgent, staticAgent } from '../../test/mesh/static-agent.ts';
import { LEASE_MS } from '../capture/direct-routes.ts';
import { dialFromPod } from '../capture/pod-dial.ts';
import { servesAt, serviceOf, workloadOf } from '../discovery/test-resources.ts';

/* The agent is this process, with all that it is made of but its control plane. */

/** By which the agent marks a place in a capture of packets. */
const MARK = 1001;

/** Of an Ethernet frame: as much as has the ports of a SYN. */
const HEADERS = 128;
const portsOf = (packets: Buffer): readonly number[] => allSegmentsOf(packets).map(({ destinationPort }) => destinationPort);

let mesh: Mesh;
let a: MeshPod;
let b: MeshPod;

test.before(async () => {
  ({ mesh, a, b } = await twoPods());
});

test.after.always(async () => await mesh[Symbol.asyncDispose]());

test.serial('connections to an unknown destination go by the agent once, then without, and count alike', async (t) => {
  await using _app = await b.start(ender(8080));
  await using agent = await StaticAgent.start(mesh.node('west'), [a]);
  for (const [calls, direct] of [[1, 1], [30, 1]] as const) {
    t.is(await a.run(enderCaller(b.address, 8080, Array.from({ length: calls }, () => 'client-first'))), 'done');
    t.is(agent.direct.size, direct);
  }
  await eventually(async () => await agent.totals(), ({ closed }) => closed === 31, 5000);
  t.deepEqual(await agent.totals(), { opened: 31, closed: 31, failed: 0, requestBytes: 3100, responseBytes: 15_500 });
  t.is(agent.series.size, 1, 'under the same labels');
});

test.serial('connections to a service whose endpoints take no tunnels are spread by weight', async (t) => {
  await using _app = await b.start(portTeller([8001, 8002, 8003]));
  await using agent = await StaticAgent.start(mesh.node('west'), [a]);
  const service = serviceOf('db', { addresses: ['/10.96.0.10'], ports: new Map([[80, 0]]) });
  await agent.tell({ updated: [service, ...[70, 20, 10].map((capacity, i) => workloadOf(i, { addresses: [`/${b.address}`], tunnel: 'none', capacity, services: servesAt(service, { 80: 8001 + i }) }))], removed: [] });
  t.regex(await a.run(caller('10.96.0.10', 80)), /^10\.199\.1\.2 > 10\.96\.0\.10 80 800[123]$/);
  t.is(agent.direct.size, 1);
  const tally = JSON.parse(await a.run(tallyCaller('10.96.0.10', 80, 1000))) as Record<string, number>;
  const shares = [8001, 8002, 8003].map((port) => tally[`10.96.0.10 80 ${port}`] ?? 0);
  t.is(shares.reduce((sum, share) => sum + share), 1000, JSON.stringify(tally));
  // Seven standard deviations of the binomial distribution.
  for (const [i, expected] of [700, 200, 100].entries()) t.true(Math.abs((shares[i] ?? 0) - expected) < 7 * Math.sqrt(expected * (1 - expected / 1000)), shares.join());
  const { opened } = await eventually(async () => await agent.totals(), ({ closed }) => closed === 1001, 5000);
  t.is(opened, 1001);
  t.deepEqual([...agent.series.sums('opened')].map(({ shared: { labels }, value }) => [labels.source_workload, labels.destination_service, labels.destination_workload, value]), [['a', 'db.demo.svc.clusterset.local', 'echo', 1001]]);
});

test.serial('a plan that changes and needs no agent still is in the kernel at once, and one that needs it is not', async (t) => {
  await using _app = await b.start(portTeller([8001, 8002]));
  await using agent = await StaticAgent.start(mesh.node('west'), [a]);
  const service = serviceOf('db', { addresses: ['/10.96.0.10'], ports: new Map([[80, 0]]) });
  const endpoint = (i: number, tunnel: 'none' | 'hbone' = 'none') => workloadOf(i, { addresses: [`/${b.address}`], tunnel, services: servesAt(service, { 80: 8001 + i }) });
  await agent.tell({ updated: [service, endpoint(0)], removed: [] });
  t.regex(await a.run(caller('10.96.0.10', 80)), / 8001$/);
  t.is(agent.direct.size, 1);
  await agent.tell({ updated: [endpoint(1)], removed: [endpoint(0).uid] });
  t.is(agent.direct.size, 1);
  t.regex(await a.run(caller('10.96.0.10', 80)), / 8002$/);
  await agent.tell({ updated: [endpoint(1, 'hbone')], removed: [] });
  t.is(agent.direct.size, 0);
});

test.serial('a destination that comes into the mesh gets nothing in plaintext any more', async (t) => {
  await using _app = await b.start(greeter(8080));
  await using agent = await StaticAgent.start(mesh.node('west'), [a]);
  await using _clients = await a.start(hammer(b.address, 8080));
  const packets = await mesh.node('west').capturePod(a, 'tcp[tcpflags] & (tcp-syn | tcp-ack) == tcp-syn', HEADERS);
  const inMesh = workloadOf(1, { addresses: [`/${b.address}`] });
  const handles = agent.handlesOf('a');
  const mark = (): void => new FileDescriptor(dialFromPod(handles, addressBytes(b.address), MARK).fd)[Symbol.dispose]();
  for (let round = 0; round < 10; round++) {
    const { opened } = await agent.totals();
    await eventually(async () => (await agent.totals()).opened, (now) => now > opened + 200, 10_000);
    t.is(agent.direct.size, 1);
    await agent.tell({ updated: [inMesh], removed: [] });
    mark();
    const { failed } = await agent.totals();
    await eventually(async () => (await agent.totals()).failed, (now) => now > failed + 20, 10_000);
    mark();
    await agent.tell({ updated: [], removed: [inMesh.uid] });
  }
  // The last one that was sent has come to the file.
  await eventually(() => portsOf(packets.read()).filter((port) => port === MARK).length, (count) => count === 20, 10_000);
  const ports = portsOf(await packets.stop());
  let [isInMesh, outside, inside] = [false, 0, 0];
  for (const port of ports) {
    if (port === MARK) isInMesh = !isInMesh;
    else if (port === 8080) isInMesh ? inside++ : outside++;
  }
  t.true(outside > 1000);
  t.is(inside, 0);
});

test.serial('when the agent is killed, what it let go by itself is refused as everything else, after the time of its lease', async (t) => {
  await using _app = await b.start(greeter(8080));
  mesh.node('west').becomeHost();
  {
    await using _agent = await mesh.node('west').startAgent(staticAgent(mesh.node('west'), a));
    for (let i = 0; i < 3; i++) t.regex(await a.run(caller(b.address, 8080)), /app saw 10\.199\.1\.2$/);
  }
  const killedMs = performance.now();
  const answers = new Set<string>();
  await eventually(async () => {
    const answer = await a.run(caller(b.address, 8080));
    answers.add(answer);
    return answer;
  }, (answer) => answer === 'ECONNREFUSED', 2 * LEASE_MS);
  t.log(`refused ${Math.round(performance.now() - killedMs)} ms after the agent was killed`);
  t.is(answers.size, 2, [...answers].join());
  t.is(await a.run(caller(b.address, 8080)), 'ECONNREFUSED');
  mesh.node('west').becomeAgent();
});
