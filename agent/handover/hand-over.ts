import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import type { SeqpacketSocket } from '@landbridge/native/seqpacket.ts';
import type { HeldPrecedence } from '@landbridge/native/thread-precedence.ts';
import type { Logger } from 'pino';
import { metrics } from '../metrics.ts';
import { type GivenBatch, giveConnections, type Giving } from './give-connections.ts';
import type { HandoverSource } from './handed-batch.ts';
import { enter, type HandoverDoor } from './handover-door.ts';

const RETRY = { firstMs: 100, mostMs: 2000 };
/** How long a batch may stand still, at first and at most: doubled for a successor that was too slow, as a pause is better than an end. */
const BATCH_MS = { first: 300, most: 2400 } as const;
/** Without a single connection that moved: the successor does not do this, or can not. */
const MAX_FRUITLESS = 8;
/** For what can not move yet: what has not become ready by then ends where it is. */
const SETTLE_MS = 5000;
/** After a successor has died: a container that ended begins anew at once, and an agent needs seconds to serve its pods. */
const NEXT_MS = 20_000;

export interface HandingOver {
  readonly source: HandoverSource;
  readonly door: HandoverDoor;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** For each hand-over. */
  readonly comeFirst: () => HeldPrecedence;
  /** Between two tries. Default: with jitter, up to 2 s. */
  readonly delayMs?: (failures: number) => number;
  /** For what can not move yet, for each that takes. Default 5000. */
  readonly settleMs?: number;
}

/**
 * Gives all connections that can move to the node's other agent, by as many hand-overs as it takes. What is left then ends
 * here by itself, as without any. Never throws.
 */
export async function handOver({ source, door, log, signal, comeFirst, delayMs = (failures) => retryDelay(failures, RETRY), settleMs = SETTLE_MS }: HandingOver): Promise<void> {
  let [isTold, nextByMs, batchMs]: [boolean, number, number] = [false, Number.NEGATIVE_INFINITY, BATCH_MS.first];
  for (let fruitless = 0; !signal.aborted && fruitless < MAX_FRUITLESS; ) {
    const entrance = enter(door);
    if (entrance.kind === 'open') {
      isTold = true;
      const giving = await give(entrance.socket, { source, log, signal, comeFirst, batchMs, patience: AbortSignal.timeout(settleMs) });
      if (giving.outcome.kind === 'complete' || giving.outcome.kind === 'other-format') return;
      if (giving.outcome.kind === 'not-taken') batchMs = Math.min(2 * batchMs, BATCH_MS.most);
      if (giving.outcome.kind === 'successor-gone') nextByMs = performance.now() + NEXT_MS;
      if (giving.connections > 0) fruitless = 0;
    } else {
      log.debug({ reason: entrance.reason }, 'no agent takes connections over');
    }
    await waitFor(delayMs(fruitless), signal);
    if (entrance.kind === 'open' || performance.now() >= nextByMs) fruitless++;
  }
  if (!isTold) log.info({ outcome: 'nobody', batches: 0, connections: 0, staying: await source.staying().catch(() => ({})) }, 'connections handed over');
}

async function give(socket: SeqpacketSocket, { source, log, comeFirst, ...limits }: Pick<HandingOver, 'source' | 'log' | 'signal' | 'comeFirst'> & { readonly batchMs: number; readonly patience: AbortSignal }): Promise<Giving> {
  using _socket = socket;
  using precedence = comeFirst();
  const beganMs = performance.now();
  const onBatch = ({ fate, connections, tunnels, stateBytes, heldMs }: GivenBatch): void => {
    // Of what was given the one who has it knows when it went on.
    if (fate !== 'given') metrics.handoverPauseSeconds.observe(heldMs / 1000);
    metrics.handoverConnections.inc({ outcome: fate }, connections);
    log.debug({ fate, connections, tunnels, state_bytes: stateBytes, held_ms: tenths(heldMs) }, 'batch of connections');
  };
  const giving = await giveConnections(socket, source, { ...limits, onBatch });
  metrics.handovers.inc({ side: 'given', outcome: giving.outcome.kind });
  log.info({ successor: socket.peer.pid, ...linesOf(giving), came_first: precedence.isGranted, took_ms: Math.round(performance.now() - beganMs) }, 'connections handed over');
  return giving;
}

const tenths = (milliseconds: number): number => Math.round(milliseconds * 10) / 10;

const linesOf = ({ outcome, batches, connections, staying }: Giving) => ({ outcome: outcome.kind, reason: outcome.kind === 'failed' ? outcome.reason : undefined, batches, connections, staying });
