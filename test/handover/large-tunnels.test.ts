/** A tunnel with more streams than one packet has room for sockets, through the channel that agents use. */
import { once } from 'node:events';
import type { ClientHttp2Stream } from 'node:http2';
import test from 'ava';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { giveConnections, type Giving } from '@landbridge/agent/handover/give-connections.ts';
import { MAX_PACKET_SOCKETS } from '@landbridge/agent/handover/handed-batch.ts';
import { encodeHandoverPacket } from '@landbridge/agent/handover/handover-packet.ts';
import { takeConnections } from '@landbridge/agent/handover/take-connections.ts';
import { PlaneSink, PlaneSource } from '@landbridge/agent/proxy/plane-handover.ts';
import { echo } from '../engine/applications.ts';
import { HERE, TestEngine } from '../engine/engine.ts';
import { NodeClient } from '../engine/node-peers.ts';
import { connectedChannel } from './connected-channel.ts';

/** Three packets, the last of them not full. */
const STREAMS = 2 * MAX_PACKET_SOCKETS + 60;
const authority = new TestAuthority('east.example');
const [client, server] = [authority.certificate('client'), authority.certificate('server')];
const engines = [new TestEngine(), new TestEngine()] as const;
test.serial.afterEach.always(() => Promise.all(engines.map((engine) => engine.reset())));
test.after.always(async () => {
  authority[Symbol.dispose]();
  for (const engine of engines) await engine[Symbol.asyncDispose]();
});
const soon = (): AbortSignal => AbortSignal.timeout(50_000);

/** A client of another implementation, with its tunnels to an application. */
async function withStreams(under: (streams: readonly ClientHttp2Stream[]) => Promise<void>): Promise<void> {
  await using application = await echo();
  const [pod] = engines.map((engine) => {
    engine.trust(authority);
    return engine.server(server);
  });
  using peer = await NodeClient.connect(pod?.port ?? 0, client, authority.rootPem);
  const streams = await Promise.all(Array.from({ length: STREAMS }, async () => (await peer.tunnel(`${HERE}:${application.port}`)).stream));
  await under(streams);
}

async function said(stream: ClientHttp2Stream, text: string): Promise<string> {
  stream.write(text);
  return String(await once(stream, 'data'));
}

test.serial('it moves in several packets, with each stream at its own socket', async (t) => {
  await withStreams(async (streams) => {
    for (const [i, stream] of streams.entries()) t.is(await said(stream, `before ${i}`), `before ${i}`);
    await using channel = await connectedChannel();
    const [given, taken] = await Promise.all([giveConnections(channel.giver, new PlaneSource(engines[0].plane), { signal: soon(), batchMs: 20_000 }), takeConnections(channel.successor, new PlaneSink(engines[1].plane), { signal: soon() })]);
    t.deepEqual(given, { outcome: { kind: 'complete' }, batches: 1, connections: STREAMS, staying: {} });
    t.like(taken, { outcome: { kind: 'complete' }, batches: 1, connections: STREAMS });
    for (const [i, stream] of streams.entries()) t.is(await said(stream, `after ${i}`), `after ${i}`);
  });
});

/** As an agent of before, which says nothing of sockets and rehearsals. */
async function toOneOfBefore(): Promise<Giving> {
  await using channel = await connectedChannel();
  const hello = encodeHandoverPacket({ kind: 'hello', formats: [1], sockets: 0, rehearses: false, resets: false });
  channel.successor.send(hello.subarray(0, hello.length - 12), []);
  return await giveConnections(channel.giver, new PlaneSource(engines[0].plane), { signal: soon(), patience: AbortSignal.timeout(0) });
}

test.serial('it stays where the successor takes one packet only', async (t) => {
  await withStreams(async (streams) => {
    t.like(await toOneOfBefore(), { batches: 0, staying: { 'too-large': STREAMS } });
    t.is(await said(streams[0] as ClientHttp2Stream, 'goes on'), 'goes on');
  });
});

test.serial('a successor that dies before the packets come has nothing, and all goes on', async (t) => {
  await withStreams(async (streams) => {
    await using channel = await connectedChannel();
    const source = new PlaneSource(engines[0].plane);
    const giving = giveConnections(channel.giver, { ...wrapped(source), next: async (...limits) => {
      const next = await source.next(...limits);
      channel.successor[Symbol.dispose]();
      return next;
    } }, { signal: soon() });
    channel.successor.send(encodeHandoverPacket({ kind: 'hello', formats: [1], sockets: 1200, rehearses: false, resets: false }), []);
    t.like(await giving, { outcome: { kind: 'successor-gone' }, connections: 0, staying: { untaken: STREAMS } });
    for (const [i, stream] of streams.entries()) t.is(await said(stream, `goes on ${i}`), `goes on ${i}`);
  });
});

const wrapped = (source: PlaneSource) => ({ begin: source.begin.bind(source), rehearse: source.rehearse.bind(source), commit: source.commit.bind(source), rollback: source.rollback.bind(source), staying: source.staying.bind(source) });
