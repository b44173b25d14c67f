import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import pino from 'pino';
import { sealedMemory } from '@landbridge/native/sealed-memory.ts';
import { SeqpacketListener } from '@landbridge/native/seqpacket-listener.ts';
import { ownThreads } from '@landbridge/native/thread-precedence.ts';
import type { DataPlane } from '../proxy/data-plane.ts';
import type { ToThread } from '../proxy/thread-messages.ts';
import { AgentHandover } from './agent-handover.ts';
import type { HandoverSink } from './handed-batch.ts';
import { MAX_CHANNEL_DESCRIPTORS, sendPacket } from './handover-channel.ts';
import { type HandoverDoor, openDoor } from './handover-door.ts';
import { MAX_HANDOVER_PACKET_BYTES } from './handover-packet.ts';
import { takeConnections } from './take-connections.ts';

test('a grace period that ends in the middle of a batch ends the hand-over after it: threads that stop wait for its outcome', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-agent-handover-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const door: HandoverDoor = { directory, isAgent: () => true };
  const asked: string[] = [];
  const plane = {
    threads: 1,
    // None of this process is to come first.
    threadIds: new Set(ownThreads().map(({ id }) => id)),
    tellThread: (_thread: number, { kind }: ToThread) => asked.push(kind),
    askThread: async (_thread: number, question: (id: number) => ToThread) => {
      const { kind } = question(1);
      asked.push(kind);
      return { kind: 'handover', id: 1, outcome: kind === 'handover-rehearse' ? { kind: 'none-left' } : kind === 'handover-next' ? { kind: 'batch', memory: sealedMemory([new Uint8Array(8)]).release(), bytes: 8, fds: [], connections: 1, tunnels: 0, frozenAtMs: 0 } : { kind: 'done' } };
    },
  };
  const grace = new AbortController();
  const sink: HandoverSink = {
    // The grace period is over before the batch is taken.
    take: async (_batch, { channel, number }) => {
      grace.abort();
      await new Promise((resolve) => setTimeout(resolve, 50));
      sendPacket(channel, { kind: 'take', number });
      return { kind: 'started', batch: { connections: 1, tunnels: 0 }, atMs: 0 };
    },
    prepare: async () => ({ kind: 'refused', reason: 'nothing is rehearsed here' }),
    start: async () => 0,
    discard: async () => {},
  };
  using listener = new SeqpacketListener(openDoor(door));
  const given = new AgentHandover(plane as unknown as DataPlane, door, pino({ level: 'silent' })).give(grace.signal);
  await listener.readable(AbortSignal.timeout(60_000));
  using socket = listener.accept(MAX_HANDOVER_PACKET_BYTES, MAX_CHANNEL_DESCRIPTORS);
  t.not(socket, undefined);
  if (socket === undefined) return;
  const taking = takeConnections(socket, sink, { signal: new AbortController().signal });
  await given;
  t.is(asked.length, 5);
  t.deepEqual(asked.slice(0, 3), ['handover-begin', 'handover-rehearse', 'handover-next']);
  t.regex(asked[3] ?? '', /^handover-(commit|rollback)$/);
  t.is(asked[4], 'handover-count');
  await taking;
});
