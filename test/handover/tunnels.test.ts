/** Tunnels with all of their streams, moved between two data planes again and again while bytes flow: as client and as server. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { PlaneSource } from '@landbridge/agent/proxy/plane-handover.ts';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { echo } from '../engine/applications.ts';
import { candidate, HERE, TestEngine, type TestPod } from '../engine/engine.ts';
import { NodeClient, NodeServer } from '../engine/node-peers.ts';
import { handOver, TAKER } from './hand-over.ts';
import { KINDS, MovedTraffic } from './moved-traffic.ts';

const ROUNDS = 4;
/** Received between two moves, so that each finds another state. */
const BETWEEN = 1_000_000;

const authority = new TestAuthority('east.example');
const other = new TestAuthority('east.example');
const [client, server] = [authority.certificate('client'), authority.certificate('server')];
type Agents = readonly [TestEngine, TestEngine];

interface Node {
  readonly engines: Agents;
  readonly pod: TestPod;
}

/** Two agents of each of two nodes. */
const callers: Agents = [new TestEngine(), new TestEngine()];
const called: Agents = [new TestEngine(), new TestEngine()];
test.serial.afterEach.always(() => Promise.all([...callers, ...called].map((engine) => engine.reset())));
test.after.always(async () => {
  for (const each of [authority, other]) each[Symbol.dispose]();
  for (const engine of [...callers, ...called]) await engine[Symbol.asyncDispose]();
});

/** Both agents of a node know the same pod. */
function node(engines: Agents, podOf: (engine: TestEngine) => TestPod): Node {
  const [pod] = engines.map((engine) => {
    engine.trust(authority);
    return podOf(engine);
  });
  return { engines, pod: pod as TestPod };
}

test.serial('no byte is lost or repeated where both ends of a tunnel move', async (t) => {
  await using traffic = await MovedTraffic.start();
  const servers = node(called, (engine) => engine.server(server));
  const to = candidate(servers.pod.port, server.identity, { authority: `${HERE}:${traffic.port}` });
  const clients = node(callers, (engine) => engine.client(client, [to]));
  for (const kind of Object.keys(KINDS)) await traffic.begin(kind, clients.pod.port);
  let [from, next] = [0, 1];
  let moved = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const enough = traffic.received + BETWEEN;
    while (traffic.received < enough) await turn();
    for (const { engines } of [clients, servers]) moved += (await handOver(engines[from] as TestEngine, engines[next] as TestEngine)).moved;
    [from, next] = [next, from];
  }
  t.deepEqual(await traffic.finish(), []);
  t.is(moved, 2 * ROUNDS * traffic.flows.length);
});

async function withPeer(servers: Node, under: (node: NodeClient) => Promise<void>): Promise<void> {
  using node = await NodeClient.connect(servers.pod.port, client, authority.rootPem);
  await under(node);
}

test.serial('a client of another implementation sees one connection: streams that were open go on, and new ones begin', async (t) => {
  await using application = await echo();
  const servers = node(called, (engine) => engine.server(server));
  const [old, next] = servers.engines;
  await withPeer(servers, async (peer) => {
    const { stream } = await peer.tunnel(`${HERE}:${application.port}`);
    stream.write('before');
    t.is(String(await once(stream, 'data')), 'before');
    const pong = new Promise<Buffer>((resolve, reject) => peer.session.ping(Buffer.from('01234567'), (error, _, payload) => (error === null ? resolve(payload) : reject(error))));
    t.is((await handOver(old, next)).moved, 1);
    t.is(String(await pong), '01234567');
    stream.end(' after');
    t.is(String(await buffer(stream)), ' after');
    // With the table of header fields that the client has filled before.
    const { stream: later } = await peer.tunnel(`${HERE}:${application.port}`);
    later.end('through the next');
    t.is(String(await buffer(later)), 'through the next');
    t.is((await old.report()).serverSessions, 0);
    t.is((await next.report()).serverSessions, 1);
  });
  await next.until(({ openConnections, serverSessions }) => openConnections === 0 && serverSessions === 0);
  t.deepEqual(old.ends, []);
  t.deepEqual(next.ends.map(({ sentBytes, receivedBytes, flag, sourceIdentity }) => ({ sentBytes, receivedBytes, flag, sourceIdentity })), [12, 16].map((size) => ({ sentBytes: size, receivedBytes: size, flag: '-', sourceIdentity: client.identity })));
});

test.serial('a tunnel without streams moves too, as its peer may begin one at any moment', async (t) => {
  await using application = await echo();
  const servers = node(called, (engine) => engine.server(server));
  const [old, next] = servers.engines;
  await withPeer(servers, async (peer) => {
    await old.until(({ serverSessions }) => serverSessions === 1);
    t.like(await handOver(old, next), { moved: 0, batches: 1, staying: {} });
    const { stream } = await peer.tunnel(`${HERE}:${application.port}`);
    stream.end('hello');
    t.is(String(await buffer(stream)), 'hello');
  });
});

test.serial('a peer in the middle of its handshake is waited for', async (t) => {
  const servers = node(called, (engine) => engine.server(server));
  const [old] = servers.engines;
  const source = new PlaneSource(old.plane);
  const socket = connect({ port: servers.pod.port, host: HERE });
  await old.until(({ handshakes }) => handshakes === 1);
  t.deepEqual(await source.next(16, TAKER), { kind: 'later' });
  socket.destroy();
  await old.until(({ handshakes }) => handshakes === 0);
  t.deepEqual(await source.next(16, TAKER), { kind: 'none-left' });
});

test.serial('a server of another implementation sees one connection, which ends with its last stream', async (t) => {
  await using peer = await NodeServer.start(server, authority.rootPem, ({ stream }) => {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  const clients = node(callers, (engine) => engine.client(client, [candidate(peer.port, server.identity)]));
  const [old, next] = clients.engines;
  const sockets = await Promise.all([1, 2, 3].map(async (i) => {
    const socket = connect({ port: clients.pod.port, host: HERE });
    socket.write(`before ${i}`);
    t.is(String(await once(socket, 'data')), `before ${i}`);
    return socket;
  }));
  t.is((await handOver(old, next)).moved, 3);
  t.is(peer.sockets.length, 1);
  for (const [i, socket] of sockets.entries()) {
    socket.end(`after ${i}`);
    t.is(String(await buffer(socket)), `after ${i}`);
  }
  await next.until(({ openConnections, clientSessions }) => openConnections === 0 && clientSessions === 0);
  t.is(peer.sockets.length, 1);
  t.deepEqual(await next.failures(), {});
  t.deepEqual(next.ends.map(({ flag, destinationIdentity }) => ({ flag, destinationIdentity })), sockets.map(() => ({ flag: '-', destinationIdentity: server.identity })));
});

test.serial('a tunnel whose peer the new process would not let in stays in the old one', async (t) => {
  await using application = await echo();
  const servers = node(called, (engine) => engine.server(server));
  const [old, next] = servers.engines;
  next.trust({ trustDomain: 'east.example', rootPem: other.rootPem });
  await withPeer(servers, async (peer) => {
    const { stream } = await peer.tunnel(`${HERE}:${application.port}`);
    const { moved, refusals, staying } = await handOver(old, next);
    t.is(moved, 0);
    t.regex(refusals[0] ?? '', /does not chain/);
    t.deepEqual(staying, { refused: 1 });
    stream.end('still');
    t.is(String(await buffer(stream)), 'still');
  });
});

test.serial('requests that come while a tunnel moves are answered by either of both', async (t) => {
  await using application = await echo();
  const servers = node(called, (engine) => engine.server(server));
  const [old, next] = servers.engines;
  await withPeer(servers, async (peer) => {
    const opened = Array.from({ length: 20 }, async (_, i) => {
      const { stream } = await peer.tunnel(`${HERE}:${application.port}`);
      stream.end(`stream ${i}`);
      return String(await buffer(stream));
    });
    const outcome = handOver(old, next);
    t.deepEqual(await Promise.all(opened), opened.map((_, i) => `stream ${i}`));
    t.deepEqual((await outcome).staying, {});
  });
});
