import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import { metrics } from '../metrics.ts';
import { type GivenBatch, giveConnections, type Giving } from './give-connections.ts';
import type { HandoverSource } from './handed-batch.ts';
import { enter, type HandoverDoor } from './handover-door.ts';

const RETRY = { firstMs: 100, mostMs: 2000 };
/** Without a single connection that moved: the successor does not do this, or can not. */
const MAX_FRUITLESS = 8;

export interface HandingOver {
  readonly source: HandoverSource;
  readonly door: HandoverDoor;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Between two tries. Default: with jitter, up to 2 s. */
  readonly delayMs?: (failures: number) => number;
}

/**
 * Gives all connections that can move to the node's other agent, by as many hand-overs as it takes. What is left then ends
 * here by itself, as without any. Never throws.
 */
export async function handOver({ source, door, log, signal, delayMs = (failures) => retryDelay(failures, RETRY) }: HandingOver): Promise<void> {
  let isTold = false;
  for (let fruitless = 0; !signal.aborted && fruitless < MAX_FRUITLESS; ) {
    const entrance = enter(door);
    if (entrance.kind === 'open') {
      isTold = true;
      using socket = entrance.socket;
      let longestMs = 0;
      const onBatch = (batch: GivenBatch): void => {
        longestMs = Math.max(longestMs, batch.pauseMs);
        metrics.handoverPauseSeconds.observe(batch.pauseMs / 1000);
        metrics.handoverConnections.inc({ outcome: batch.fate }, batch.connections);
      };
      const giving = await giveConnections(socket, source, { signal, onBatch });
      metrics.handovers.inc({ side: 'given', outcome: giving.outcome.kind });
      log.info(linesOf(giving, longestMs), 'connections handed over');
      if (giving.outcome.kind === 'complete' || giving.outcome.kind === 'other-format') return;
      if (giving.connections > 0) fruitless = 0;
    } else {
      log.debug({ reason: entrance.reason }, 'no agent takes connections over');
    }
    await waitFor(delayMs(fruitless++), signal);
  }
  if (!isTold) log.info({ outcome: 'nobody', batches: 0, connections: 0, staying: await source.staying().catch(() => ({})) }, 'connections handed over');
}

const linesOf = ({ outcome, batches, connections, staying }: Giving, longestMs: number) => ({ outcome: outcome.kind, reason: outcome.kind === 'failed' ? outcome.reason : undefined, batches, connections, staying, longest_pause_ms: Math.round(longestMs) });
