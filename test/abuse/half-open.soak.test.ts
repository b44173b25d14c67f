import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import test from 'ava';
import { eventually } from '../agents/eventually.ts';
import { Victim } from './victim.ts';

const KIB = 1024;
/** Handshakes may take so long. */
const TIMEOUT_MS = 10_000;
const LATE_MS = 3000;
const COUNT = 8000;

async function dialMany(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i += 500) {
    const some = Array.from({ length: Math.min(500, count - i) }, () => connect({ port, host: '127.0.0.1' }).on('error', () => {}));
    await Promise.all(some.map(async (socket) => await once(socket, 'connect')));
    sockets.push(...some);
  }
  return sockets;
}

/** The first flight of a client, as it goes over the wire. */
async function recordHello(): Promise<Buffer> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const accepted = once(listener, 'connection') as Promise<[Socket]>;
  const client = connectTls({ port: (listener.address() as { port: number }).port, host: '127.0.0.1', ALPNProtocols: ['h2'], minVersion: 'TLSv1.3' }).on('error', () => {});
  const [socket] = await accepted;
  const [hello] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  client.destroy();
  listener.close();
  return hello;
}

test.serial('thousands of connections that say nothing, or half a hello, are closed in time and cost little', async (t) => {
  const hello = await recordHello();
  const victim = await Victim.start(t);
  for (const [title, bytes, each] of [['nothing', undefined, 8 * KIB], ['half a hello', hello.subarray(0, 100), 8 * KIB], ['all but a byte of a hello', hello.subarray(0, hello.length - 1), 8 * KIB]] as const) {
    const before = (await victim.failures())['tls-timeout'] ?? 0;
    await victim.under(t, `${COUNT} connections that say ${title}`, async () => {
      const sockets = await dialMany(victim.port, COUNT);
      const sinceMs = performance.now();
      if (bytes !== undefined) for (const socket of sockets) socket.write(bytes);
      const closed = sockets.map(async (socket) => await once(socket.resume(), 'close'));
      t.is(await eventually(async () => (await victim.agent.call('totals')).gauges.handshakes, (handshakes) => handshakes === COUNT, 5000), COUNT);
      await Promise.all(closed);
      t.true(performance.now() - sinceMs < TIMEOUT_MS + LATE_MS, `${performance.now() - sinceMs} ms`);
    }, { growthBytes: COUNT * each });
    t.is((await victim.failures())['tls-timeout'], before + COUNT, title);
  }
});

test.serial('thousands of connections that stop after a whole hello are bounded in what they cost', async (t) => {
  const hello = await recordHello();
  const victim = await Victim.start(t);
  await victim.under(t, `${COUNT} connections that stop after their hello`, async () => {
    const sockets = await dialMany(victim.port, COUNT);
    const sinceMs = performance.now();
    for (const socket of sockets) socket.write(hello);
    await Promise.all(sockets.map(async (socket) => await once(socket.resume(), 'close')));
    t.true(performance.now() - sinceMs < TIMEOUT_MS + LATE_MS, `${performance.now() - sinceMs} ms`);
  });
  t.log(await victim.failures());
});

test.serial('a hello of one byte a second does not last', async (t) => {
  const hello = await recordHello();
  const victim = await Victim.start(t);
  const [socket] = (await dialMany(victim.port, 1)) as [Socket];
  const sinceMs = performance.now();
  const closed = once(socket.resume(), 'close');
  void (async () => {
    for (const byte of hello) {
      if (socket.destroyed) return;
      socket.write(Buffer.from([byte]));
      await delay(1000);
    }
  })();
  await closed;
  const tookMs = performance.now() - sinceMs;
  t.true(tookMs > TIMEOUT_MS - 500 && tookMs < TIMEOUT_MS + LATE_MS, `${tookMs}`);
  t.deepEqual(await victim.failures(), { 'tls-timeout': 1 });
});
