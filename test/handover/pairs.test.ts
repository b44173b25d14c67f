/** Pairs of plain sockets, moved between two data planes again and again while bytes flow. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { EMPTY_MATCH } from '@landbridge/core/authorization.ts';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import type { HandedBatch } from '@landbridge/agent/handover/handed-batch.ts';
import { close } from '@landbridge/native/stream-socket.ts';
import { PlaneSink, PlaneSource } from '@landbridge/agent/proxy/plane-handover.ts';
import { Application, echo } from '../engine/applications.ts';
import { candidate, HERE, TestEngine, type TestPod } from '../engine/engine.ts';
import { type Decide, handOver, received, TAKER } from './hand-over.ts';
import { KINDS, MovedTraffic } from './moved-traffic.ts';

const ROUNDS = 3;
/** Received between two moves, so that each finds another state. */
const BETWEEN = 2_000_000;

const authority = new TestAuthority('east.example');
const own = authority.certificate('client');
/** Two agents of a node, and one that knows none of its pods. */
const engines = [new TestEngine(), new TestEngine()] as const;
const stranger = new TestEngine();
test.serial.afterEach.always(() => Promise.all(engines.map((engine) => engine.reset())));
test.after.always(async () => {
  authority[Symbol.dispose]();
  for (const engine of [...engines, stranger]) await engine[Symbol.asyncDispose]();
});

interface Pods {
  /** Listeners of the first one. */
  readonly plaintext: TestPod;
  readonly outbound: TestPod;
  /** Calls another pod of the node. */
  readonly local: TestPod;
  readonly called: TestPod;
}

/** Both agents know the same pods: some with an application at a port, and some that call it. */
function podsFor(port: number): Pods {
  const [pods] = engines.map((engine) => {
    engine.trust(authority);
    const called = engine.server(own);
    const local = engine.client(own, [candidate(called.port, own.identity, { localPod: called.uid, target: { ip: HERE, port } })]);
    return { local, called, plaintext: engine.plaintext(own, port), outbound: engine.client(own, [candidate(port, own.identity, { hop: 'plain', authority: '' })]) };
  });
  return pods as Pods;
}

async function exercise(limit: number, decide?: Decide): Promise<{ readonly faults: readonly string[]; readonly moved: number; readonly expected: number }> {
  await using traffic = await MovedTraffic.start();
  const pods = podsFor(traffic.port);
  for (const kind of Object.keys(KINDS)) {
    await traffic.begin(kind, pods.plaintext.port);
    await traffic.begin(kind, pods.outbound.port);
    await traffic.begin(kind, pods.local.port);
  }
  let [moved, [from, to]] = [0, engines];
  for (let round = 0; round < ROUNDS; round++) {
    const enough = traffic.received + BETWEEN;
    while (traffic.received < enough) await turn();
    const outcome = await handOver(from, to, limit, decide);
    moved += outcome.moved;
    [from, to] = [to, from];
  }
  return { faults: await traffic.finish(), moved, expected: ROUNDS * traffic.flows.length };
}

for (const limit of [8, 1000]) {
  test.serial(`no byte of any kind of traffic is lost or repeated, ${limit} at a time`, async (t) => {
    const { faults, moved, expected } = await exercise(limit);
    t.deepEqual(faults, []);
    t.is(moved, expected);
  });
}

test.serial('what a successor gives up goes on in the old process, and moves with a later batch', async (t) => {
  const { faults, moved, expected } = await exercise(8, (batch) => (batch % 2 === 0 ? 'give-up' : 'take'));
  t.deepEqual(faults, []);
  t.is(moved, expected);
});

async function said(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  return String(await once(socket, 'data'));
}

test.serial('a connection is counted as opened by the old process and as closed by the new one, with all of its bytes', async (t) => {
  await using application = await echo();
  const pods = podsFor(application.port);
  const [old, next] = engines;
  for (const port of [pods.plaintext.port, pods.outbound.port]) {
    const socket = connect({ port, host: HERE });
    t.is(await said(socket, 'before'), 'before');
    t.is((await handOver(old, next)).moved, 1);
    t.is((await old.report()).openConnections, 0);
    t.is((await next.report()).openConnections, 1);
    t.is(await said(socket, 'after that'), 'after that');
    socket.end();
    await once(socket, 'close');
    await next.until(({ openConnections }) => openConnections === 0);
  }
  t.deepEqual(old.ends, []);
  t.deepEqual(next.ends.map(({ flag, error, sentBytes, receivedBytes }) => ({ flag, error, sentBytes, receivedBytes })), [1, 2].map(() => ({ flag: '-', error: undefined, sentBytes: 16, receivedBytes: 16 })));
});

test.serial('a connection between two pods of the node counts for both, in the process that has it', async (t) => {
  await using application = await echo();
  const pods = podsFor(application.port);
  const [old, next] = engines;
  const socket = connect({ port: pods.local.port, host: HERE });
  t.is(await said(socket, 'before'), 'before');
  t.is((await old.report()).openConnections, 2);
  t.is((await handOver(old, next)).moved, 1);
  t.is((await old.report()).openConnections, 0);
  t.is((await next.report()).openConnections, 2);
  socket.end('after');
  t.is(String(await buffer(socket)), 'after');
  await next.until(({ openConnections }) => openConnections === 0);
  t.deepEqual(old.ends, []);
  t.deepEqual(next.ends.map(({ flag, sentBytes, receivedBytes, sourceIdentity }) => ({ flag, sentBytes, receivedBytes, sourceIdentity })), [1, 2].map(() => ({ flag: '-', sentBytes: 11, receivedBytes: 11, sourceIdentity: own.identity })));
});

test.serial('a connection to a pod that goes stays where it will be cut', async (t) => {
  await using application = await echo();
  const pods = podsFor(application.port);
  const [old, next] = engines;
  const socket = connect({ port: pods.local.port, host: HERE });
  const cut = once(socket, 'error');
  t.is(await said(socket, 'before'), 'before');
  const gone = old.plane.removePod(pods.called.uid, 1000);
  t.like(await handOver(old, next), { moved: 0, staying: { ending: 1 } });
  await gone;
  t.is(((await cut) as [NodeJS.ErrnoException])[0].code, 'ECONNRESET');
});

test.serial('what the policies of the new process do not allow is cut before a byte of it moves', async (t) => {
  const got: Buffer[] = [];
  await using application = await Application.start((socket) => void socket.on('data', (bytes: Buffer) => got.push(bytes)));
  const pods = podsFor(application.port);
  const [old, next] = engines;
  const socket = connect({ port: pods.plaintext.port, host: HERE });
  const failed = once(socket, 'error');
  socket.write('before');
  while (Buffer.concat(got).toString() !== 'before') await turn();
  next.plane.setPolicies(pods.plaintext.uid, [{ namespace: 'shop', name: 'nobody', scope: 'workload', action: 'deny', rules: [[[{ ...EMPTY_MATCH, destinationPorts: [application.port] }]]], dryRun: false, unevaluable: undefined }]);
  const [source, sink] = [new PlaneSource(old.plane), new PlaneSink(next.plane)];
  const batch = await source.next(1, TAKER);
  if (batch.kind !== 'batch') return t.fail(batch.kind);
  socket.write('while it is nobody\'s');
  const prepared = await sink.prepare(received(batch.batch));
  if (prepared.kind !== 'prepared') return t.fail(prepared.reason);
  await sink.start(prepared.prepared);
  await source.commit(batch.batch);
  const [error] = (await failed) as [NodeJS.ErrnoException];
  t.is(error.code, 'ECONNRESET');
  t.is(Buffer.concat(got).toString(), 'before');
  await next.until(({ openConnections }) => openConnections === 0);
  t.regex(next.ends[0]?.error ?? '', /policy change/);
});

test.serial('a successor that does not know the pod refuses it, and the old process serves on', async (t) => {
  await using application = await echo();
  const pods = podsFor(application.port);
  const socket = connect({ port: pods.plaintext.port, host: HERE });
  t.is(await said(socket, 'before'), 'before');
  const { moved, refusals, staying } = await handOver(engines[0], stranger);
  t.deepEqual({ moved, refusals, staying }, { moved: 0, refusals: [`pod ${pods.plaintext.uid} is unknown`], staying: { refused: 1 } });
  t.is(await said(socket, 'after'), 'after');
  socket.destroy();
});

/** What an application sees where nobody is left who has its connection, after `move` has said what was done to it before. */
async function endWithoutOwner(move: (next: (resets: boolean) => Promise<HandedBatch>, source: PlaneSource) => Promise<HandedBatch>): Promise<string> {
  await using application = await echo();
  const pods = podsFor(application.port);
  const source = new PlaneSource(engines[0].plane);
  const socket = connect({ port: pods.plaintext.port, host: HERE });
  await said(socket, 'before');
  const ended = Promise.race([once(socket, 'error').then(([error]: NodeJS.ErrnoException[]) => error?.code ?? ''), once(socket.resume(), 'end').then(() => 'end')]);
  const batch = await move(async (resets) => {
    const next = await source.next(1, { ...TAKER, resets });
    if (next.kind !== 'batch') throw new Error(next.kind);
    return next.batch;
  }, source);
  const { memory, fds } = received(batch);
  await source.commit(batch);
  // Answered once the thread has let go of it.
  await source.staying();
  for (const fd of [memory, ...fds]) close(fd);
  return await ended;
}

test.serial('a connection whose batch nobody has any more is reset, also one that was given back before', async (t) => {
  t.is(await endWithoutOwner(async (next) => await next(true)), 'ECONNRESET');
  const again = await endWithoutOwner(async (next, source) => {
    const batch = await next(false);
    close(batch.memory);
    await source.rollback(batch, 'again');
    return await next(true);
  });
  t.is(again, 'ECONNRESET');
});

test.serial('a successor that would lose what is unsent where it ends a connection is given one that ends as it is', async (t) => {
  t.is(await endWithoutOwner(async (next) => await next(false)), 'end');
});

test.serial('what one successor has refused is offered to the next one', async (t) => {
  await using application = await echo();
  const pods = podsFor(application.port);
  const [old, next] = engines;
  const sockets = await Promise.all([1, 2, 3].map(async () => {
    const socket = connect({ port: pods.plaintext.port, host: HERE });
    await said(socket, 'before');
    return socket;
  }));
  t.like(await handOver(old, stranger), { moved: 0, staying: { refused: 3 } });
  t.deepEqual(await handOver(old, next), { moved: 3, batches: 1, rehearsals: 0, refusals: [], staying: {} });
  for (const socket of sockets) {
    t.is(await said(socket, 'after'), 'after');
    socket.destroy();
  }
});

test.serial('one connection that is refused does not hold up those that were in its batch', async (t) => {
  await using application = await echo();
  const pods = podsFor(application.port);
  const [old, next] = engines;
  const known = await Promise.all([1, 2, 3].map(async () => {
    const socket = connect({ port: pods.plaintext.port, host: HERE });
    await said(socket, 'x');
    return socket;
  }));
  const unknown = connect({ port: old.plaintext(own, application.port).port, host: HERE });
  t.is(await said(unknown, 'x'), 'x');
  const { moved, staying } = await handOver(old, next);
  t.deepEqual({ moved, staying }, { moved: 3, staying: { refused: 1 } });
  for (const socket of [...known, unknown]) {
    t.is(await said(socket, 'after'), 'after');
    socket.destroy();
  }
});
