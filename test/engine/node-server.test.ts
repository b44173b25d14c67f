import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { freePort } from '@landbridge/lab/free-ports.ts';
import test from 'ava';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { ask } from './applications.ts';
import { candidate, HERE, TestEngine } from './engine.ts';
import { echoTunnel, NodeServer, type SeenRequest } from './node-peers.ts';

const authority = new TestAuthority('east.example');
const [client, server] = [authority.certificate('client'), authority.certificate('server')];
test.after.always(() => authority[Symbol.dispose]());

const engine = new TestEngine();
test.serial.afterEach.always(() => engine.reset());
test.after.always(() => engine[Symbol.asyncDispose]());
engine.trust(authority);

const serve = (handle: (request: SeenRequest) => void, options: Parameters<typeof NodeServer.start>[3] = {}): Promise<NodeServer> => NodeServer.start(server, authority.rootPem, handle, options);

/** A client pod whose connections go to servers, in this order. */
function start(servers: readonly { readonly port: number }[]): { readonly port: number } {
  return engine.client(client, servers.map((each, rank) => candidate(each.port, server.identity, { rank })));
}

test.serial('bytes, half-close and the end of a tunnel reach a server and come back', async (t) => {
  await using peer = await serve(echoTunnel);
  const under = start([peer]);
  const said = randomBytes(3_000_000);
  t.true((await ask(under.port, said) as Buffer).equals(said));
  await engine.until(({ openConnections }) => openConnections === 0);
  t.like(engine.ends[0], { flag: '-', error: undefined, destinationIdentity: server.identity, sentBytes: said.length, receivedBytes: said.length });
});

test.serial('50 connections share one connection to the peer, more take a further one', async (t) => {
  await using peer = await serve(echoTunnel);
  const under = start([peer]);
  const held = Array.from({ length: 70 }, () => connect(under.port, HERE));
  await Promise.all(held.map(async (socket, i) => {
    socket.write(`connection ${i}`);
    t.is(String((await once(socket, 'data'))[0]), `connection ${i}`);
  }));
  t.is(peer.sockets.length, 2);
  for (const socket of held) socket.end();
  await Promise.all(held.map(async (socket) => await once(socket.resume(), 'close')));
});

test.serial('fewer streams than ours are asked of a peer that allows fewer', async (t) => {
  await using peer = await serve(echoTunnel, { settings: { maxConcurrentStreams: 3 } });
  const under = start([peer]);
  const held: Socket[] = [];
  for (let i = 0; i < 10; i++) {
    const socket = connect(under.port, HERE);
    held.push(socket);
    socket.write(`connection ${i}`);
    t.is(String((await once(socket, 'data'))[0]), `connection ${i}`);
  }
  t.is(peer.sockets.length, 4);
  for (const socket of held) socket.destroy();
});

test.serial('streams that a peer refused unseen are asked again, also where there is no other endpoint', async (t) => {
  await using peer = await serve(echoTunnel, { settings: { maxConcurrentStreams: 3 } });
  const under = start([peer]);
  const sockets = Array.from({ length: 10 }, () => connect(under.port, HERE));
  await Promise.all(sockets.map(async (socket, i) => {
    socket.write(`connection ${i}`);
    t.is(String((await once(socket, 'data'))[0]), `connection ${i}`);
  }));
  for (const socket of sockets) socket.destroy();
});

for (const initialWindowSize of [1, 1000, 100_000]) {
  test.serial(`a peer whose streams have a window of ${initialWindowSize} bytes`, async (t) => {
    await using peer = await serve(echoTunnel, { settings: { initialWindowSize } });
    const under = start([peer]);
    const said = randomBytes(initialWindowSize === 1 ? 100 : 300_000);
    t.true((await ask(under.port, said) as Buffer).equals(said));
  });
}

test.serial('windows that shrink and grow while bytes are under way', async (t) => {
  await using peer = await serve(({ stream }) => {
    stream.respond({ ':status': 200 });
    const { session } = stream;
    const sizes = [10, 2_000_000, 1, 65_535, 500_000];
    stream.on('data', (chunk: Buffer) => {
      const initialWindowSize = sizes.shift();
      if (initialWindowSize !== undefined) session?.settings({ initialWindowSize });
      if (!stream.write(chunk)) {
        stream.pause();
        stream.once('drain', () => stream.resume());
      }
    });
    stream.on('end', () => stream.end());
  });
  const under = start([peer]);
  const said = randomBytes(2_000_000);
  t.true((await ask(under.port, said) as Buffer).equals(said));
});

test.serial('larger frames than we take are not what a peer sends, and smaller ones than we like are what it gets', async (t) => {
  await using peer = await serve(echoTunnel, { settings: { maxFrameSize: 16_384 } });
  const under = start([peer]);
  const said = randomBytes(500_000);
  t.true((await ask(under.port, said) as Buffer).equals(said));
});

test.serial('interim answers, huffman codes, long and unknown fields of an answer, and trailers are taken as they should be', async (t) => {
  await using peer = await serve(({ stream }) => {
    stream.additionalHeaders({ ':status': 103, link: '</x>' });
    stream.respond({ ':status': 200, baggage: 'k8s.cluster.name=west', 'x-long': 'wxyz'.repeat(3000), server: 'node' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-checksum': 'abc' }));
    stream.pipe(stream);
  });
  const under = start([peer]);
  for (let i = 0; i < 5; i++) t.is(String(await ask(under.port, `round ${i}`)), `round ${i}`);
  t.is(peer.sockets.length, 1);
});

test.serial('GOAWAY lets streams run on, and the next connection goes elsewhere', async (t) => {
  await using peer = await serve(echoTunnel);
  const under = start([peer]);
  const socket = connect(under.port, HERE);
  socket.write('one');
  t.is(String((await once(socket, 'data'))[0]), 'one');
  peer.sessions[0]?.goaway(0);
  await engine.until(() => true);
  t.is(String(await ask(under.port, 'two')), 'two');
  t.is(peer.sockets.length, 2);
  socket.end('three');
  t.is((await buffer(socket)).toString(), 'three');
  t.deepEqual(await engine.failures(), {});
});

test.serial('a peer that gives up with an error cuts what it carried', async (t) => {
  await using peer = await serve(({ stream }) => {
    stream.respond({ ':status': 200 });
    stream.once('data', () => stream.session?.goaway(11));
  });
  const under = start([peer]);
  const answer = await ask(under.port, 'x');
  t.true(answer instanceof Error);
  t.like(await engine.failures(), { 'outbound h2-goaway': 1 });
});

test.serial('a stream that the peer refuses is tried elsewhere, with what was said already and the end of it', async (t) => {
  await using refusing = await serve(({ stream }) => stream.close(7));
  await using peer = await serve(echoTunnel);
  const under = start([refusing, peer]);
  t.is(String(await ask(under.port, 'said once')), 'said once');
});

test.serial('what was said to an endpoint in vain keeps to the window of the next one', async (t) => {
  await using refusing = await serve(({ stream }) => {
    stream.once('data', () => {
      stream.respond({ ':status': 503 }, { endStream: true });
    });
  });
  await using peer = await serve(echoTunnel, { settings: { initialWindowSize: 10 } });
  const under = start([refusing, peer]);
  // Once, so that its settings are known.
  t.is(String(await ask(under.port, 'first')), 'first');
  const said = randomBytes(8000);
  t.true((await ask(under.port, said) as Buffer).equals(said));
  t.deepEqual(await engine.failures(), {});
});

test.serial('an answer of 503 is tried elsewhere, with what was said already and the end of it', async (t) => {
  await using refusing = await serve(({ stream }) => stream.respond({ ':status': 503 }, { endStream: true }));
  await using peer = await serve(echoTunnel);
  const under = start([refusing, peer]);
  for (const said of ['said once', '', 'x'.repeat(8000)]) t.is(String(await ask(under.port, said)), said);
});

test.serial('an answer of 401 is not', async (t) => {
  await using denying = await serve(({ stream }) => stream.respond({ ':status': 401 }, { endStream: true }));
  await using peer = await serve(() => t.fail());
  const under = start([denying, peer]);
  t.true((await ask(under.port, 'x')) instanceof Error);
  await engine.until(({ openConnections }) => openConnections === 0);
  t.like(engine.ends[0], { flag: 'DENY', error: 'http status: 401' });
});

test.serial('a peer that is not there is passed over', async (t) => {
  await using peer = await serve(echoTunnel);
  const under = start([{ port: await freePort() }, peer]);
  t.is(String(await ask(under.port, 'hello')), 'hello');
  t.like(await engine.failures(), { 'outbound dial-refused': 1 });
});

test.serial('a stream that the peer resets after its answer is a reset for the application', async (t) => {
  await using peer = await serve(({ stream }) => {
    stream.respond({ ':status': 200 });
    stream.once('data', () => {
      stream.write('half an answer');
      // close() would end the stream first, destroy() does not.
      stream.destroy(new Error('broken'));
    });
  });
  const under = start([peer]);
  const socket = connect(under.port, HERE);
  socket.write('x');
  t.is(await buffer(socket).then(String, (thrown: NodeJS.ErrnoException) => thrown.code), 'ECONNRESET');
});

test.serial('an answer that is its own end is the end of what the application reads', async (t) => {
  await using peer = await serve((request) => (request.stream.id === 1 ? request.stream.respond({ ':status': 200 }, { endStream: true }) : echoTunnel(request)));
  const under = start([peer]);
  t.is(String(await ask(under.port, 'to an end')), '');
  t.is(String(await ask(under.port, 'hello')), 'hello');
  t.is(peer.sockets.length, 1);
});
