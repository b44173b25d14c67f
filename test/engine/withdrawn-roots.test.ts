/** A root that is taken back takes with it what is open: on both sides of a tunnel, and inside one that leads through a gateway. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test from 'ava';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { echo } from './applications.ts';
import { candidate, HERE, TestEngine } from './engine.ts';
import { echoTunnel, NodeClient, NodeServer } from './node-peers.ts';

const own = new TestAuthority('own.example');
const old = new TestAuthority('east.example');
const next = new TestAuthority('east.example');
const engine = new TestEngine();
const trust = (...east: readonly TestAuthority[]): void => engine.plane.setTrust([['own.example', [own.rootPem]], ['east.example', east.map(({ rootPem }) => rootPem)]]);
test.serial.afterEach.always(() => engine.reset());
test.after.always(async () => {
  await engine[Symbol.asyncDispose]();
  for (const each of [own, old, next]) each[Symbol.dispose]();
});
const [server, client] = [own.certificate('server'), own.certificate('client')];

/** A connection on which something was said and answered. */
async function talk(port: number): Promise<Socket> {
  const socket = connect({ port, host: HERE, allowHalfOpen: true });
  socket.on('error', () => {
    // Looked at by its end.
  });
  socket.write('hello');
  await once(socket, 'data');
  return socket;
}

/** Also where it ends by a reset, which `once` would throw. */
async function closed(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

async function isAlive(socket: Socket): Promise<boolean> {
  const answered = once(socket, 'data').then(() => true, () => false);
  socket.write('still');
  return await Promise.race([answered, closed(socket).then(() => false)]);
}

test.serial('inbound: peers of the old root are cut, those of the new one and of others stay', async (t) => {
  trust(old, next);
  await using application = await echo();
  const pod = engine.server(server);
  const roots = own.rootPem;
  const authority = `${HERE}:${application.port}`;
  const peers = await Promise.all([old.certificate('a'), next.certificate('a'), own.certificate('b')].map(async (certificate) => await NodeClient.connect(pod.port, certificate, roots)));
  const streams = await Promise.all(peers.map(async (peer) => (await peer.tunnel(authority)).stream));
  for (const stream of streams) stream.on('error', () => {
    // It is cut.
  });
  trust(next, old);
  trust(old, next);
  await engine.report();
  t.deepEqual(await engine.failures(), {}, 'the same roots, in any order, cut nobody');
  const [gone] = streams.map(async (stream) => await once(stream, 'close'));
  const startedMs = performance.now();
  trust(next);
  await gone;
  t.true(performance.now() - startedMs < 5000);
  t.deepEqual(await engine.failures(), { 'inbound trust-domain': 1 });
  for (const stream of streams.slice(1)) {
    stream.write('still');
    t.is(String((await once(stream, 'data'))[0]), 'still');
  }
  await t.throwsAsync(async () => {
    using again = await NodeClient.connect(pod.port, old.certificate('a'), roots);
    await again.tunnel(authority);
  });
  for (const peer of peers) peer[Symbol.dispose]();
});

test.serial('outbound: a tunnel to a peer of the old root is cut, and the next connection is refused', async (t) => {
  trust(old, next);
  const roots = own.rootPem;
  const identity = old.identity('a');
  await using before = await NodeServer.start(old.certificate('a'), roots, echoTunnel);
  await using after = await NodeServer.start(next.certificate('a'), roots, echoTunnel);
  const [first, second] = [await talk(engine.client(client, [candidate(before.port, identity)]).port), await talk(engine.client(client, [candidate(after.port, identity)]).port)];
  const gone = closed(first);
  trust(next);
  await gone;
  t.true(await isAlive(second));
  t.deepEqual(await engine.failures(), { 'outbound trust-domain': 1 });
  const refused = engine.client(client, [candidate(before.port, identity)]);
  const socket = connect({ port: refused.port, host: HERE });
  socket.on('error', () => {
    // Refused.
  });
  t.false(await isAlive(socket));
  second.destroy();
});

test.serial('through a gateway: the session inside is cut when the workload’s root is taken back', async (t) => {
  trust(old, next);
  const gateway = own.certificate('gateway');
  const identity = old.identity('workload');
  await using behind = await NodeServer.start(old.certificate('workload'), own.rootPem, echoTunnel);
  await using between = await NodeServer.start(gateway, own.rootPem, ({ stream }) => {
    stream.respond({ ':status': 200 });
    const onward = connect(behind.port, HERE);
    onward.on('error', () => stream.destroy());
    stream.pipe(onward).pipe(stream);
  });
  const pod = engine.client(client, [candidate(between.port, gateway.identity, { hop: 'double-hbone', authority: 'echo.test.svc.clusterset.local:80', innerIdentities: [identity] })], { network: 'east' });
  const socket = await talk(pod.port);
  const gone = closed(socket);
  trust(next);
  await gone;
  t.deepEqual(await engine.failures(), { 'outbound trust-domain': 1 });
});

test.serial('a trust domain that is taken back as a whole, as that of a revoked member is, is cut too', async (t) => {
  trust(old);
  await using application = await echo();
  const pod = engine.server(server);
  using peer = await NodeClient.connect(pod.port, old.certificate('a'), own.rootPem);
  const { stream } = await peer.tunnel(`${HERE}:${application.port}`);
  stream.on('error', () => {
    // It is cut.
  });
  const gone = once(stream, 'close');
  engine.plane.setTrust([['own.example', [own.rootPem]]]);
  await gone;
  t.deepEqual(await engine.failures(), { 'inbound trust-domain': 1 });
});
