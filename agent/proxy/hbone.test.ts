import { once } from 'node:events';
import { connect, createServer, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import pino from 'pino';
import { TestAuthority } from '../identity/test-identities.ts';
import { HboneClient } from './hbone-client.ts';
import { HboneServer } from './hbone-server.ts';
import { tunnelContract } from './tunnel.contract.ts';

const log = pino({ level: 'silent' });

tunnelContract(test, 'hbone over node:http2', {
  client: (bundles) => new HboneClient(bundles),
  server: (options) => new HboneServer({ ...options, log }),
  feed: (server, socket) => (server as HboneServer).take(socket),
});

test('a connection whose streams outlived the idle time is closed once they are gone', async (t) => {
  using east = new TestAuthority('east.example');
  const bundles = new Map([['east.example', [east.root]]]);
  const certificate = east.certificate('a');
  const server = new HboneServer({ certificate, bundles: () => bundles, onRequest: (request) => void request.accept().resume().on('end', function end(this: Socket) { this.end(); }), onRefusedPeer: () => {}, log });
  const closed = Promise.withResolvers<void>();
  const listener = createServer((socket) => {
    socket.on('close', () => closed.resolve());
    server.take(socket);
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.teardown(() => listener.close());
  const idleMs = 100;
  await using client = new HboneClient(() => bundles, { idleMs, liveness: { intervalMs: idleMs / 4, timeoutMs: 10_000 } });
  const stream = await client.open(
    { key: 'pod', certificate: async () => certificate, socket: () => new Socket() },
    { destination: { ip: '10.0.0.1', port: 80 }, endpoint: { ip: '127.0.0.1', port: (listener.address() as { port: number }).port }, identity: east.identity('a') },
    AbortSignal.timeout(10_000),
  );
  await delay(idleMs * 3);
  t.false(stream.destroyed, 'an idle stream keeps its connection');
  stream.resume().end();
  await closed.promise;
  t.pass();
});

test('a peer that falls silent is noticed, and its streams are cut', async (t) => {
  using east = new TestAuthority('east.example');
  const bundles = new Map([['east.example', [east.root]]]);
  const certificate = east.certificate('a');
  const server = new HboneServer({ certificate, bundles: () => bundles, onRequest: (request) => void request.accept(), onRefusedPeer: () => {}, log });
  const inner = createServer((socket) => server.take(socket)).listen(0, '127.0.0.1');
  await once(inner, 'listening');
  // A network that carries nothing any more, and says so to nobody.
  const network = createServer((near) => {
    const far = connect((inner.address() as { port: number }).port, '127.0.0.1');
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) socket.on('error', () => {});
    cutOff.push(() => {
      near.unpipe(far);
      far.unpipe(near);
    });
    t.teardown(() => near.destroy() && far.destroy());
  }).listen(0, '127.0.0.1');
  const cutOff: (() => void)[] = [];
  await once(network, 'listening');
  t.teardown(() => inner.close() && network.close());
  await using client = new HboneClient(() => bundles, { liveness: { intervalMs: 50, timeoutMs: 200 } });
  const stream = await client.open(
    { key: 'pod', certificate: async () => certificate, socket: () => new Socket() },
    { destination: { ip: '10.0.0.1', port: 80 }, endpoint: { ip: '127.0.0.1', port: (network.address() as { port: number }).port }, identity: east.identity('a') },
    AbortSignal.timeout(10_000),
  );
  await delay(400);
  t.false(stream.destroyed, 'a peer that answers is left alone');
  const failed = once(stream, 'error');
  for (const cut of cutOff) cut();
  const [error] = (await failed) as [Error];
  t.truthy(error);
});
