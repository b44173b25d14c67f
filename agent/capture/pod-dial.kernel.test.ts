import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { parseIp } from '@landbridge/core/ip-address.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { DIAL_KEY_BYTES, PRESENT, dialKey } from '@landbridge/ebpf/capture-layout.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import { BpfMap } from '@landbridge/native/bpf-map.ts';
import { errnoOf } from '@landbridge/native/errno.ts';
import { encodeMappedAddress, mappedBytes, portOf } from '@landbridge/native/socket-address.ts';
import { foreignSocketIn } from '@landbridge/native/sockets.ts';
import { close, closeByReset, connect, socketName, takeError } from '@landbridge/native/stream-socket.ts';
import { answerFor } from '../../test/mesh/answering-agent.ts';
import { caller, greeter, listener, pattern, sender } from '../../test/mesh/applications.ts';
import { Mesh } from '../../test/mesh/mesh.ts';
import type { MeshPod } from '../../test/mesh/mesh-pod.ts';
import { withPorts } from '../../test/mesh/pod-setting.ts';
import { textOf } from '../../test/mesh/socket-text.ts';
import { Capture, type CapturedPod } from './capture.ts';
import { REPLY_MARK } from './marks.ts';
import { dialAsClient, dialFromPod, type PodDial, settleDial } from './pod-dial.ts';

/* The agent is this process. Pod `app` is captured and dialled from inside, as if `client` had called it. */

const PORT = 8080;
/** A SYN that nobody answers is repeated after 1 s (RFC 6298, section 2): whatever is sooner was answered at once. */
const AT_ONCE_MS = 900;

let mesh: Mesh;
let client: MeshPod;
let app: MeshPod;

test.before(async () => {
  buildCaptureObject();
  mesh = await Mesh.open({ west: ['client', 'app'] });
  mesh.node('west').becomeAgent();
  [client, app] = [mesh.pod('client'), mesh.pod('app')];
});

test.after.always(async () => await mesh[Symbol.asyncDispose]());

const openCapture = (): Capture => new Capture(mesh.node('west'));

function bytes(text: string): Buffer {
  const ip = parseIp(text);
  if (!ip.ok) throw new Error(ip.error);
  return mappedBytes(ip.value);
}

/** Waits for a socket's connect to end: 0, or the errno. */
async function outcome(fd: number): Promise<number> {
  return await waitFor(() => {
    if (socketName(fd, 'peer') !== undefined) return 0;
    return takeError(fd) || undefined;
  }, { signal: new AbortController().signal, timeoutMs: 5000, everyMs: 1, what: 'a dial to end' });
}

/** How a dial ends, and whether that took no repetition of its SYN. */
async function endOf(pod: CapturedPod, dial: PodDial): Promise<{ readonly error: number; readonly isPrompt: boolean }> {
  const startedAtMs = performance.now();
  const error = await outcome(dial.fd);
  const isPrompt = performance.now() - startedAtMs < AT_ONCE_MS;
  settleDial(pod.handles, dial);
  close(dial.fd);
  return { error, isPrompt };
}

/** The dial as a connected socket of Node.js. */
async function connected(pod: CapturedPod, dial: PodDial): Promise<Socket> {
  const error = await outcome(dial.fd);
  settleDial(pod.handles, dial);
  if (error !== 0) throw new Error(`errno ${error}`);
  return new Socket({ fd: dial.fd, allowHalfOpen: true });
}

/** Captures a pod and carries what arrives in plaintext on to its application, with the client's address; returns what the clients were. */
async function relay(capture: Capture, { place }: MeshPod): Promise<{ readonly clients: readonly string[] } & AsyncDisposable> {
  const pod = capture.capture(place);
  const clients: string[] = [];
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
    const { remoteAddress = '', localAddress = '', localPort = 0 } = near;
    clients.push(remoteAddress);
    near.on('error', () => {});
    void connected(pod, dialAsClient(pod.handles, bytes(remoteAddress), bytes(localAddress), localPort)).then((far) => far.on('error', () => {}).pipe(near).pipe(far), () => near.resetAndDestroy());
  });
  const listening = once(server, 'listening');
  server.listen({ fd: pod.listeners.plaintext[0]! });
  await listening;
  for (const fd of [...pod.listeners.outbound, ...pod.listeners.hbone]) close(fd);
  return {
    clients,
    [Symbol.asyncDispose]: async () => {
      capture.release(pod);
      server.close();
    },
  };
}

test.serial('the application sees the address of the client, and what it says comes back', async (t) => {
  using capture = openCapture();
  await using agent = await answerFor(capture, app);
  const { handles } = agent.pod;
  await using _app = await app.start(greeter(PORT, '::'));
  for (const [from, to] of [[client.address, app.address], [client.address6, app.address6], ['192.0.2.9', app.address], ['2001:db8::9', app.address6]] as const) {
    const dial = dialAsClient(handles, bytes(from), bytes(to), PORT);
    t.is(await textOf(await connected(agent.pod, dial)), `app saw ${from.includes(':') ? '' : '::ffff:'}${from}`);
  }
  t.is(await textOf(await connected(agent.pod, dialFromPod(handles, bytes(app.address), PORT))), `app saw ::ffff:${app.address}`);
  t.is(await textOf(await connected(agent.pod, dialAsClient(handles, bytes(app.address), bytes(app.address), PORT))), `app saw ::ffff:${app.address}`, 'a pod that calls itself');
  t.is(await textOf(await connected(agent.pod, dialAsClient(handles, bytes(client.address6), bytes(app.address), PORT))), `app saw ::ffff:${app.address}`, 'a client of the other family');
});

test.serial('what comes over the network is carried on whole, both ways', async (t) => {
  await using sending = await app.start(sender(PORT, 3_000_000));
  using capture = openCapture();
  await using relaying = await relay(capture, app);
  const script = `let n = 0; const h = require('crypto').createHash('sha256'); const s = require('net').connect({ host: '${app.address}', port: ${PORT}, allowHalfOpen: true }); s.on('data', (d) => { n += d.length; h.update(d); }); s.on('error', (e) => console.log(e.code)); s.on('end', () => { console.log(n, h.digest('hex')); s.end(Buffer.alloc(2000000)); })`;
  t.is(await client.run([process.execPath, '-e', script]), `3000000 ${createHash('sha256').update(pattern(3_000_000)).digest('hex')}`);
  t.is(await sending.line(), '2000000');
  t.deepEqual(relaying.clients, [`::ffff:${client.address}`]);
});

test.serial('who calls over the network is seen with the address of its own', async (t) => {
  await using _app = await app.start(greeter(PORT));
  using capture = openCapture();
  await using _relaying = await relay(capture, app);
  t.is(await client.run(caller(app.address, PORT)), `${client.address} > ${app.address} ${PORT} app saw ${client.address}`);
  t.is(await mesh.node('west').run(caller(app.address, PORT)), `${mesh.node('west').address} > ${app.address} ${PORT} app saw ${mesh.node('west').address}`);
  t.is(await client.run(caller(app.address, 9)), 'ECONNRESET', 'a closed port');
});

test.serial('a closed port is refused at once, in both families', async (t) => {
  using capture = openCapture();
  await using agent = await answerFor(capture, app);
  for (const [from, to] of [[client.address, app.address], [client.address6, app.address6]] as const) {
    t.deepEqual(await endOf(agent.pod, dialAsClient(agent.pod.handles, bytes(from), bytes(to), 9)), { error: errnoOf('ECONNREFUSED'), isPrompt: true }, to);
  }
});

test.serial('nobody outside passes the agent by with the tuple of a dial, neither after it nor meanwhile', async (t) => {
  using capture = openCapture();
  await using agent = await answerFor(capture, app);
  await using _app = await app.start(greeter(PORT, '::'));
  const dials = new BpfMap(agent.pod.handles.dials, 'dials', 1);
  const dial = dialAsClient(agent.pod.handles, bytes(client.address), bytes(app.address), PORT);
  const localPort = portOf(socketName(dial.fd, 'local')!);
  t.true(dials.get(dial.key!) !== undefined);
  t.is(await outcome(dial.fd), 0);
  settleDial(agent.pod.handles, dial);
  t.is(dials.get(dial.key!), undefined);
  closeByReset(dial.fd);
  const same = caller(app.address, PORT, { localAddress: client.address, localPort });
  t.regex(await client.run(same), /plaintext for/, 'after it');
  // As while the dial is under way, for as long as an application with a full backlog may take.
  const key = dialKey(bytes(client.address), localPort + 1, bytes(app.address), PORT);
  dials.set(key, PRESENT);
  t.regex(await client.run(caller(app.address, PORT, { localAddress: client.address, localPort: localPort + 1 })), /plaintext for/, 'meanwhile');
});

test.serial('a dial that the kernel forgot is refused, not captured again', async (t) => {
  using capture = openCapture();
  await using agent = await answerFor(capture, app);
  await using _app = await app.start(greeter(PORT, '::'));
  for (const [from, to] of [[client.address, app.address], [client.address6, app.address6]] as const) {
    const fd = foreignSocketIn(agent.pod.handles.namespace, bytes(from), REPLY_MARK);
    connect(fd, encodeMappedAddress(bytes(to), PORT));
    t.deepEqual(await endOf(agent.pod, { fd, isConnected: false, key: undefined }), { error: errnoOf('ECONNREFUSED'), isPrompt: true }, to);
  }
  t.deepEqual(agent.accepted.plaintext, [0]);
});

/** Connects as the client, ends the connection before the application does, and returns the port it had. */
async function useOnce(pod: CapturedPod, from: string, to: string): Promise<number> {
  const socket = await connected(pod, dialAsClient(pod.handles, bytes(from), bytes(to), PORT));
  const { localPort = 0 } = socket;
  const closed = once(socket, 'close');
  socket.resume().end();
  await closed;
  return localPort;
}

test.serial('the port of a connection that has ended is used again, with more connections in a minute than there are ports', async (t) => {
  await using _ports = await withPorts(app, '40000 40019');
  using capture = openCapture();
  await using agent = await answerFor(capture, app);
  await using _app = await app.start(listener(PORT, '::'));
  for (const [from, to] of [[client.address, app.address], [client.address6, app.address6]] as const) {
    const used = new Set<number>();
    for (let i = 0; i < 60; i++) used.add(await useOnce(agent.pod, from, to));
    t.true(used.size > 2 && used.size <= 20, `${used.size} ports`);
  }
  t.is(new BpfMap(agent.pod.handles.dials, 'dials', 1).keys(DIAL_KEY_BYTES).length, 0);
});

test.serial('ports at which the pod listens, and those of connections from the same client, are left alone', async (t) => {
  await using _ports = await withPorts(app, '40000 40005');
  using capture = openCapture();
  await using agent = await answerFor(capture, app);
  await using _app = await app.start(listener(PORT));
  await using _other = await app.start(listener(40_001));
  const open: Socket[] = [];
  const dial = async (from: string): Promise<number> => {
    const socket = await connected(agent.pod, dialAsClient(agent.pod.handles, bytes(from), bytes(app.address), PORT));
    open.push(socket.on('error', () => {}));
    return socket.localPort ?? 0;
  };
  const own: number[] = [];
  for (let i = 0; i < 5; i++) own.push(await dial(client.address));
  t.deepEqual(own.sort(), [40_000, 40_002, 40_003, 40_004, 40_005]);
  await t.throwsAsync(dial(client.address), { message: /EADDRINUSE/ }, 'none is left');
  t.not(await dial('192.0.2.9'), 40_001, 'to another client they are free');
  t.is(new BpfMap(agent.pod.handles.dials, 'dials', 1).keys(DIAL_KEY_BYTES).length, 0);
  for (const socket of open) socket.destroy();
});

test.serial('a data thread dials with what it is told of the pod', async (t) => {
  using capture = openCapture();
  await using agent = await answerFor(capture, app);
  await using _app = await app.start(greeter(PORT));
  const script = `import { parentPort, workerData } from 'node:worker_threads';
    import { dialAsClient } from '${import.meta.resolve('./pod-dial.ts')}';
    const { handles, client, ip } = workerData;
    const home = (await import('node:fs')).readlinkSync('/proc/thread-self/ns/net');
    const dial = dialAsClient(handles, client, ip, ${PORT});
    parentPort.postMessage({ dial, isHome: home === (await import('node:fs')).readlinkSync('/proc/thread-self/ns/net') });`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), { workerData: { handles: agent.pod.handles, client: bytes(client.address), ip: bytes(app.address) } });
  const [{ dial, isHome }] = (await once(worker, 'message')) as [{ dial: PodDial; isHome: boolean }];
  t.true(isHome);
  t.is(await textOf(await connected(agent.pod, { ...dial, key: Buffer.from(dial.key!) })), `app saw ${client.address}`);
  await worker.terminate();
});
