import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { relay, type RelayOutcome } from './relay.ts';

/** Two pairs of connected sockets with a relay between their inner ends. */
async function relayed(t: ExecutionContext): Promise<{ a: Socket; b: Socket; outcome: Promise<RelayOutcome> }> {
  const [a, nearEnd] = await pair(t);
  const [b, farEnd] = await pair(t);
  return { a, b, outcome: relay(nearEnd, farEnd) };
}

async function pair(t: ExecutionContext): Promise<[Socket, Socket]> {
  const server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const outer = connect({ port: (server.address() as { port: number }).port, host: '127.0.0.1', allowHalfOpen: true });
  const [inner] = (await once(server, 'connection')) as [Socket];
  server.close();
  t.teardown(() => {
    outer.destroy();
    inner.destroy();
  });
  return [outer, inner];
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

test('all bytes pass, both ends come through apart, and are counted', async (t) => {
  const { a, b, outcome } = await relayed(t);
  const [there, back] = [randomBytes(2_000_000), randomBytes(500_000)];
  a.end(there);
  t.deepEqual(await readAll(b), there);
  // The way back is open though the way there has ended.
  b.end(back);
  t.deepEqual(await readAll(a), back);
  t.deepEqual(await outcome, { sent: there.length, received: back.length, error: undefined });
});

for (const side of ['a', 'b'] as const) {
  test(`a reset of ${side} resets the other side`, async (t) => {
    const sockets = await relayed(t);
    const [cut, other] = side === 'a' ? [sockets.a, sockets.b] : [sockets.b, sockets.a];
    other.resume();
    const failed = once(other, 'error');
    cut.write('half a message');
    await once(other, 'data');
    cut.resetAndDestroy();
    const [error] = (await failed) as [NodeJS.ErrnoException];
    t.is(error.code, 'ECONNRESET');
    t.is((await sockets.outcome).error, 'ECONNRESET');
  });
}

test('a side that is gone already cuts the other', async (t) => {
  const [a, nearEnd] = await pair(t);
  const [, farEnd] = await pair(t);
  a.resume();
  a.on('error', () => {});
  farEnd.destroy();
  await once(farEnd, 'close');
  t.truthy((await relay(nearEnd, farEnd)).error);
});
