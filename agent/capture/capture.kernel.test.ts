import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server, Socket } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { findCgroup2 } from '../config.ts';
import { Capture, type CapturedPod } from './capture.ts';

/*
 * The agent is this process, in a cgroup of its own. Pods are network namespaces with a veth pair to a bridge, as a
 * CNI makes them; what runs in a pod runs in the pod's cgroup. Everything is below one cgroup and one bpffs pin.
 */

const NAME = `lbk${process.pid}`;
const cgroup2 = findCgroup2();
const root = path.join(cgroup2, NAME);
const sh = (script: string): string => execFileSync('sh', ['-ec', script], { encoding: 'utf8' });
const own = path.join(cgroup2, (/^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/').slice(1), 'cgroup.procs');
const pods = { a: { ns: `${NAME}-a`, ip: '10.199.0.2' }, b: { ns: `${NAME}-b`, ip: '10.199.0.3' } } as const;
let bpf = '';

test.before(() => {
  buildCaptureObject();
  for (const name of ['agent', 'pods']) mkdirSync(path.join(root, name), { recursive: true });
  writeFileSync(path.join(root, 'agent', 'cgroup.procs'), String(process.pid));
  bpf = mkdtempSync('/run/landbridge-bpf-');
  sh(`mount -t bpf bpf ${bpf}`);
  sh(`ip netns add ${NAME}-n; ip -n ${NAME}-n link add br0 type bridge; ip -n ${NAME}-n addr add 10.199.0.1/24 dev br0; ip -n ${NAME}-n link set br0 up; ip -n ${NAME}-n link set lo up`);
  for (const [name, { ns, ip }] of Object.entries(pods)) {
    sh(`ip netns add ${ns}
      ip -n ${NAME}-n link add v${name} type veth peer name eth0 netns ${ns}
      ip -n ${NAME}-n link set v${name} master br0 up
      ip -n ${ns} link set lo up; ip -n ${ns} addr add ${ip}/24 dev eth0; ip -n ${ns} link set eth0 up; ip -n ${ns} route add default via 10.199.0.1`);
  }
});

test.after.always(() => {
  sh(`umount ${bpf}; rmdir ${bpf}; for n in ${NAME}-n ${pods.a.ns} ${pods.b.ns}; do ip netns delete $n; done`);
  writeFileSync(own, String(process.pid));
  for (const name of ['agent', 'pods', '']) rmdirSync(path.join(root, name));
});

const openCapture = (): Capture => new Capture({ cgroupRoot: root, bpfRoot: bpf });
const place = (name: keyof typeof pods): { uid: string; address: string; namespacePath: string } => ({ uid: `uid-${name}`, address: pods[name].ip, namespacePath: `/run/netns/${pods[name].ns}` });

/** Runs a program of node in a pod: its cgroup and its network namespace. Returns its standard output. */
async function inPod(name: keyof typeof pods | 'node', script: string): Promise<string> {
  const ns = name === 'node' ? `${NAME}-n` : pods[name].ns;
  const child = spawn('sh', ['-ec', `echo $$ > ${path.join(root, 'pods', 'cgroup.procs')}; exec ip netns exec ${ns} "$0" -e "$1"`, process.execPath, script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  await once(child, 'close');
  return out.trim();
}

/** A program in a pod that listens and answers who called; ended when disposed of. */
async function serveInPod(name: keyof typeof pods, port: number): Promise<AsyncDisposable> {
  const script = `require('net').createServer((s) => s.end('app saw ' + s.remoteAddress)).listen({ port: ${port}, host: '0.0.0.0' }, () => console.log('ready'))`;
  const child = spawn('sh', ['-ec', `echo $$ > ${path.join(root, 'pods', 'cgroup.procs')}; exec ip netns exec ${pods[name].ns} "$0" -e "$1"`, process.execPath, script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(createInterface({ input: child.stdout }), 'line');
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      await closed;
    },
  };
}

const connectScript = (host: string, port: number, extra = ''): string => `const s = require('net').connect({ host: '${host}', port: ${port}${extra} }); let t = ''; s.on('connect', () => t += s.localAddress + ' > ' + s.remoteAddress + ' ' + s.remotePort + ' '); s.on('data', (d) => t += d); s.on('error', (e) => console.log(e.code)); s.on('end', () => console.log(t))`;

/** Serves a listener of a captured pod; the answer says which one took the connection. */
async function answer(fd: number, text: (socket: Socket) => string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(text(socket));
  });
  const listening = once(server, 'listening');
  server.listen({ fd });
  await listening;
  return server;
}

const outboundText = (pod: CapturedPod) => (socket: Socket): string => {
  const destination = pod.originalDestination({ ip: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 });
  return `outbound from ${socket.remoteAddress} to ${destination?.ip} ${destination?.port}`;
};

/** Captures a pod and answers on all its listeners for as long as the test runs. */
async function captured(capture: Capture, name: keyof typeof pods): Promise<{ pod: CapturedPod } & AsyncDisposable> {
  const pod = capture.capture(place(name));
  const servers = [
    await answer(pod.listeners.outbound, outboundText(pod)),
    await answer(pod.listeners.plaintext, (socket) => `plaintext for ${socket.localAddress} ${socket.localPort}`),
    await answer(pod.listeners.hbone, (socket) => `hbone for ${socket.localAddress} ${socket.localPort}`),
  ];
  return {
    pod,
    [Symbol.asyncDispose]: async () => {
      capture.release(pod);
      for (const server of servers) server.close();
    },
  };
}

test.serial('connections of a captured pod come to the agent, which learns where they were to go', async (t) => {
  using capture = openCapture();
  await using _a = await captured(capture, 'a');
  // The application sees the peer that it asked for, and leaves with its own address.
  t.is(await inPod('a', connectScript('192.0.2.7', 4321)), `${pods.a.ip} > 192.0.2.7 4321 outbound from ${pods.a.ip} to 192.0.2.7 4321`);
  t.is(await inPod('a', connectScript('::ffff:192.0.2.8', 80)), `::ffff:${pods.a.ip} > ::ffff:192.0.2.8 80 outbound from ${pods.a.ip} to 192.0.2.8 80`);
  t.is(await inPod('a', connectScript('2001:db8::9', 81)), `::ffff:${pods.a.ip} > 2001:db8::9 81 outbound from ${pods.a.ip} to 2001:db8::9 81`);
});

test.serial('many connections at once keep their own destinations', async (t) => {
  using capture = openCapture();
  await using _a = await captured(capture, 'a');
  const script = `let left = 300; for (let i = 0; i < 300; i++) { const s = require('net').connect(1000 + i, '192.0.2.' + (i % 200 + 1)); let t = ''; s.on('data', (d) => t += d); s.on('error', (e) => { console.log(e.code); }); s.on('end', () => { if (!t.endsWith(' to 192.0.2.' + (i % 200 + 1) + ' ' + (1000 + i))) console.log('wrong', i, t); if (--left === 0) console.log('done'); }); }`;
  t.is(await inPod('a', script), 'done');
});

test.serial('arriving connections go to the listener of their kind, whatever the application listens on', async (t) => {
  await using _app = await serveInPod('b', 8080);
  t.regex(await inPod('a', connectScript(pods.b.ip, 8080)), /app saw 10\.199\.0\.2$/);
  using capture = openCapture();
  await using b = await captured(capture, 'b');
  t.regex(await inPod('a', connectScript(pods.b.ip, 8080)), /plaintext for 10\.199\.0\.3 8080$/);
  t.regex(await inPod('a', connectScript(pods.b.ip, 9)), /plaintext for 10\.199\.0\.3 9$/, 'a port that nobody listens on');
  t.regex(await inPod('a', connectScript(pods.b.ip, 15008)), /hbone for 10\.199\.0\.3 15008$/);
  t.regex(await inPod('node', connectScript(pods.b.ip, 8080)), /plaintext for/, 'from the node, as a kubelet probes');
  // The agent's own dial, from inside the pod, reaches the application.
  const dial = new Socket({ fd: b.pod.socket('IPv4'), allowHalfOpen: true });
  dial.connect({ host: pods.b.ip, port: 8080 });
  const chunks: Buffer[] = [];
  for await (const chunk of dial) chunks.push(chunk as Buffer);
  t.is(Buffer.concat(chunks).toString(), 'app saw 10.199.0.3');
});

test.serial('what a pod says to itself stays in it', async (t) => {
  await using _app = await serveInPod('a', 8080);
  using capture = openCapture();
  await using _a = await captured(capture, 'a');
  t.regex(await inPod('a', connectScript('127.0.0.1', 8080)), /app saw 127\.0\.0\.1$/);
  t.regex(await inPod('a', connectScript(pods.a.ip, 8080)), /app saw 10\.199\.0\.2$/);
});

test.serial('the sockets of the agent are not redirected', async (t) => {
  await using _app = await serveInPod('b', 8080);
  using capture = openCapture();
  await using a = await captured(capture, 'a');
  const dial = new Socket({ fd: a.pod.socket('IPv4'), allowHalfOpen: true });
  dial.connect({ host: pods.b.ip, port: 8080 });
  const chunks: Buffer[] = [];
  for await (const chunk of dial) chunks.push(chunk as Buffer);
  t.is(Buffer.concat(chunks).toString(), 'app saw 10.199.0.2');
});

test.serial('without an agent a captured pod is refused, both ways, and never bypassed', async (t) => {
  await using _app = await serveInPod('b', 8080);
  {
    using capture = openCapture();
    for (const name of ['a', 'b'] as const) {
      const pod = capture.capture(place(name));
      for (const fd of Object.values(pod.listeners)) (await answer(fd, () => '')).close();
      pod[Symbol.dispose]();
    }
  }
  t.is(await inPod('a', connectScript(pods.b.ip, 8080)), 'ECONNREFUSED');
  t.is(await inPod('a', connectScript('192.0.2.7', 4321)), 'ECONNREFUSED');
  t.is(await inPod('node', connectScript(pods.b.ip, 8080)), 'ECONNREFUSED');
  // The next agent takes over what is pinned.
  using capture = openCapture();
  await using _a = await captured(capture, 'a');
  await using _b = await captured(capture, 'b');
  t.regex(await inPod('a', connectScript('192.0.2.7', 4321)), /to 192\.0\.2\.7 4321$/);
  t.regex(await inPod('node', connectScript(pods.b.ip, 8080)), /plaintext for/);
});

test.serial('a released pod goes its own way again', async (t) => {
  await using _app = await serveInPod('b', 8080);
  using capture = openCapture();
  {
    await using _a = await captured(capture, 'a');
    await using _b = await captured(capture, 'b');
    t.regex(await inPod('a', connectScript(pods.b.ip, 8080)), /outbound from/);
  }
  t.regex(await inPod('a', connectScript(pods.b.ip, 8080)), /app saw 10\.199\.0\.2$/);
});

test.serial('what earlier agents left of pods that are gone is forgotten', async (t) => {
  await using _app = await serveInPod('b', 8080);
  {
    using capture = openCapture();
    const pod = capture.capture(place('a'));
    for (const fd of Object.values(pod.listeners)) (await answer(fd, () => '')).close();
    pod[Symbol.dispose]();
  }
  using capture = openCapture();
  t.is(await inPod('a', connectScript(pods.b.ip, 8080)), 'ECONNREFUSED');
  capture.forgetAllBut([]);
  t.regex(await inPod('a', connectScript(pods.b.ip, 8080)), /app saw/);
  t.deepEqual(readdirSync(path.join(bpf, 'landbridge', '1', 'netns')), []);
});

test.serial('removing leaves no pin', (t) => {
  using capture = openCapture();
  t.true(existsSync(path.join(bpf, 'landbridge')));
  capture.remove();
  t.false(existsSync(path.join(bpf, 'landbridge')));
});
