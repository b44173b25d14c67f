import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { Socket } from 'node:net';
import path from 'node:path';
import test from 'ava';
import { addressBytes } from '@landbridge/ebpf/capture-layout.ts';
import { CAPTURE_ABI } from '@landbridge/ebpf/capture-object.ts';
import type { SystemCallError } from '@landbridge/native/errno.ts';
import { FileDescriptor } from '@landbridge/native/libc.ts';
import { abandon, answerFor } from '../../test/mesh/answering-agent.ts';
import { binder, caller, datagramBinder, greeter, manyCallers, markedCaller, repeatedCaller, tirelessCaller } from '../../test/mesh/applications.ts';
import { HOOKS } from '../../test/mesh/interface-hooks.ts';
import type { Mesh } from '../../test/mesh/mesh.ts';
import type { MeshPod } from '../../test/mesh/mesh-pod.ts';
import { withPorts } from '../../test/mesh/pod-setting.ts';
import { twoPods } from '../../test/mesh/two-pods.ts';
import { captureTraces } from '../../test/mesh/capture-traces.ts';
import { textOf } from '../../test/mesh/socket-text.ts';
import { Capture, type CaptureOptions } from './capture.ts';
import { AGENT_MARK, REPLY_BIT, REPLY_MARK } from './marks.ts';
import { dialAsClient } from './pod-dial.ts';

/* The agent is this process. Everything is below one cgroup and one bpf file system. */

let mesh: Mesh;
let a: MeshPod;
let b: MeshPod;

test.before(async () => {
  ({ mesh, a, b } = await twoPods());
});

test.after.always(async () => await mesh[Symbol.asyncDispose]());

const openCapture = (options: Partial<CaptureOptions> = {}): Capture => new Capture({ ...mesh.node('west'), ...options });
const pins = (): string => path.join(mesh.node('west').bpfRoot, 'landbridge', String(CAPTURE_ABI));
const onNode = async (argv: readonly string[]): Promise<string> => await mesh.node('west').run(argv);

test.serial('connections of a captured pod come to the agent, which learns where they were to go', async (t) => {
  using capture = openCapture();
  await using agent = await answerFor(capture, a);
  // The application sees the peer that it asked for, and leaves with its own address.
  t.is(await a.run(caller('192.0.2.7', 4321)), `${a.address} > 192.0.2.7 4321 outbound from ${a.address} to 192.0.2.7 4321`);
  t.is(await a.run(caller('::ffff:192.0.2.8', 80)), `::ffff:${a.address} > ::ffff:192.0.2.8 80 outbound from ${a.address} to 192.0.2.8 80`);
  t.is(await a.run(caller('2001:db8::9', 81)), `${a.address6} > 2001:db8::9 81 outbound from ${a.address6} to 2001:db8::9 81`);
  t.is(await a.run(caller('192.0.2.7', 4321, { localAddress: '127.0.0.1' })), '127.0.0.1 > 192.0.2.7 4321 outbound from 127.0.0.1 to 192.0.2.7 4321', 'from an address of its own choice');
  t.is(await a.run(caller('192.0.2.7', 4321, { localAddress: a.address, localPort: 40_001 })), `${a.address} > 192.0.2.7 4321 outbound from ${a.address} to 192.0.2.7 4321`);
  t.deepEqual(agent.accepted.outbound, [5]);
  // What was not redirected has nowhere to go.
  for (const host of [a.address, '127.0.0.1']) t.notRegex(await a.run(caller(host, 15001)), /outbound from \S+ to [0-9]/, host);
  t.regex(await b.run(caller(a.address, 15001)), /outbound from 10\.199\.1\.3 to undefined/);
});

test.serial('many connections at once keep their own destinations', async (t) => {
  using capture = openCapture();
  await using _a = await answerFor(capture, a);
  t.is(await a.run(manyCallers(300)), 'done');
});

test.serial('a pod begins more connections in a minute than it has ports', async (t) => {
  using capture = openCapture();
  await using _a = await answerFor(capture, a, { endsLast: true });
  await using _ports = await withPorts(a, '40000 40019');
  t.is(await a.run(tirelessCaller(50)), 'done');
});

test.serial('arriving connections go to the listener of their kind, whatever the application listens on', async (t) => {
  await using _app = await b.start(greeter(8080));
  t.regex(await a.run(caller(b.address, 8080)), /app saw 10\.199\.1\.2$/);
  using capture = openCapture();
  await using agent = await answerFor(capture, b);
  t.regex(await a.run(caller(b.address, 8080)), /plaintext for 10\.199\.1\.3 8080 from 10\.199\.1\.2$/);
  t.regex(await a.run(caller(b.address, 9)), /plaintext for 10\.199\.1\.3 9 from/, 'a port that nobody listens on');
  t.regex(await a.run(caller(b.address, 15008)), /hbone for 10\.199\.1\.3 15008 from/);
  t.regex(await onNode(caller(b.address, 8080)), /plaintext for/, 'from the node');
  // The agent's own dial, from inside the pod, reaches the application.
  const dial = new Socket({ fd: agent.pod.socket('IPv4'), allowHalfOpen: true });
  dial.connect({ host: b.address, port: 8080 });
  t.is(await textOf(dial), 'app saw 10.199.1.3');
});

test.serial('what a pod says to itself stays in it', async (t) => {
  await using _app = await a.start(greeter(8080));
  using capture = openCapture();
  await using _a = await answerFor(capture, a);
  t.regex(await a.run(caller('127.0.0.1', 8080)), /app saw 127\.0\.0\.1$/);
  t.regex(await a.run(caller(a.address, 8080)), /app saw 10\.199\.1\.2$/);
});

test.serial('the sockets of the agent are not redirected', async (t) => {
  await using _app = await b.start(greeter(8080));
  using capture = openCapture();
  await using agent = await answerFor(capture, a);
  const dial = new Socket({ fd: agent.pod.socket('IPv4'), allowHalfOpen: true });
  dial.connect({ host: b.address, port: 8080 });
  t.is(await textOf(dial), 'app saw 10.199.1.2');
});

test.serial('no mark that a pod sets takes its connections past the agent', async (t) => {
  await using _app = await b.start(greeter(8080));
  using capture = openCapture();
  await using _a = await answerFor(capture, a);
  for (const mark of [AGENT_MARK, REPLY_MARK, REPLY_BIT]) {
    t.regex(await a.run(markedCaller(b.address, 8080, mark)), /outbound from 10\.199\.1\.2 to 10\.199\.1\.3 8080$/, `mark ${mark}`);
  }
  await using _b = await answerFor(capture, b);
  t.regex(await onNode(markedCaller(b.address, 8080, REPLY_MARK)), /plaintext for/, 'nor one from outside');
});

test.serial('the kernel spreads connections over the sockets of all threads', async (t) => {
  using capture = openCapture({ threads: 4 });
  await using agent = await answerFor(capture, a);
  t.deepEqual(Object.entries(agent.pod.listeners).map(([kind, { length }]) => `${kind} ${length}`), ['outbound 4', 'plaintext 4', 'hbone 4', 'dns 0', 'dnsDatagrams 0']);
  t.is(await a.run(manyCallers(200)), 'done');
  for (const port of [8080, 15008]) t.is(await b.run(repeatedCaller(a.address, port, 100)), 'done 100');
  for (const [kind, expected] of [['outbound', 200], ['plaintext', 100], ['hbone', 100]] as const) {
    const accepted = agent.accepted[kind];
    t.is(accepted.reduce((sum, count) => sum + count), expected, kind);
    // Each socket's share is a quarter; that one of 100 has less than 5 is as good as impossible.
    t.true(accepted.every((count) => count >= 5), `${kind}: ${accepted.join(', ')}`);
  }
});

test.serial('nobody else in a captured pod can share the ports of the agent', async (t) => {
  {
    await using _squatter = await a.start(greeter(15001, '0.0.0.0', { reusePort: true }));
    using capture = openCapture();
    t.is((t.throws(() => capture.capture(a.place)) as SystemCallError).errno, 'EADDRINUSE', 'one who was there first');
  }
  using capture = openCapture();
  {
    await using _a = await answerFor(capture, a);
    for (const port of [15001, 15006, 15008, 15053]) {
      for (const host of ['127.0.0.1', '::ffff:127.0.0.1', '0.0.0.0', '::']) t.regex(await a.run(binder(port, host)), /EPERM|EACCES/, `${host} ${port}`);
    }
    for (const port of [15053, 15056]) t.regex(await a.run(datagramBinder(port, '::')), /EPERM|EACCES/, `datagrams ${port}`);
    for (const port of [15001, 15052, 15057]) t.is(await a.run(datagramBinder(port, '::')), 'bound', `datagrams ${port}`);
    t.is(await a.run(binder(15002, '127.0.0.1')), 'bound');
    t.is(await b.run(binder(15001, '127.0.0.1')), 'bound', 'a pod that is not captured');
  }
  t.is(await a.run(binder(15001, '0.0.0.0')), 'bound', 'released');
});

test.serial('without an agent a captured pod is refused, both ways, and never bypassed', async (t) => {
  await using _app = await b.start(greeter(8080));
  {
    using capture = openCapture();
    for (const pod of [a, b]) await abandon(capture, pod);
  }
  t.is(await a.run(caller(b.address, 8080)), 'ECONNREFUSED');
  t.is(await a.run(caller('192.0.2.7', 4321)), 'ECONNREFUSED');
  t.is(await onNode(caller(b.address, 8080)), 'ECONNREFUSED');
  // The next agent takes over what is pinned.
  using capture = openCapture();
  await using _a = await answerFor(capture, a);
  await using _b = await answerFor(capture, b);
  t.regex(await a.run(caller('192.0.2.7', 4321)), /to 192\.0\.2\.7 4321$/);
  t.regex(await onNode(caller(b.address, 8080)), /plaintext for/);
});

test.serial('a released pod goes its own way again, and nothing of the capture stays in it', async (t) => {
  await using _app = await b.start(greeter(8080));
  using capture = openCapture();
  const before = captureTraces(a, pins());
  {
    await using agent = await answerFor(capture, a);
    await using _b = await answerFor(capture, b);
    t.regex(await a.run(caller(b.address, 8080)), /outbound from/);
    // One that never is settled.
    new FileDescriptor(dialAsClient(agent.pod.handles, addressBytes('192.0.2.1'), addressBytes(a.address), 8080).fd)[Symbol.dispose]();
    const during = captureTraces(a, pins());
    t.is(during.rules.length, before.rules.length + 2, 'a rule for each family');
    t.is(during.routes.length, before.routes.length + 2);
    t.deepEqual(during.maps, { pods: 2, listeners: 12, dials: 1 });
  }
  t.deepEqual(captureTraces(a, pins()), before);
  t.regex(await a.run(caller(b.address, 8080)), /app saw 10\.199\.1\.2$/);
});

for (const { hook, runs } of HOOKS) {
  (runs ? test.serial : test.serial.skip)(`${hook}: what earlier agents left of pods that are not captured any more is forgotten`, async (t) => {
    await using _app = await b.start(greeter(8080));
    // As in every pod that lives, a process is in it.
    await using _other = await a.start(greeter(8080));
    {
      using capture = openCapture({ hook });
      await abandon(capture, a);
    }
    using capture = openCapture({ hook });
    t.is(await a.run(caller(b.address, 8080)), 'ECONNREFUSED');
    mkdirSync(path.join(pins(), '..', '1', 'links'), { recursive: true });
    capture.forgetAllBut([]);
    t.regex(await a.run(caller(b.address, 8080)), /app saw/);
    t.deepEqual(readdirSync(path.join(pins(), 'netns')), []);
    t.deepEqual(readdirSync(path.join(pins(), '..')), [String(CAPTURE_ABI)], 'and what had another layout');
  });
}

test.serial('removing leaves no pin', (t) => {
  using capture = openCapture();
  t.true(existsSync(pins()));
  capture.remove();
  t.false(existsSync(path.dirname(pins())));
});
