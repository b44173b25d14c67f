import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { listenHere } from '@landbridge/native/sockets.ts';
import { openSocket, socketName } from '@landbridge/native/stream-socket.ts';
import { portOf } from '@landbridge/native/socket-address.ts';
import { answersDnsQuery, withDnsId } from '@landbridge/wire/dns-exchange.ts';
import { DnsFrameReader, encodeDnsFrame } from '@landbridge/wire/dns-frames.ts';
import { exampleQueryBytes } from '@landbridge/wire/example-dns.ts';
import { MAX_PIPELINED } from './dns-connection.ts';
import type { DnsResolver } from './dns-resolver.ts';
import type { PodNames } from './pod-names.ts';
import { QueryBudget } from './query-budget.ts';
import { StreamServer } from './stream-server.ts';

/* Everything is in this network namespace: the pod's sockets are this process' own. */

const client = { uid: 'u', namespace: 'shop', name: 'a', serviceAccount: 'a', addresses: ['10.0.0.1'] };
const query = (id: number, name = 'some.example'): Uint8Array => withDnsId(exampleQueryBytes(name), id);
const answerTo = (message: Uint8Array): Buffer => {
  const answer = Buffer.from(message);
  answer[2] = (answer[2] ?? 0) | 0x80;
  return answer;
};
const idOf = (message: Uint8Array): number => Buffer.from(message).readUInt16BE(0);

/** Messages as they come, until the connection ends. */
async function* messagesOf(socket: Socket): AsyncGenerator<Buffer> {
  const reader = new DnsFrameReader();
  for await (const chunk of socket) {
    const pushed = reader.push(chunk as Buffer);
    if (!pushed.ok) throw new Error(pushed.error);
    yield* pushed.value.map((message) => Buffer.from(message));
  }
}

interface Scene {
  readonly server: StreamServer;
  readonly refused: string[];
  readonly upstream: readonly Socket[];
  dial(): Promise<Socket>;
}

/** A server of one pod, and the name server that the pod asks. `onQuery` tells what that sends for each message. */
async function scene(t: ExecutionContext, { onQuery = (message) => [answerTo(message)], resolver = () => ({ kind: 'forward' }), isRedirected = true, connections = 4, idleMs = 5000, isThere = true }: { readonly onQuery?: (message: Buffer, socket: Socket) => readonly Buffer[]; readonly resolver?: DnsResolver; readonly isRedirected?: boolean; readonly connections?: number; readonly idleMs?: number; readonly isThere?: boolean } = {}): Promise<Scene> {
  const upstream: Socket[] = [];
  const names: Server = createServer((socket) => {
    upstream.push(socket);
    const reader = new DnsFrameReader();
    socket.on('error', () => {}).on('data', (chunk) => {
      const pushed = reader.push(chunk);
      for (const message of pushed.ok ? pushed.value : []) for (const answer of onQuery(Buffer.from(message), socket)) socket.write(encodeDnsFrame(answer));
    });
  });
  names.listen(0, '127.0.0.1');
  await once(names, 'listening');
  const { port } = names.address() as AddressInfo;
  if (!isThere) names.close();
  const [fd = -1] = listenHere('127.0.0.1', 0, 64, 1);
  const listening = portOf(socketName(fd, 'local') ?? Buffer.alloc(0));
  const refused: string[] = [];
  const pod = { place: { uid: 'u', addresses: client.addresses, namespacePath: '' }, askedServer: () => undefined, originalDestination: () => (isRedirected ? { ip: '127.0.0.1', port } : undefined), datagramSocket: () => -1, socket: openSocket } satisfies PodNames['pod'];
  const server = new StreamServer({ pod, client, resolver, limits: { queries: new QueryBudget({ ofPod: 1, ofNode: 1 }), connections: new QueryBudget({ ofPod: connections, ofNode: 100 }), idleMs }, observer: { forwarded: () => () => {}, refused: (transport) => refused.push(transport) }, signal: new AbortController().signal }, fd);
  t.teardown(async () => {
    await server[Symbol.asyncDispose]();
    for (const socket of upstream) socket.destroy();
    names.close();
  });
  return {
    server,
    refused,
    upstream,
    dial: async () => {
      const socket = connect(listening, '127.0.0.1');
      t.teardown(() => void socket.destroy());
      await once(socket, 'connect');
      return socket.on('error', () => {});
    },
  };
}

test('queries that come at once are answered in the order in which answers are there, the own ones among them', async (t) => {
  const { dial } = await scene(t, {
    resolver: (message) => (idOf(message) === 2 ? { kind: 'answer', message: answerTo(message) } : { kind: 'forward' }),
    onQuery: (message) => (idOf(message) === 1 ? [] : idOf(message) === 3 ? [answerTo(message), answerTo(query(1))] : [answerTo(message)]),
  });
  const socket = await dial();
  socket.write(Buffer.concat([1, 2, 3].map((id) => encodeDnsFrame(query(id)))));
  const seen: number[] = [];
  for await (const message of messagesOf(socket)) if (seen.push(idOf(message)) === 3) break;
  t.deepEqual(seen, [2, 3, 1]);
});

test('one that half closes still hears what it asked for, and then the end', async (t) => {
  const { dial } = await scene(t);
  const socket = await dial();
  socket.end(encodeDnsFrame(query(7)));
  const seen: number[] = [];
  for await (const message of messagesOf(socket)) seen.push(idOf(message));
  t.deepEqual(seen, [7]);
});

test('what a server has not answered when it goes has failed, and the connection ends', async (t) => {
  for (const isThere of [true, false]) {
    const { dial } = await scene(t, { isThere, onQuery: (message, socket) => {
      if (idOf(message) === 2) socket.destroy();
      return [];
    } });
    const socket = await dial();
    const asked = [query(1, 'one.example'), query(2, 'two.example')];
    socket.write(Buffer.concat(asked.map(encodeDnsFrame)));
    const seen: Buffer[] = [];
    for await (const message of messagesOf(socket)) seen.push(message);
    t.deepEqual(seen.map((message) => [idOf(message), (message[3] ?? 0) & 0xf]), [[1, 2], [2, 2]], isThere ? 'while it had them' : 'never there');
    t.true(seen.every((message, at) => answersDnsQuery(message, asked[at] ?? message)));
  }
});

const OTHER = 0xffff;

test('queries beyond those that may wait are read once others are answered', async (t) => {
  const held: Buffer[] = [];
  const reached = Promise.withResolvers<void>();
  const { dial, upstream } = await scene(t, { onQuery: (message) => {
    if (idOf(message) === OTHER) return [answerTo(message)];
    held.push(message);
    if (held.length >= MAX_PIPELINED) reached.resolve();
    return [];
  } });
  const socket = await dial();
  for (let id = 0; id < 2 * MAX_PIPELINED; id++) {
    socket.write(encodeDnsFrame(query(id)));
    // Each comes by itself: what is in one piece is read as one.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await reached.promise;
  // By the time that another connection has its answer, this one has been read as far as it is.
  const other = await dial();
  other.write(encodeDnsFrame(query(OTHER)));
  await once(other, 'data');
  t.true(held.length < 2 * MAX_PIPELINED, `${held.length} wait`);
  let answered = 0;
  const all = (async () => {
    for await (const _ of messagesOf(socket)) if (++answered === 2 * MAX_PIPELINED) return;
  })();
  while (answered < 2 * MAX_PIPELINED) {
    for (const message of held.splice(0)) upstream[0]?.write(encodeDnsFrame(answerTo(message)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await all;
  t.is(answered, 2 * MAX_PIPELINED);
});

test('nobody is served who was not redirected, asks with nothing, or says nothing', async (t) => {
  const ends = async (socket: Socket): Promise<void> => void (await once(socket.resume(), 'close'));
  await ends(await (await scene(t, { isRedirected: false })).dial());
  const empty = await (await scene(t)).dial();
  empty.write(Buffer.alloc(2));
  await ends(empty);
  const short = await (await scene(t)).dial();
  short.write(encodeDnsFrame(Buffer.alloc(11)));
  await ends(short);
  await ends(await (await scene(t, { idleMs: 20 })).dial());
  t.pass();
});

test('a pod has its share of connections, and gets it back', async (t) => {
  const { dial, refused } = await scene(t, { connections: 1 });
  const first = await dial();
  first.write(encodeDnsFrame(query(1)));
  await once(first, 'data');
  await once((await dial()).resume(), 'close');
  t.deepEqual(refused, ['tcp']);
  first.destroy();
  for (;;) {
    const next = await dial();
    next.write(encodeDnsFrame(query(2)));
    const [event] = await Promise.race([once(next, 'data').then(() => ['data']), once(next, 'close').then(() => ['close'])]);
    if (event === 'data') break;
  }
  t.pass();
});

test('a server that finishes answers what waits, and takes nothing new', async (t) => {
  let answer: () => void = () => {};
  const asked = Promise.withResolvers<void>();
  const { dial, server } = await scene(t, { onQuery: (message, socket) => {
    answer = () => void socket.write(encodeDnsFrame(answerTo(message)));
    asked.resolve();
    return [];
  } });
  const [waiting, idle] = [await dial(), await dial()];
  waiting.write(encodeDnsFrame(query(1)));
  await asked.promise;
  t.true(server.isWaiting);
  server.finish();
  await once(idle.resume(), 'close');
  answer();
  const seen: number[] = [];
  for await (const message of messagesOf(waiting)) seen.push(idOf(message));
  t.deepEqual(seen, [1]);
  t.false(server.isWaiting);
});
