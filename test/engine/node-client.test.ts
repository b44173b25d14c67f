import { randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { freePort } from '@landbridge/lab/free-ports.ts';
import test from 'ava';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { Application, echo } from './applications.ts';
import { HERE, TestEngine } from './engine.ts';
import { NodeClient } from './node-peers.ts';

const authority = new TestAuthority('east.example');
const [client, server] = [authority.certificate('client'), authority.certificate('server')];
test.after.always(() => authority[Symbol.dispose]());

const engine = new TestEngine();
test.serial.afterEach.always(() => engine.reset());
test.after.always(() => engine[Symbol.asyncDispose]());
engine.trust(authority);

function start(application: { readonly port: number }): { readonly port: number; readonly target: string } {
  return { port: engine.server(server).port, target: `${HERE}:${application.port}` };
}

/** Points are those of what peers of Istio expect, as in ambient-wire.test.ts. */
test.serial('point 5: a tunnel carries bytes both ways, and the end of one direction leaves the other open', async (t) => {
  await using application = await Application.start((socket) => {
    let size = 0;
    socket.on('data', (chunk: Buffer) => (size += chunk.length)).on('end', () => socket.end(`${size} bytes`));
  });
  const under = start(application);
  using node = await NodeClient.connect(under.port, client, authority.rootPem);
  const { stream, headers } = await node.tunnel(under.target);
  t.is(headers[':status'], 200);
  stream.end(randomBytes(3_000_000));
  t.is((await buffer(stream)).toString(), '3000000 bytes');
  await engine.until(({ openConnections }) => openConnections === 0);
  t.like(engine.ends[0], { flag: '-', error: undefined, sentBytes: 3_000_000, receivedBytes: 13 });
});

test.serial('200 streams of one connection do not mix their bytes', async (t) => {
  await using application = await echo();
  const under = start(application);
  using node = await NodeClient.connect(under.port, client, authority.rootPem);
  await Promise.all(Array.from({ length: 200 }, async (_, i) => {
    const said = randomBytes(1000 + i * 200);
    const { stream } = await node.tunnel(under.target);
    stream.end(said);
    t.true((await buffer(stream)).equals(said));
  }));
  await engine.until(({ openConnections }) => openConnections === 0);
});

test.serial('megabytes both ways at once, through a peer that takes them slowly', async (t) => {
  await using application = await echo();
  const under = start(application);
  using node = await NodeClient.connect(under.port, client, authority.rootPem, { http2: { settings: { initialWindowSize: 20_000 } } });
  const said = randomBytes(20_000_000);
  const { stream } = await node.tunnel(under.target);
  stream.end(said);
  t.true((await buffer(stream)).equals(said));
});

test.serial('a stream that the client resets is a reset for the application', async (t) => {
  const closed = Promise.withResolvers<Error | undefined>();
  await using application = await Application.start((socket) => {
    let error: Error | undefined;
    socket.resume().on('error', (thrown) => (error = thrown)).on('close', () => closed.resolve(error));
  });
  const under = start(application);
  using node = await NodeClient.connect(under.port, client, authority.rootPem);
  const { stream } = await node.tunnel(under.target);
  // close() would end the stream first, destroy() does not.
  stream.on('error', () => {}).destroy(new Error('gone'));
  t.is((await closed.promise as NodeJS.ErrnoException | undefined)?.code, 'ECONNRESET');
  const { stream: other } = await node.tunnel(under.target);
  t.false(other.destroyed, 'the connection goes on');
});

test.serial('an application that resets is a reset of its stream alone', async (t) => {
  await using application = await Application.start((socket) => void socket.once('data', (chunk: Buffer) => (chunk.includes('bye') ? socket.resetAndDestroy() : socket.write(chunk))));
  const under = start(application);
  using node = await NodeClient.connect(under.port, client, authority.rootPem);
  const { stream: calm } = await node.tunnel(under.target);
  const { stream } = await node.tunnel(under.target);
  const failed = once(stream, 'close');
  stream.on('error', () => {}).resume();
  stream.write('bye');
  await failed;
  t.is(stream.rstCode, 8);
  calm.write('hello');
  t.is(String((await once(calm, 'data'))[0]), 'hello');
});

test.serial('a connection that is lost is a reset for all of its applications', async (t) => {
  const errors: (string | undefined)[] = [];
  const both = Promise.withResolvers<void>();
  await using application = await Application.start((socket) => void socket.resume().on('error', ({ code }: NodeJS.ErrnoException) => errors.push(code) === 2 && both.resolve()));
  const under = start(application);
  using node = await NodeClient.connect(under.port, client, authority.rootPem);
  await Promise.all([node.tunnel(under.target), node.tunnel(under.target)]);
  node.session.destroy();
  await both.promise;
  t.deepEqual(errors, ['ECONNRESET', 'ECONNRESET']);
});

test.serial('a connection that was accepted before the certificate was renewed is served by it', async (t) => {
  await using application = await echo();
  const under = start(application);
  const socket = connect(under.port, HERE);
  await once(socket, 'connect');
  await engine.until(({ handshakes }) => handshakes === 1);
  const renewed = authority.certificate('server');
  engine.certify(renewed);
  await engine.report();
  using node = await NodeClient.connect(under.port, client, authority.rootPem, { tls: { socket } });
  t.is(await node.status({ ':method': 'CONNECT', ':authority': under.target }), 200);
  using later = await NodeClient.connect(under.port, client, authority.rootPem);
  t.is((later.session.socket as TLSSocket).getPeerX509Certificate()?.serialNumber, new X509Certificate(renewed.chainPem).serialNumber);
});

test.serial('point 5: PING is answered, and GOAWAY of the client lets its streams run to their end', async (t) => {
  await using application = await echo();
  const under = start(application);
  using node = await NodeClient.connect(under.port, client, authority.rootPem);
  const ponged = Promise.withResolvers<Buffer>();
  node.session.ping(Buffer.from('12345678'), (error, _, payload) => (error === null ? ponged.resolve(payload) : ponged.reject(error)));
  t.is((await ponged.promise).toString(), '12345678');
  const { stream } = await node.tunnel(under.target);
  node.session.goaway(0);
  stream.end('still here');
  t.is((await buffer(stream)).toString(), 'still here');
  await engine.until(({ serverSessions }) => serverSessions === 0);
  t.deepEqual(await engine.failures(), {});
});

test.serial('point 5: a server that drains says GOAWAY, takes no new streams, and ends once its streams have', async (t) => {
  await using application = await echo();
  await using other = new TestEngine();
  other.trust(authority);
  const under = { port: other.server(server).port, target: `${HERE}:${application.port}` };
  using node = await NodeClient.connect(under.port, client, authority.rootPem);
  const { stream } = await node.tunnel(under.target);
  const codes: number[] = [];
  node.session.on('goaway', (code) => codes.push(code));
  const drained = other.plane.drain(AbortSignal.timeout(10_000));
  await once(node.session, 'goaway');
  const closed = once(node.session, 'close');
  stream.end('last words');
  t.is((await buffer(stream)).toString(), 'last words');
  await Promise.all([drained, closed]);
  t.true(codes.length > 0 && codes.every((code) => code === 0));
});

test.serial('an application that is not there is status 503, on a connection that stays', async (t) => {
  await using application = await echo();
  const under = start(application);
  using node = await NodeClient.connect(under.port, client, authority.rootPem);
  t.is(await node.status({ ':method': 'CONNECT', ':authority': `${HERE}:${await freePort()}` }), 503);
  t.is(await node.status({ ':method': 'CONNECT', ':authority': under.target }), 200);
});
