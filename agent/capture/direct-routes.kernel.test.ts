import { execFileSync } from 'node:child_process';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { FileDescriptor } from '@landbridge/native/libc.ts';
import { addressBytes, type SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { CAPTURE_ABI, CAPTURE_OBJECT } from '@landbridge/ebpf/capture-object.ts';
import { maps } from '@landbridge/ebpf/capture-skeleton.ts';
import { BpfObject } from '@landbridge/native/libbpf.ts';
import { answerFor } from '../../test/mesh/answering-agent.ts';
import { allSegmentsOf } from '../../test/e2e/packet-capture.ts';
import { caller, greeter, hammer, portTeller, tallyCaller } from '../../test/mesh/applications.ts';
import { HOOKS } from '../../test/mesh/interface-hooks.ts';
import type { Mesh } from '../../test/mesh/mesh.ts';
import type { MeshPod } from '../../test/mesh/mesh-pod.ts';
import { twoPods } from '../../test/mesh/two-pods.ts';
import { eventually } from '../../test/agents/eventually.ts';
import { ender, enderCaller, type Ending, oddCaller, rawSyn, twiceCaller } from '../../test/mesh/raw-programs.ts';
import { Capture } from './capture.ts';
import { type DirectCounts, NO_DIRECT_COUNTS } from '@landbridge/ebpf/direct-layout.ts';
import { type DirectRoute, DirectRoutes, LEASE_MS } from './direct-routes.ts';
import { dialFromPod } from './pod-dial.ts';

/** Ports by which the agent marks a place in a capture of packets. */
const [BEGIN, END] = [1001, 1002];
const SERVICE = { ip: '10.96.0.10', port: 80 };

let mesh: Mesh;
let a: MeshPod;
let b: MeshPod;

test.before(async () => {
  ({ mesh, a, b } = await twoPods());
});

test.after.always(async () => await mesh[Symbol.asyncDispose]());

for (const { hook, runs } of HOOKS) {
  const serial = runs ? test.serial : test.serial.skip;
  serial(`${hook}: a destination that needs no agent is reached from the pod itself, and others by the agent`, async (t) => {
    await using _app = await b.start(greeter(8080, '::'));
    using capture = new Capture({ ...mesh.node('west'), hook });
    const dropsBefore = capture.guardDrops();
    await using agent = await answerFor(capture, a);
    const routes = capture.directRoutes;
    for (const ip of [b.address, b.address6]) routes.add(agent.pod.cookie, { ip, port: 8080 }, [{ address: { ip, port: 8080 }, weight: 1 }]);
    t.regex(await a.run(caller(b.address, 8080)), /outbound from/, 'nothing holds without a lease');
    using _lease = keepLease(capture);
    t.is(await a.run(caller(b.address, 8080)), `${a.address} > ${b.address} 8080 app saw ::ffff:${a.address}`);
    t.is(await a.run(caller(`::ffff:${b.address}`, 8080)), `::ffff:${a.address} > ::ffff:${b.address} 8080 app saw ::ffff:${a.address}`);
    t.is(await a.run(caller(b.address6, 8080)), `${a.address6} > ${b.address6} 8080 app saw ${a.address6}`);
    t.regex(await a.run(caller(b.address, 8081)), /outbound from 10\.199\.1\.2 to 10\.199\.1\.3 8081$/);
    t.is(await a.run(oddCaller('fast-open', b.address, 8080)), `app saw ::ffff:${a.address}`);
    t.regex(await a.run(oddCaller('mptcp', b.address, 8080)), /^(app saw|outbound from)/, 'as the kernel asks for it or for its first connection');
    t.is(capture.guardDrops(), dropsBefore);
  });

  serial(`${hook}: what else is sent to such a destination does not get out, nor what such a socket sends elsewhere`, async (t) => {
    await using _app = await b.start(greeter(8080));
    await using _other = await b.start(greeter(8081));
    using capture = new Capture({ ...mesh.node('west'), hook });
    await using agent = await answerFor(capture, a);
    using _lease = keepLease(capture);
    direct(capture, agent.pod.cookie, { ip: b.address, port: 8080 });
    const dropped = async (work: () => Promise<string>, expected: string, name: string): Promise<void> => {
      const before = capture.guardDrops();
      t.is(await work(), expected, name);
      t.true(capture.guardDrops() > before, `${name}: dropped`);
    };
    await dropped(async () => await a.runOutside(oddCaller('tcp', b.address, 8080)), 'TIMEOUT', 'another control group');
    await dropped(async () => await a.run(rawSyn({ source: a.address, host: b.address, port: 8080 })), 'sent', 'a packet made by hand');
    t.regex(await a.run(twiceCaller([b.address, 8080], [b.address, 8081])), /^app saw 10\.199\.1\.2, outbound from 10\.199\.1\.2 to 10\.199\.1\.3 8081$/, 'the same socket, connected again');
    const nft = (...args: readonly string[]): void => void execFileSync('ip', ['netns', 'exec', a.netns, '/usr/sbin/nft', ...args], { stdio: 'inherit' });
    nft('add', 'table', 'ip', 'nat');
    t.teardown(() => nft('delete', 'table', 'ip', 'nat'));
    nft('add', 'chain', 'ip', 'nat', 'out', '{ type nat hook output priority -100; }');
    nft('add', 'rule', 'ip', 'nat', 'out', 'tcp', 'dport', '8080', 'dnat', 'to', `${b.address}:8081`);
    await dropped(async () => await a.run(oddCaller('tcp', b.address, 8080)), 'TIMEOUT', 'the pod leads its packets elsewhere');
  });
}

/** Of an Ethernet frame: as much as has the ports of a SYN. */
const HEADERS = 128;
const portsOf = (packets: Buffer): readonly number[] => allSegmentsOf(packets).map(({ destinationPort }) => destinationPort);
const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

/** As an agent that works. */
function keepLease({ directRoutes }: Capture): Disposable {
  directRoutes.renew();
  const timer = setInterval(() => directRoutes.renew(), LEASE_MS / 10);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** A destination that is dialled as it is. */
function direct(capture: Capture, netns: bigint, address: SocketAddress): DirectRoute {
  const route = capture.directRoutes.add(netns, address, [{ address, weight: 1 }]);
  if (route === undefined) throw new Error('there is no room');
  return route;
}

test.serial('after a route was withdrawn nothing leaves by it any more, while clients connect as fast as they can', async (t) => {
  await using _app = await b.start(greeter(8080));
  using capture = new Capture(mesh.node('west'));
  await using agent = await answerFor(capture, a);
  using _lease = keepLease(capture);
  await using _clients = await a.start(hammer(b.address, 8080));
  const packets = await mesh.node('west').capturePod(a, 'tcp[tcpflags] & (tcp-syn | tcp-ack) == tcp-syn', HEADERS);
  const mark = (port: number): void => new FileDescriptor(dialFromPod(agent.pod.handles, addressBytes(b.address), port).fd)[Symbol.dispose]();
  for (let round = 0; round < 30; round++) {
    mark(BEGIN);
    const route = direct(capture, agent.pod.cookie, { ip: b.address, port: 8080 });
    await eventually(() => capture.directRoutes.counts(route, 0)?.opened ?? 0, (opened) => opened > 50, 5000);
    capture.directRoutes.withdraw(route);
    mark(END);
    const seen = sum(agent.accepted.outbound);
    await eventually(() => sum(agent.accepted.outbound), (accepted) => accepted > seen + 20, 5000);
    capture.directRoutes.forget(route);
  }
  // The last one that was sent has come to the file.
  await eventually(() => portsOf(packets.read()).filter((port) => port === END).length, (count) => count === 30, 10_000);
  let isOpen = false;
  let [rounds, inside, outside] = [0, 0, 0];
  for (const port of portsOf(await packets.stop())) {
    if (port === BEGIN) isOpen = true;
    else if (port === END) {
      isOpen = false;
      rounds++;
    } else if (isOpen) inside++;
    else outside++;
  }
  t.is(rounds, 30);
  t.true(inside > 30 * 50);
  t.is(outside, 0);
});

test.serial('a connection that was not answered when its route was withdrawn is given up, and its SYN does not leave again', async (t) => {
  using capture = new Capture(mesh.node('west'));
  await using agent = await answerFor(capture, a);
  using _lease = keepLease(capture);
  const route = direct(capture, agent.pod.cookie, { ip: '192.0.2.7', port: 4321 });
  // Nobody is there to answer.
  execFileSync('ip', ['-n', mesh.node('west').netns, 'route', 'add', 'blackhole', '192.0.2.0/24']);
  t.teardown(() => void execFileSync('ip', ['-n', mesh.node('west').netns, 'route', 'del', 'blackhole', '192.0.2.0/24']));
  const packets = await mesh.node('west').capturePod(a, 'dst host 192.0.2.7');
  const called = a.run(caller('192.0.2.7', 4321));
  await eventually(() => execFileSync('ss', ['-N', a.netns, '-Htn', 'state', 'syn-sent'], { encoding: 'utf8' }), (sockets) => sockets !== '', 5000);
  capture.directRoutes.withdraw(route);
  t.is(await called, 'ETIMEDOUT', 'soon: the kernel by itself tries for two minutes');
  t.deepEqual(portsOf(await packets.stop()), [4321], 'once');
  t.is(capture.directRoutes.counts(route, 0)?.failed, 1);
});

const APP = 8080;

/** What another agent begins with, which takes the table when it is told to. Loaded by then: that takes longer than a lease on some machines, which the one before, as another process, would renew meanwhile. */
function nextAgent(): Disposable & { readonly begin: () => DirectRoutes } {
  const object = BpfObject.open(CAPTURE_OBJECT);
  for (const name of Object.keys(maps)) object.pinMap(name, path.join(mesh.node('west').bpfRoot, 'landbridge', String(CAPTURE_ABI), 'maps', name));
  object.load();
  return { begin: () => new DirectRoutes((name, values = 1) => object.map(name, maps[name].valueBytes * values)), [Symbol.dispose]: () => object[Symbol.dispose]() };
}

/** What becomes of a connection to `SERVICE` whose first SYN was lost, and of which `meanwhile` comes before it is sent again; with the number of SYNs that left. */
async function lateSyn(t: ExecutionContext, meanwhile: (routes: DirectRoutes, route: DirectRoute, netns: bigint, begin: () => DirectRoutes) => void): Promise<{ readonly answer: string; readonly syns: number }> {
  await using _app = await b.start(greeter(APP));
  using capture = new Capture(mesh.node('west'));
  await using agent = await answerFor(capture, a);
  using _lease = keepLease(capture);
  using next = nextAgent();
  const route = capture.directRoutes.add(agent.pod.cookie, SERVICE, [{ address: { ip: b.address, port: APP }, weight: 1 }]);
  if (route === undefined) throw new Error('there is no room');
  const nft = (...args: readonly string[]): void => void execFileSync('ip', ['netns', 'exec', b.netns, '/usr/sbin/nft', ...args], { stdio: 'inherit' });
  nft('add', 'table', 'ip', 'deaf');
  nft('add', 'chain', 'ip', 'deaf', 'in', '{ type filter hook input priority 0; }');
  nft('add', 'rule', 'ip', 'deaf', 'in', 'tcp', 'dport', String(APP), 'drop');
  let called: Promise<string>;
  const packets = await mesh.node('west').capturePod(a, `dst host ${b.address} and tcp[tcpflags] & (tcp-syn | tcp-ack) == tcp-syn`, HEADERS);
  try {
    called = a.run(caller(SERVICE.ip, SERVICE.port));
    await eventually(() => portsOf(packets.read()).length, (count) => count === 1, 5000);
    meanwhile(capture.directRoutes, route, agent.pod.cookie, next.begin);
    nft('delete', 'table', 'ip', 'deaf');
    const answer = await called;
    return { answer, syns: portsOf(await packets.stop()).length };
  } catch (thrown) {
    t.log(thrown);
    await packets.stop();
    throw thrown;
  }
}

const [GOES_ON, GIVEN_UP] = [{ answer: `10.199.1.2 > ${SERVICE.ip} ${SERVICE.port} app saw 10.199.1.2`, syns: 2 }, { answer: 'ETIMEDOUT', syns: 1 }];
const to = (port: number) => ({ address: { ip: '10.199.1.3', port }, weight: 1 });

for (const [what, meanwhile, expected] of [
  ['whose plan was withdrawn, is given up', (routes, route) => routes.withdraw(route), GIVEN_UP],
  ['whose next plan leads there too, goes on', (routes, _, netns) => void routes.add(netns, SERVICE, [...Array.from({ length: 200 }, (_, i) => to(9000 + i)), to(APP)]), GOES_ON],
  ['whose next plan leads elsewhere, is given up', (routes, _, netns) => void routes.add(netns, SERVICE, [to(9001)]), GIVEN_UP],
  ['whose route is not chosen any more, goes on', (routes, route) => routes.retire(route), GOES_ON],
  ['whose route was not chosen any more and then withdrawn, is given up', (routes, route) => {
    routes.retire(route);
    routes.withdraw(route);
  }, GIVEN_UP],
  ['that an agent before has allowed, goes on', (_, __, ___, begin) => void begin(), GOES_ON],
  ['that an agent before has allowed, and then forbidden, is given up', (routes, route, _, begin) => {
    begin();
    routes.withdraw(route);
  }, GIVEN_UP],
  ['that an agent before has allowed, and whose plan of this one leads elsewhere, is given up', (_, __, netns, begin) => {
    const next = begin();
    next.add(netns, SERVICE, [to(9001)]);
    next.renew();
  }, GIVEN_UP],
] as const satisfies readonly (readonly [string, Parameters<typeof lateSyn>[1], object])[]) {
  test.serial(`a connection under way, ${what}`, async (t) => t.deepEqual(await lateSyn(t, meanwhile), expected));
}

test.serial('a route that is not chosen any more is no way for another connection, and what an agent before allowed neither', async (t) => {
  await using _app = await b.start(greeter(APP));
  using first = new Capture(mesh.node('west'));
  await using agent = await answerFor(first, a);
  using _lease = keepLease(first);
  const route = direct(first, agent.pod.cookie, { ip: b.address, port: APP });
  t.regex(await a.run(caller(b.address, APP)), /app saw/);
  first.directRoutes.retire(route);
  t.regex(await a.run(caller(b.address, APP)), /outbound from/);
  first.directRoutes.forget(route);
  direct(first, agent.pod.cookie, { ip: b.address, port: APP });
  using _second = new Capture(mesh.node('west'));
  t.regex(await a.run(caller(b.address, APP)), /outbound from/);
});

test.serial('connections to a service are spread by weight, and applications see its address', async (t) => {
  await using _app = await b.start(portTeller([8001, 8002, 8003]));
  using capture = new Capture(mesh.node('west'));
  await using agent = await answerFor(capture, a);
  capture.directRoutes.add(agent.pod.cookie, SERVICE, [70, 20, 10].map((weight, i) => ({ address: { ip: b.address, port: 8001 + i }, weight })));
  using _lease = keepLease(capture);
  const tally = JSON.parse(await a.run(tallyCaller(SERVICE.ip, SERVICE.port, 1000))) as Record<string, number>;
  const shares = [8001, 8002, 8003].map((port) => tally[`${SERVICE.ip} ${SERVICE.port} ${port}`] ?? 0);
  t.is(shares.reduce((sum, share) => sum + share), 1000, JSON.stringify(tally));
  // Seven standard deviations of the binomial distribution.
  for (const [i, expected] of [700, 200, 100].entries()) t.true(Math.abs((shares[i] ?? 0) - expected) < 7 * Math.sqrt(expected * (1 - expected / 1000)), shares.join());
});

const ENDINGS: readonly (readonly [Ending, Partial<DirectCounts>])[] = [
  ['client-first', { completed: 1 }],
  ['client-leaves', { completed: 1 }],
  ['server-first', { completed: 1 }],
  ['server-resets', { broken: 1 }],
];

for (const [ending, how] of ENDINGS) {
  test.serial(`connections and their bytes are counted, however they end: ${ending}`, async (t) => {
    await using _app = await b.start(ender(8080));
    using capture = new Capture(mesh.node('west'));
    await using agent = await answerFor(capture, a);
    using _lease = keepLease(capture);
    const route = direct(capture, agent.pod.cookie, { ip: b.address, port: 8080 });
    t.is(await a.run(enderCaller(b.address, 8080, Array.from({ length: 20 }, () => ending))), 'done');
    const expected = Object.fromEntries(Object.entries({ ...NO_DIRECT_COUNTS, opened: 1, sentBytes: 100, receivedBytes: 500, ...how }).map(([name, each]) => [name, each * 20]));
    await eventually(() => capture.directRoutes.counts(route, 0) ?? NO_DIRECT_COUNTS, ({ completed, broken }) => completed + broken === 20, 5000);
    t.deepEqual<unknown, unknown>(capture.directRoutes.counts(route, 0), expected);
  });
}

test.serial('a connection that nobody takes counts as failed', async (t) => {
  using capture = new Capture(mesh.node('west'));
  await using agent = await answerFor(capture, a);
  using _lease = keepLease(capture);
  const route = direct(capture, agent.pod.cookie, { ip: b.address, port: 8080 });
  t.is(await a.run(caller(b.address, 8080)), 'ECONNREFUSED');
  t.deepEqual(capture.directRoutes.counts(route, 0), { ...NO_DIRECT_COUNTS, failed: 1 });
});

test.serial('the table is that of the agent that began last: it knows nothing of what the one before allowed', async (t) => {
  await using _app = await b.start(greeter(8080));
  using first = new Capture(mesh.node('west'));
  await using agent = await answerFor(first, a);
  using _first = keepLease(first);
  const destination = { ip: b.address, port: 8080 };
  const before = direct(first, agent.pod.cookie, destination);
  t.regex(await a.run(caller(b.address, 8080)), /app saw/);
  using second = new Capture(mesh.node('west'));
  using _second = keepLease(second);
  t.regex(await a.run(caller(b.address, 8080)), /outbound from/);
  t.is(first.directRoutes.add(agent.pod.cookie, destination, [{ address: destination, weight: 1 }]), undefined);
  direct(second, agent.pod.cookie, destination);
  first.directRoutes.withdraw(before);
  first.directRoutes.clear();
  t.regex(await a.run(caller(b.address, 8080)), /app saw/, 'nor can the one before take it away');
});
