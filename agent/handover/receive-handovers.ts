import { LandbridgeError } from '@landbridge/core/errors.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import { SeqpacketListener } from '@landbridge/native/seqpacket-listener.ts';
import type { SeqpacketSocket } from '@landbridge/native/seqpacket.ts';
import type { HeldPrecedence } from '@landbridge/native/thread-precedence.ts';
import type { Logger } from 'pino';
import { metrics } from '../metrics.ts';
import type { HandoverSink } from './handed-batch.ts';
import { MAX_CHANNEL_DESCRIPTORS } from './handover-channel.ts';
import { distrust, type HandoverDoor, openDoor } from './handover-door.ts';
import { MAX_HANDOVER_PACKET_BYTES } from './handover-packet.ts';
import { type TakenBatch, takeConnections } from './take-connections.ts';

/** How often to look whether there is an agent that may hand over. */
const LOOK_MS = 500;

export interface ReceivingHandovers {
  readonly sink: HandoverSink;
  readonly door: HandoverDoor;
  /** Whether another agent lives of which this one is the successor: without one nobody may come. */
  readonly isFollowing: () => boolean;
  readonly log: Logger;
  /** For each hand-over. */
  readonly comeFirst: () => HeldPrecedence;
}

/** Takes what earlier agents of the node hand over, one after the other, until the signal aborts. Not before this agent serves all pods. */
export async function receiveHandovers(options: ReceivingHandovers, signal: AbortSignal): Promise<void> {
  for (; !signal.aborted; await waitFor(LOOK_MS, signal)) {
    if (!options.isFollowing()) continue;
    try {
      using listener = new SeqpacketListener(openDoor(options.door));
      while (!signal.aborted && options.isFollowing()) await receiveNext(listener, options, signal);
    } catch (thrown) {
      options.log.warn({ error: LandbridgeError.from(thrown).message }, 'connections of an earlier agent can not be taken over');
    }
  }
}

async function receiveNext(listener: SeqpacketListener, options: ReceivingHandovers, signal: AbortSignal): Promise<void> {
  const socket = listener.accept(MAX_HANDOVER_PACKET_BYTES, MAX_CHANNEL_DESCRIPTORS);
  if (socket === undefined) return await listener.readable(AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]));
  using _socket = socket;
  await receive(socket, options, signal);
}

async function receive(socket: SeqpacketSocket, { sink, door, log, comeFirst }: ReceivingHandovers, signal: AbortSignal): Promise<void> {
  const reason = distrust(door, socket.peer);
  if (reason !== undefined) return log.warn({ reason }, 'a process that is no agent wanted to hand connections over');
  using precedence = comeFirst();
  let longestMs = 0;
  const onBatch = ({ connections: count, tunnels, stateBytes, pauseMs }: TakenBatch): void => {
    metrics.handoverConnections.inc({ outcome: 'taken' }, count);
    if (pauseMs !== undefined) metrics.handoverPauseSeconds.observe(pauseMs / 1000);
    longestMs = Math.max(longestMs, pauseMs ?? 0);
    log.debug({ connections: count, tunnels, state_bytes: stateBytes, pause_ms: pauseMs === undefined ? undefined : Math.round(pauseMs * 10) / 10 }, 'batch of connections taken');
  };
  const { outcome, batches, connections } = await takeConnections(socket, sink, {
    signal,
    onBatch,
    onRefusal: (why) => log.warn({ reason: why }, 'a batch of connections was refused'),
  });
  metrics.handovers.inc({ side: 'taken', outcome: outcome.kind });
  log.info({ outcome: outcome.kind, reason: 'reason' in outcome ? outcome.reason : undefined, batches, connections, came_first: precedence.isGranted, longest_pause_ms: Math.round(longestMs) }, 'connections taken over');
}
