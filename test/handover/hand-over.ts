/** A hand-over between two data planes of one process, which share nothing but the descriptors that are duplicated for it. */
import { setImmediate as turn } from 'node:timers/promises';
import { type HandedBatch, type HandoverSink, type HandoverSource, MAX_BATCH_SOCKETS, type NextBatch, type Staying, type Taker } from '@landbridge/agent/handover/handed-batch.ts';
import { parseHandoverPacket } from '@landbridge/agent/handover/handover-packet.ts';
import { PlaneSink, PlaneSource } from '@landbridge/agent/proxy/plane-handover.ts';
import type { Received } from '@landbridge/native/seqpacket.ts';
import { MappedMemory, sealedMemory } from '@landbridge/native/sealed-memory.ts';
import { close } from '@landbridge/native/stream-socket.ts';
import { duplicate } from '@landbridge/native/libc.ts';
import type { TestEngine } from '../engine/engine.ts';
import { connectedChannel } from './connected-channel.ts';

export interface Outcome {
  readonly moved: number;
  readonly batches: number;
  readonly rehearsals: number;
  readonly refusals: readonly string[];
  readonly staying: Staying;
}

/** No descriptor: no word can be given there. */
const NOBODY = -1;

/** A batch as the other process would have received it. */
export const received = ({ memory, bytes, fds, connections }: HandedBatch): HandedBatch => ({ memory, bytes, fds: fds.map(duplicate), connections });

/** This version. */
export const TAKER: Taker = { sockets: MAX_BATCH_SOCKETS, resets: true };

/** What becomes of a prepared batch: taken, or given up by the successor and rolled back. */
export type Decide = (batch: number) => 'take' | 'give-up';

/** The bytes of a batch as another version would write them; its sockets are the same. */
export type Changed = (bytes: Buffer) => Buffer;

/** Waits for all that is unsettled. */
export async function handOver(from: TestEngine, to: TestEngine, limit = 16, decide: Decide = () => 'take', changed: Changed | undefined = undefined): Promise<Outcome> {
  const [source, sink]: [HandoverSource, HandoverSink] = [new PlaneSource(from.plane), new PlaneSink(to.plane)];
  await using channel = await connectedChannel();
  const refusals: string[] = [];
  let [moved, batches] = [0, 0];
  await source.begin();
  const rehearsals = await rehearse(source, sink, TAKER.sockets);
  for (;;) {
    const next: NextBatch = await source.next(limit, TAKER);
    if (next.kind === 'none-left') return { moved, batches, rehearsals, refusals, staying: await source.staying() };
    if (next.kind === 'later') {
      await turn();
      continue;
    }
    batches++;
    const arrived = received(next.batch);
    const word = { channel: decide(batches) === 'take' ? channel.successor.descriptor : NOBODY, number: batches };
    const taken = await sink.take(changed === undefined ? arrived : rewritten(arrived, changed), word);
    if (taken.kind === 'refused') {
      refusals.push(taken.reason);
      await source.rollback(next.batch, 'refused');
    } else if (taken.kind === 'started') {
      if (!saysTake(channel.giver.receive(), batches)) throw new Error(`batch ${batches} runs, and its word was not given`);
      await source.commit(next.batch);
      moved += taken.batch.connections;
    } else {
      await sink.discard(taken.prepared);
      await source.rollback(next.batch, 'again');
    }
  }
}

function saysTake(received: Received, number: number): boolean {
  const parsed = received.kind === 'packet' ? parseHandoverPacket(received.bytes) : undefined;
  return parsed?.ok === true && parsed.value.kind === 'take' && parsed.value.number === number;
}

/** As often as the old one wants; how often that was. */
export async function rehearse(source: HandoverSource, sink: HandoverSink, sockets: number): Promise<number> {
  for (let count = 0; ; count++) {
    const batch = await source.rehearse(sockets);
    if (batch === undefined) return count;
    const prepared = await sink.prepare(received(batch));
    if (prepared.kind === 'prepared') await sink.discard(prepared.prepared);
  }
}

function rewritten(batch: HandedBatch, changed: Changed): HandedBatch {
  using mapped = new MappedMemory(batch.memory, batch.bytes);
  const content = changed(Buffer.from(mapped.bytes));
  close(batch.memory);
  return { ...batch, memory: sealedMemory([content]).release(), bytes: content.length };
}
