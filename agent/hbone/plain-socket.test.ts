/** Sockets of applications over loopback, on an event loop that the test runs round by round. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { encodeMappedAddress, mappedBytes, portOf } from '@landbridge/native/socket-address.ts';
import { listenHere } from '@landbridge/native/sockets.ts';
import { accept, close, connect as connectSocket, openSocket, socketName } from '@landbridge/native/stream-socket.ts';
import type { IpAddress } from '@landbridge/core/ip-address.ts';
import { EventLoop } from './event-loop.ts';
import { PlainSocket } from './plain-socket.ts';
import { type RelayEnd, RelayPair } from './relay-pair.ts';

const HERE = '127.0.0.1' as IpAddress;
const PATIENCE_MS = 60_000;

class Bench implements AsyncDisposable {
  readonly loop = new EventLoop();
  readonly #listener: number;
  readonly #sockets: { destroy(): void }[] = [];

  constructor() {
    [this.#listener] = listenHere(HERE, 0, 16, 1) as [number];
  }

  async until(fits: () => boolean): Promise<void> {
    for (const endsAtMs = performance.now() + PATIENCE_MS; !fits(); ) {
      if (performance.now() > endsAtMs) throw new Error('it never came to it');
      this.loop.runOnce(1);
      await setImmediate();
    }
  }

  /** An application that has connected, and our side of it. */
  async accepted(): Promise<{ readonly socket: PlainSocket; readonly application: Socket }> {
    const application = connect({ port: portOf(socketName(this.#listener, 'local') ?? Buffer.alloc(0)), host: HERE, allowHalfOpen: true });
    this.#sockets.push(application);
    await once(application, 'connect');
    return { socket: new PlainSocket(this.loop, accept(this.#listener), 'connected'), application };
  }

  /** Our dial to a port. */
  dialled(port: number): PlainSocket {
    const fd = openSocket('IPv4');
    connectSocket(fd, encodeMappedAddress(mappedBytes(HERE), port));
    return new PlainSocket(this.loop, fd, 'connecting');
  }

  async server(serve: (socket: Socket) => void): Promise<{ readonly server: Server; readonly port: number }> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.push(socket);
      serve(socket.on('error', () => {}));
    }).listen(0, HERE);
    await once(server, 'listening');
    this.#sockets.push({ destroy: () => server.close() });
    return { server, port: (server.address() as { port: number }).port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    close(this.#listener);
    this.loop[Symbol.dispose]();
    await setImmediate();
  }
}

/** Joins an application to a server; resolves with what became of it. */
async function relayed(bench: Bench, port: number): Promise<{ readonly application: Socket; readonly end: () => RelayEnd | undefined; readonly pair: RelayPair; readonly sockets: readonly [PlainSocket, PlainSocket] }> {
  const { socket, application } = await bench.accepted();
  const server = bench.dialled(port);
  let end: RelayEnd | undefined;
  const pair = new RelayPair(bench.loop, socket, server, (how) => {
    end = how;
  });
  socket.owner = server.owner = pair;
  pair.run();
  return { application, end: () => end, pair, sockets: [socket, server] };
}

test('bytes that are said before the dial is done, megabytes, half-close and the end go through', async (t) => {
  await using bench = new Bench();
  const { port } = await bench.server((socket) => socket.pipe(socket));
  const { application, end, pair } = await relayed(bench, port);
  const said = randomBytes(5_000_000);
  const got: Buffer[] = [];
  let hasEnded = false;
  application.on('data', (chunk: Buffer) => got.push(chunk)).on('end', () => (hasEnded = true));
  application.end(said);
  await bench.until(() => end() !== undefined && hasEnded);
  t.is(end(), 'complete');
  t.true(Buffer.concat(got).equals(said));
  t.deepEqual([pair.sentBytes, pair.receivedBytes], [said.length, said.length]);
});

test('the end of one direction leaves the other open', async (t) => {
  await using bench = new Bench();
  const { port } = await bench.server((socket) => {
    socket.end('first');
    socket.on('data', (chunk: Buffer) => heard.push(chunk.toString()));
  });
  const heard: string[] = [];
  const { application, end } = await relayed(bench, port);
  let hasEnded = false;
  application.resume().on('end', () => (hasEnded = true));
  await bench.until(() => hasEnded);
  application.write('still');
  await bench.until(() => heard.join('') === 'still');
  application.end(' here');
  await bench.until(() => end() !== undefined);
  t.is(end(), 'complete');
  await bench.until(() => heard.join('') === 'still here');
});

test('no more is read from a fast side than the slow one takes', async (t) => {
  await using bench = new Bench();
  let slow: Socket | undefined;
  const { port } = await bench.server((socket) => {
    slow = socket.pause();
  });
  const { application, pair } = await relayed(bench, port);
  application.on('error', () => {}).write(randomBytes(40_000_000));
  let before = -1;
  for (let same = 0; same < 200; same = pair.sentBytes === before && slow !== undefined ? same + 1 : 0) {
    before = pair.sentBytes;
    bench.loop.runOnce(1);
    await setImmediate();
  }
  t.true(pair.sentBytes > 0 && pair.sentBytes < 20_000_000, `${pair.sentBytes}`);
});

test('a side that resets is a reset for the other', async (t) => {
  await using bench = new Bench();
  const { port } = await bench.server((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const { application, end } = await relayed(bench, port);
  let error: NodeJS.ErrnoException | undefined;
  application.on('error', (thrown) => (error = thrown)).resume().write('x');
  await bench.until(() => end() !== undefined && error !== undefined);
  t.is(end(), 'server-failed');
  t.is(error?.code, 'ECONNRESET');
});

test('a dial that is refused fails, and one that is given up too', async (t) => {
  await using bench = new Bench();
  const { server, port } = await bench.server(() => {});
  server.close();
  await once(server, 'close');
  const refused = bench.dialled(port);
  await bench.until(() => refused.hasFailed);
  t.false(refused.isConnected);
  t.false(refused.push(Buffer.from('x'), 0, 0, 1));
  refused.close(true);
  const { socket } = await bench.accepted();
  let told = 0;
  socket.owner = { onNear: () => told++ };
  socket.abandon();
  t.true(socket.hasFailed);
  t.is(told, 1);
  socket.close(true);
});

/** Joined, with a byte on its way to the server and one back. */
async function joined(bench: Bench): Promise<{ readonly sides: readonly [Socket, Socket]; readonly sockets: readonly [PlainSocket, PlainSocket]; readonly ends: readonly (string | undefined)[] }> {
  const sides: Socket[] = [];
  const { port } = await bench.server((socket) => void sides.push(socket.once('data', () => socket.write('y'))));
  const { application, sockets } = await relayed(bench, port);
  application.write('x');
  const ends: (string | undefined)[] = [undefined, undefined];
  await Promise.all([once(application, 'data'), bench.until(() => application.bytesRead === 1)]);
  const both = [application, sides[0] as Socket] as const;
  for (const [i, side] of both.entries()) side.on('error', ({ code }: NodeJS.ErrnoException) => (ends[i] = code)).on('end', () => (ends[i] ??= 'end'));
  return { sides: both, sockets, ends };
}

test('a connection that nobody has any more is a reset for both sides, though nothing was unread', async (t) => {
  await using bench = new Bench();
  const { sockets, ends } = await joined(bench);
  for (const socket of sockets) socket.freeze();
  for (const socket of sockets) socket.leave();
  await bench.until(() => ends.every((end) => end !== undefined));
  t.deepEqual(ends, ['ECONNRESET', 'ECONNRESET']);
});

test('a side that has ended and reads late gets all that the other one sent before it ended', async (t) => {
  await using bench = new Bench();
  const { sides: [application, server], sockets: [socket] } = await joined(bench);
  application.pause();
  const sent = randomBytes(700_000);
  server.end(sent);
  application.end();
  await bench.until(() => socket.isClosed);
  const got: Buffer[] = [];
  let end: string | undefined;
  application.on('data', (chunk: Buffer) => got.push(chunk)).on('end', () => (end = 'end')).on('error', ({ code }: NodeJS.ErrnoException) => (end = code)).resume();
  await bench.until(() => end !== undefined);
  t.is(end, 'end');
  t.true(Buffer.concat(got).equals(sent));
});

test('a cut is a reset for both sides', async (t) => {
  await using bench = new Bench();
  const errors: (string | undefined)[] = [];
  let joined = false;
  const note = (socket: Socket): void => void socket.on('error', ({ code }: NodeJS.ErrnoException) => errors.push(code)).on('data', () => (joined = true));
  const { port } = await bench.server(note);
  const { application, pair, end } = await relayed(bench, port);
  note(application);
  application.write('x');
  await bench.until(() => joined);
  pair.cut();
  t.is(end(), 'cut');
  await bench.until(() => errors.length === 2);
  t.deepEqual(errors, ['ECONNRESET', 'ECONNRESET']);
});
