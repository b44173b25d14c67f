/** Tunnels through a gateway, with the sessions inside of them, moved between two data planes again and again while bytes flow. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { echo } from '../engine/applications.ts';
import { HERE, type TestEngine } from '../engine/engine.ts';
import { echoTunnel, NodeServer } from '../engine/node-peers.ts';
import { AUTHORITY, GatewayScene } from './gateway-scene.ts';
import { handOver } from './hand-over.ts';
import { KINDS, MovedTraffic } from './moved-traffic.ts';

const ROUNDS = 4;
/** Received between two moves, so that each finds another state. */
const BETWEEN = 500_000;
const scene = new GatewayScene();
const { near, far, gateway, workload, callers, called } = scene;
const stranger = new TestAuthority('far.example');
test.serial.afterEach.always(async () => await scene.reset());
test.after.always(async () => {
  stranger[Symbol.dispose]();
  await scene[Symbol.asyncDispose]();
});

test.serial('no byte is lost or repeated where a client of a gateway moves, and the workload behind it', async (t) => {
  await using traffic = await MovedTraffic.start();
  const pod = scene.throughGateway(traffic.port);
  for (const kind of Object.keys(KINDS)) await traffic.begin(kind, pod.port);
  let [from, next] = [0, 1];
  let moved = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const enough = traffic.received + BETWEEN;
    while (traffic.received < enough) await turn();
    for (const engines of [callers, called]) moved += (await handOver(engines[from] as TestEngine, engines[next] as TestEngine)).moved;
    [from, next] = [next, from];
  }
  t.deepEqual(await traffic.finish(), []);
  t.is(moved, 2 * ROUNDS * traffic.flows.length);
  for (const engine of callers) t.deepEqual(await engine.failures(), {});
});

test.serial('a connection through a gateway ends in the new process with all that is known of it', async (t) => {
  await using application = await echo();
  const pod = scene.throughGateway(application.port);
  const [old, next] = callers;
  const socket = connect({ port: pod.port, host: HERE });
  socket.write('before');
  t.is(String(await once(socket, 'data')), 'before');
  t.like(await handOver(old, next), { moved: 1, staying: {} });
  t.is((await old.report()).openConnections, 0);
  t.is((await next.report()).openConnections, 1);
  socket.end(' after');
  t.is(String(await once(socket, 'data')), ' after');
  await once(socket, 'close');
  await next.until(({ openConnections, clientSessions }) => openConnections === 0 && clientSessions === 0);
  t.deepEqual(old.ends, []);
  t.deepEqual(next.ends.map(({ sentBytes, receivedBytes, flag, destinationIdentity, hboneAddress }) => ({ sentBytes, receivedBytes, flag, destinationIdentity, hboneAddress })), [{ sentBytes: 12, receivedBytes: 12, flag: '-', destinationIdentity: workload.identity, hboneAddress: AUTHORITY }]);
});

test.serial('other implementations see one connection of either kind', async (t) => {
  for (const engine of callers) engine.trust(near, far);
  await using behind = await NodeServer.start(workload, near.rootPem, echoTunnel);
  await using passing = await NodeServer.start(gateway, near.rootPem, ({ stream }) => {
    stream.respond({ ':status': 200 });
    const onward = connect(behind.port, HERE);
    onward.on('error', () => stream.destroy());
    stream.pipe(onward).pipe(stream);
  });
  const pod = scene.callersTo(passing.port);
  const socket = connect({ port: pod.port, host: HERE });
  for (const [from, to] of [callers, [callers[1], callers[0]], callers] as const) {
    socket.write('x'.repeat(1000));
    t.is(String(await once(socket, 'data')), 'x'.repeat(1000));
    t.is((await handOver(from, to)).moved, 1);
  }
  socket.end();
  await once(socket, 'close');
  t.deepEqual([passing.sockets.length, behind.sockets.length], [1, 1]);
});

test.serial('a session inside a tunnel whose workload the new process would not speak to stays in the old one', async (t) => {
  await using application = await echo();
  const pod = scene.throughGateway(application.port);
  const [old, next] = callers;
  next.trust(near, { trustDomain: 'far.example', rootPem: stranger.rootPem });
  const socket = connect({ port: pod.port, host: HERE });
  socket.write('before');
  t.is(String(await once(socket, 'data')), 'before');
  t.deepEqual(await handOver(old, next), { moved: 0, batches: 1, rehearsals: 0, refusals: ['a stream that this tunnel can not have'], staying: { refused: 1 } });
  socket.write('after');
  t.is(String(await once(socket, 'data')), 'after');
  socket.destroy();
});

test.serial('a connection whose session inside is cut for its roots is so in the process that has it', async (t) => {
  await using application = await echo();
  const pod = scene.throughGateway(application.port);
  const [old, next] = callers;
  const socket = connect({ port: pod.port, host: HERE });
  socket.write('before');
  t.is(String(await once(socket, 'data')), 'before');
  t.is((await handOver(old, next)).moved, 1);
  const gone = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => {
    // It is cut.
  });
  next.trust(near);
  await gone;
  t.deepEqual(await next.failures(), { 'outbound trust-domain': 1 });
});
