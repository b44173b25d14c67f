import { createHash } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import type { AuthorizationPolicy } from '@landbridge/core/authorization.ts';
import { buildAccelerationObject } from '@landbridge/ebpf/build.ts';
import { eventually } from '../agents/eventually.ts';
import { pattern } from './applications.ts';
import { CarriedPods } from './carried-pods.ts';
import type { Mesh } from './mesh.ts';
import type { MeshPod } from './mesh-pod.ts';
import { twoPods } from './two-pods.ts';
import type { Program } from './program.ts';
import { streamClient, streamServer } from './stream-programs.ts';

/* Pods `a` and `b` of one node, whose agent is this process. What applications meet is in docs/acceleration.md; the numbers of its table are those of the tests. */

const PORT = 8080;
const MIB = 1024 * 1024;
/** MAX_UNREAD of acceleration.bpf.c. */
const MAX_UNREAD = MIB;
const WITHIN_MS = 10_000;
const CUT_WITHIN_MS = 1000;

let mesh: Mesh;
let a: MeshPod;
let b: MeshPod;

test.before(async () => {
  buildAccelerationObject();
  ({ mesh, a, b } = await twoPods());
});

test.after.always(async () => await mesh[Symbol.asyncDispose]());

const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

interface Talk extends AsyncDisposable {
  readonly carried: CarriedPods;
  readonly server: Program;
  readonly client: Program;
}

/** Two programs of both pods under way, `b` serving. */
async function talk(server: string, client: string, accelerated: readonly string[] = ['a', 'b']): Promise<Talk> {
  const stack = new AsyncDisposableStack();
  const carried = stack.use(await CarriedPods.carry(mesh.node('west'), { accelerated }));
  const serving = stack.use(await b.start(streamServer(PORT, server)));
  const calling = stack.use(await a.start(streamClient(b.address, PORT, client)));
  return { carried, server: serving, client: calling, [Symbol.asyncDispose]: async () => await stack.disposeAsync() };
}

const goOn = ({ pid }: Program): void => void process.kill(pid, 'SIGUSR1');
const isEmpty = (t: ExecutionContext, carried: CarriedPods): Promise<unknown> => eventually(() => carried.traces(), ({ directions, sockets }) => directions === 0 && sockets === 0, WITHIN_MS).then(() => t.pass());

test.serial('what joined applications say goes past the agent, and is counted as if it had carried it', async (t) => {
  await using under = await talk('s = connection()\nfor _ in range(100): s.sendall(take(s, 1000) * 2)\nsay(drain(s))', 's = connection()\nfor _ in range(100):\n  s.sendall(pattern(1000))\n  take(s, 2000)\nsay("done")\nwait()\ns.shutdown(socket.SHUT_WR)\nsay(drain(s))');
  t.is(await under.client.line(), 'done');
  const [sentBytes, receivedBytes] = [4 + 100_000, 4 + 200_000];
  t.deepEqual((await under.carried.connections()).map((view) => [view.direction, view.sentBytes, view.receivedBytes]).sort(), [['inbound', sentBytes, receivedBytes], ['outbound', sentBytes, receivedBytes]]);
  // All but the first words.
  t.true(under.carried.pastTheAgent() >= 300_000);
  t.deepEqual((await under.carried.reported()).bytes, { inbound: { sent: sentBytes, received: receivedBytes }, outbound: { sent: sentBytes, received: receivedBytes } });
  goOn(under.client);
  t.regex(await under.server.line(), /^\('end', 0,/);
  t.regex(await under.client.line(), /^\('end', 0,/);
  await isEmpty(t, under.carried);
  const { ends, bytes } = await under.carried.reported();
  t.deepEqual(ends.map((end) => [end.flag, end.error, end.sentBytes, end.receivedBytes]), Array.from({ length: 2 }, () => ['-', undefined, sentBytes, receivedBytes]));
  t.deepEqual(bytes.inbound, { sent: sentBytes, received: receivedBytes }, 'nothing is counted twice');
});

for (const accelerated of [['a'], ['b']]) {
  test.serial(`nothing goes past the agent where only ${accelerated.join()} asks for it`, async (t) => {
    await using under = await talk('s = connection()\nsay(drain(s))', 's = connection()\nsay("done")\nwait()', accelerated);
    t.is(await under.client.line(), 'done');
    t.is(under.carried.pastTheAgent(), 0);
    t.is(under.carried.traces().sockets, 0, 'its socket is an ordinary one again');
  });
}

test.serial('a policy that forbids a joined connection cuts it at once', async (t) => {
  await using under = await talk('s = connection()\nsay(drain(s))', 's = connection()\nsay("joined")\nsay(drain(s))');
  t.is(await under.client.line(), 'joined');
  t.true(under.carried.pastTheAgent() > 0);
  const began = performance.now();
  under.carried.setPolicies('b', [{ namespace: 'test', name: 'nobody', scope: 'namespace', action: 'allow', rules: [], dryRun: false, unevaluable: undefined } satisfies AuthorizationPolicy]);
  t.regex(await under.client.line(), /^\('ECONNRESET', 0,/);
  t.regex(await under.server.line(), /^\('ECONNRESET', 0,/);
  t.true(performance.now() - began < CUT_WITHIN_MS);
  await isEmpty(t, under.carried);
  t.deepEqual((await under.carried.reported()).ends.map(({ flag }) => flag), ['DENY', 'DENY']);
});

test.serial('64 MiB are what they were, past the agent first and by it from then on, in both directions', async (t) => {
  const bytes = 64 * MIB;
  await using under = await talk(`s = connection()\nsay(drain(s))\ns.sendall(pattern(${bytes}))\ns.close()`, `s = connection()\ns.sendall(pattern(${bytes}))\ns.shutdown(socket.SHUT_WR)\nsay(drain(s))`);
  const told = `('end', ${bytes}, '${sha(pattern(bytes))}')`;
  t.is(await under.server.line(), told);
  t.is(await under.client.line(), told);
  const { ends } = await under.carried.reported();
  t.deepEqual(ends.map((end) => [end.flag, end.sentBytes, end.receivedBytes]), Array.from({ length: 2 }, () => ['-', 4 + bytes, 4 + bytes]));
});

test.serial('200,000 tiny writes come in their order', async (t) => {
  const count = 200_000;
  await using under = await talk(`s = connection()\nsay(drain(s))`, `s = connection()\nfor i in range(${count}): s.sendall(struct.pack('<I', i))\ns.shutdown(socket.SHUT_WR)\nsay(drain(s))`);
  const words = Buffer.from(new Uint32Array(count).map((_, i) => i).buffer);
  t.is(await under.server.line(), `('end', ${words.length}, '${sha(words)}')`);
});

test.serial('200 times a close right after a write loses nothing', async (t) => {
  await using under = await talk(`whole = 0\nfor _ in range(200):\n  s = connection()\n  whole += drain(s) == ('end', 65536, digest(pattern(65536)))\n  s.close()\nsay(whole)`, `for _ in range(200):\n  s = connection()\n  s.sendall(pattern(65536))\n  s.close()\nsay('done')`);
  t.is(await under.server.line(), '200');
  await isEmpty(t, under.carried);
});

test.serial('a response waits for its reader, although both ends have sent their last', async (t) => {
  // Linux before 5.16 took the queue of messages from a socket that had had both FINs. Later ones keep it, and the agent keeps the second one.
  await using under = await talk(`s = connection()\nsay(drain(s))\ns.sendall(pattern(100000))\ns.close()\nsay('closed')`, `s = connection()\ns.sendall(b'!')\ns.shutdown(socket.SHUT_WR)\nwait()\nsay(drain(s))`);
  t.regex(await under.server.line(), /^\('end', 1,/);
  t.is(await under.server.line(), 'closed');
  t.true(under.carried.pastTheAgent() >= 100_000);
  goOn(under.client);
  t.is(await under.client.line(), `('end', 100000, '${sha(pattern(100_000))}')`);
  await isEmpty(t, under.carried);
});

test.serial('a peer that does not read has a bounded number of bytes in its queue, and the sender is stopped', async (t) => {
  const offered = 256 * MIB;
  await using under = await talk(`s = connection()\nwait()\nsay(drain(s))`, `s = connection()\ns.setblocking(False)\nsent = 0\nwhile sent < ${offered} and select.select([], [s], [], 1)[1]:\n  try: sent += s.send(pattern(65536))\n  except BlockingIOError: pass\nsay(sent)\ns.settimeout(60)\ns.shutdown(socket.SHUT_WR)\nsay(drain(s))`);
  const sent = Number(await under.client.line());
  t.true(sent > MAX_UNREAD / 2 && sent < 32 * MIB, `${sent} bytes until it was stopped`);
  t.true(under.carried.pastTheAgent() <= MAX_UNREAD + 8, `${under.carried.pastTheAgent()} bytes past the agent`);
  goOn(under.server);
  const [end, count] = JSON.parse((await under.server.line()).replace(/^\(/, '[').replace(/\)$/, ']').replaceAll("'", '"')) as [string, number];
  t.deepEqual([end, count], ['end', sent]);
});

for (const blocks of ['server', 'client']) {
  test.serial(`sockets that block are ordinary ones: a ${blocks} whose recv() waits`, async (t) => {
    // In an accelerated socket it would come back with EAGAIN: when its own FIN is acknowledged, after a reset, or when there is room to send.
    const setUp = (who: string): string => (who === blocks ? 'socket.setdefaulttimeout(None)' : '');
    await using under = await talk(`${setUp('server')}\ns = connection()\nsay(drain(s))\ns.sendall(b'end')\ns.close()`, `${setUp('client')}\ns = connection()\nsay("ready")\nwait()\ns.shutdown(socket.SHUT_WR)\nsay(drain(s))`);
    t.is(await under.client.line(), 'ready');
    t.deepEqual(under.carried.traces(), { directions: 0, sockets: 0 });
    goOn(under.client);
    t.is(await under.client.line(), `('end', 3, '${sha(Buffer.from('end'))}')`);
    t.is((await under.carried.connections()).length, 0);
  });
}

test.serial('who reads until a read is short, and waits for an edge then, misses nothing', async (t) => {
  // Two queues with bytes in both would be one edge: what is read second would lie there until more comes.
  const [rounds, bytes] = [30, 3 * MIB + 17];
  const server = `s = connection()\ns.setblocking(False)\ne = select.epoll()\ne.register(s, select.EPOLLIN | select.EPOLLET)\nfor _ in range(${rounds}):\n  count = 0\n  while count < ${bytes}:\n    if not e.poll(10): raise TimeoutError(count)\n    part = s.recv(8192)\n    while len(part) == 8192:\n      count += len(part)\n      try: part = s.recv(8192)\n      except BlockingIOError: part = b''\n    count += len(part)\n  s.send(b'!')\nsay('all')`;
  await using under = await talk(server, `s = connection()\nfor _ in range(${rounds}):\n  s.sendall(pattern(${bytes}))\n  take(s, 1)\nsay('done')\nwait()`);
  t.is(await under.server.line(), 'all');
  t.is(await under.client.line(), 'done');
  t.true(under.carried.pastTheAgent() >= rounds / 2 * MAX_UNREAD, 'much of it went past the agent');
});

test.serial('bytes by TCP wait for a reader who has messages, since one edge would tell of both and a short read be the last', async (t) => {
  // Fills the queue of messages to less than one more send, and not to a multiple of what is read at once: what is sent then goes by TCP.
  const [messages, more] = [100 * 10_007, 65_536];
  const reads = `e = select.epoll()\ne.register(s, select.EPOLLIN | select.EPOLLET)\ns.setblocking(False)\ncount = 0\nwhile count < ${messages + more} and e.poll(5):\n  part = b'x' * 8192\n  while len(part) == 8192:\n    try: part = s.recv(8192)\n    except BlockingIOError: part = b''\n    count += len(part)\nsay(count)`;
  // Until the agent's side has everything (SIOCOUTQ).
  const sends = `for _ in range(100): s.sendall(pattern(10007))\ns.sendall(pattern(${more}))\nwhile struct.unpack('i', fcntl.ioctl(s, 0x5411, b'    '))[0]: select.select([], [], [], 0.001)\nsay('sent')\nwait()`;
  await using under = await talk(`s = connection()\nwait()\n${reads}`, `s = connection()\n${sends}`);
  t.is(await under.client.line(), 'sent');
  t.is(under.carried.pastTheAgent() - 6, messages, 'the last bytes went by TCP');
  // Whatever the agent does with what has arrived, it has done by its answer.
  await under.carried.connections();
  goOn(under.server);
  t.is(await under.server.line(), String(messages + more));
});

test.serial('a connection that was there before its pod was accelerated goes on as it was, and the next one is joined', async (t) => {
  await using carried = await CarriedPods.carry(mesh.node('west'), { accelerated: ['a', 'b'] });
  carried.admit('a', false);
  await using _server = await b.start(streamServer(PORT, 'for _ in range(2):\n  s = connection()\n  answer(s)\nwait()'));
  await using client = await a.start(streamClient(b.address, PORT, 'first = connection()\nsay("connected")\nwait()\nask(first)\nsay("asked")\nwait()\nsecond = connection()\nask(second)\nsay("asked")\nwait()'));
  t.is(await client.line(), 'connected');
  carried.admit('a', true);
  goOn(client);
  t.is(await client.line(), 'asked');
  t.is(carried.pastTheAgent(), 0);
  goOn(client);
  t.is(await client.line(), 'asked');
  t.true(carried.pastTheAgent() > 0);
});

test.serial('a reset arrives as one; a close with unread bytes as an end', async (t) => {
  for (const [close, end] of [['s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))', 'ECONNRESET'], ['', 'end']] as const) {
    await using under = await talk(`s = connection()\ns.sendall(b'x')\nsay('sent')\nsay(drain(s))`, `s = connection()\nwait()\n${close}\ns.close()`);
    t.is(await under.server.line(), 'sent');
    goOn(under.client);
    t.true((await under.server.line()).startsWith(`('${end}', 0,`), end);
    await isEmpty(t, under.carried);
  }
});

test.serial('what applications notice: bytes can be peeked at, not spliced, and are in no statistics', async (t) => {
  const looks = [
    `say(s.recv(8, socket.MSG_PEEK))`,
    `r, w = os.pipe()\ntry: say('spliced', os.splice(s.fileno(), w, 100, flags=2))\nexcept OSError as e: say('spliced', errno.errorcode[e.errno])`,
    // tcpi_bytes_received of struct tcp_info.
    `say('received', struct.unpack_from('Q', s.getsockopt(6, 11, 192), 128)[0])`,
    `say(take(s, 5))`,
  ];
  await using under = await talk(`s = connection()\nselect.select([s], [], [], 10)\n${looks.join('\n')}`, `s = connection()\ns.setsockopt(socket.SOL_SOCKET, 60, 1)\ns.send(b'hello', 0x4000000)\nsay(drain(s))\ns.setblocking(False)\ntry: s.recvmsg(8, 100, socket.MSG_ERRQUEUE)\nexcept OSError as e: say('completion', errno.errorcode[e.errno])`);
  const told = [];
  for (const _ of looks) told.push(await under.server.line());
  t.deepEqual(told.map((line) => line.replace(/^received [1-4]$/, 'received some words of the beginning')), ["b'hello'", 'spliced EAGAIN', 'received some words of the beginning', "b'hello'"]);
  t.regex(await under.client.line(), /^\('end', 0,/);
  t.is(await under.client.line(), 'completion EAGAIN', 'of MSG_ZEROCOPY');
});
