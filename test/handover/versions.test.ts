/** Hand-overs between this version and one that writes more, or other things, than it reads: to that one and back. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test from 'ava';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { HANDOVER_FORMATS } from '@landbridge/agent/handover/handed-batch.ts';
import { giveConnections, type Giving } from '@landbridge/agent/handover/give-connections.ts';
import { encodeHandoverPacket, HELLO } from '@landbridge/agent/handover/handover-packet.ts';
import { parseBatch, parseFields } from '@landbridge/agent/handover/state-reader.ts';
import { MUST_UNDERSTAND, StateWriter } from '@landbridge/agent/handover/state-writer.ts';
import { PlaneSource } from '@landbridge/agent/proxy/plane-handover.ts';
import { echo } from '../engine/applications.ts';
import { candidate, HERE, TestEngine, type TestPod } from '../engine/engine.ts';
import { type Changed, handOver } from './hand-over.ts';
import { connectedChannel } from './connected-channel.ts';

/** Tags of no field and of no record, this time. */
const UNKNOWN = 0x7b;
const authority = new TestAuthority('east.example');
const own = authority.certificate('client');
const engines = [new TestEngine(), new TestEngine()] as const;
test.serial.afterEach.always(() => Promise.all(engines.map((engine) => engine.reset())));
test.after.always(async () => {
  authority[Symbol.dispose]();
  for (const engine of engines) await engine[Symbol.asyncDispose]();
});

interface Pods {
  readonly plaintext: TestPod;
  readonly outbound: TestPod;
  readonly tunnelled: TestPod;
}

/** Each connection is one that moves as a record of another kind; those in a tunnel as two, one of each end. */
function podsFor(port: number): Pods {
  const [pods] = engines.map((engine) => {
    engine.trust(authority);
    const server = engine.server(own);
    return { plaintext: engine.plaintext(own, port), outbound: engine.client(own, [candidate(port, own.identity, { hop: 'plain', authority: '' })]), tunnelled: engine.client(own, [candidate(server.port, own.identity, { authority: `${HERE}:${port}` })]) };
  });
  return pods as Pods;
}

async function said(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  return String(await once(socket, 'data'));
}

async function open(pods: Pods): Promise<readonly Socket[]> {
  return await Promise.all(Object.values(pods).map(async ({ port }: TestPod) => {
    const socket = connect({ port, host: HERE });
    await said(socket, 'first');
    return socket;
  }));
}

/** A version whose records all have one field more. */
const withField = (tag: number): Changed => (bytes) => {
  const records = parseBatch(bytes);
  if (!records.ok) throw new Error(records.error);
  const writer = new StateWriter();
  for (const { tag: kind, content } of records.value) {
    writer.nested(kind, () => {
      writer.text(tag, 'what it may be');
      const fields = parseFields(content);
      for (const field of fields.ok ? fields.value : []) writer.bytes(field.tag, field.content);
    });
  }
  return Buffer.concat(writer.batch(records.value.length).parts);
};

/** A version that has another kind of connection, of which one is among others. */
const withKind: Changed = (bytes) => {
  const records = parseBatch(bytes);
  if (!records.ok) throw new Error(records.error);
  const writer = new StateWriter();
  for (const { tag, content } of records.value) writer.bytes(tag === 2 ? UNKNOWN : tag, content);
  return Buffer.concat(writer.batch(records.value.length).parts);
};

test.serial('fields of a later version that may be skipped are, there and back', async (t) => {
  await using application = await echo();
  const sockets = await open(podsFor(application.port));
  const [old, next] = engines;
  for (const [from, to] of [[old, next], [next, old]] as const) {
    t.like(await handOver(from, to, 16, undefined, withField(UNKNOWN)), { moved: 4, refusals: [], staying: {} });
    for (const socket of sockets) t.is(await said(socket, 'goes on'), 'goes on');
  }
  for (const socket of sockets) socket.destroy();
});

test.serial('connections of which a later version says what may not be skipped stay, counted, and go on', async (t) => {
  await using application = await echo();
  const sockets = await open(podsFor(application.port));
  const [old, next] = engines;
  const { moved, refusals, staying } = await handOver(old, next, 16, undefined, withField(UNKNOWN | MUST_UNDERSTAND));
  t.deepEqual({ moved, staying }, { moved: 0, staying: { refused: 4 } });
  for (const reason of refusals) t.is(reason, `field ${UNKNOWN | MUST_UNDERSTAND} is unknown and may not be skipped`);
  t.deepEqual(await new PlaneSource(old.plane).staying(), { refused: 4 });
  for (const socket of sockets) {
    t.is(await said(socket, 'goes on'), 'goes on');
    socket.destroy();
  }
});

test.serial('of a batch with a kind of connection that only a later version has the others move', async (t) => {
  await using application = await echo();
  const sockets = await open(podsFor(application.port));
  const [old, next] = engines;
  const { moved, refusals, staying } = await handOver(old, next, 16, undefined, withKind);
  t.deepEqual({ moved, staying }, { moved: 3, staying: { refused: 1 } });
  for (const reason of refusals) t.is(reason, `a record of kind ${UNKNOWN}, which is unknown`);
  for (const socket of sockets) {
    t.is(await said(socket, 'goes on'), 'goes on');
    socket.destroy();
  }
});

async function give(formats: readonly number[]): Promise<Giving> {
  await using channel = await connectedChannel();
  channel.successor.send(encodeHandoverPacket({ ...HELLO, formats, rehearses: false }), []);
  return await giveConnections(channel.giver, new PlaneSource(engines[0].plane), { signal: AbortSignal.timeout(20_000) });
}

test.serial('a successor that reads none of the formats is given nothing, what stays is counted, and it goes on', async (t) => {
  await using application = await echo();
  const sockets = await open(podsFor(application.port));
  for (const formats of [[Math.max(...HANDOVER_FORMATS) + 1], [Math.max(...HANDOVER_FORMATS) + 2, Math.max(...HANDOVER_FORMATS) + 1]]) t.deepEqual(await give(formats), { outcome: { kind: 'other-format' }, batches: 0, connections: 0, staying: { untaken: 4 } });
  for (const socket of sockets) {
    t.is(await said(socket, 'goes on'), 'goes on');
    socket.destroy();
  }
});
