import { LandbridgeError } from '@landbridge/core/errors.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import { collectGarbage, releaseFreedMemory, releaseProgramPages } from '@landbridge/native/resident-memory.ts';
import type { Logger } from 'pino';
import { metrics } from './metrics.ts';
import type { DataPlane } from './proxy/data-plane.ts';

const LOOK_MS = 2500;
/** Nothing has happened for so long. */
export const QUIET_MS = 10_000;
/** Data threads collect in their own time, and V8 unmaps what became free by threads of its own. */
const COLLECTED_MS = 1000;
/** Between two times: each costs every thread some hundredths of a second, and whoever comes next some page faults. */
export const SPACING_MS = 300_000;

/** What the agent has done, and does. */
export interface Activity {
  readonly openConnections: number;
  /** Different after anything has happened. */
  readonly mark: string;
}

/** Decides when memory is given back: once after each time of activity, and only while no connection is open. */
export class IdleWatch {
  #mark: string | undefined;
  #sinceMs = 0;
  #releasedMark: string | undefined;
  #releasedMs = Number.NEGATIVE_INFINITY;

  isTime({ openConnections, mark }: Activity, nowMs: number): boolean {
    if (mark !== this.#mark || openConnections > 0) {
      this.#mark = mark;
      this.#sinceMs = nowMs;
      return false;
    }
    if (mark === this.#releasedMark || nowMs - this.#sinceMs < QUIET_MS || nowMs - this.#releasedMs < SPACING_MS) return false;
    this.#releasedMark = mark;
    this.#releasedMs = nowMs;
    return true;
  }
}

/**
 * Gives back what the start, discovery and connections have left behind: V8 and malloc keep it for times that may not come,
 * and most of the pages of Node.js' own program serve its start. Runs until the signal aborts.
 */
export async function releaseIdleMemory(plane: Pick<DataPlane, 'collectGarbage'>, isReady: () => boolean, log: Logger, signal: AbortSignal): Promise<void> {
  const watch = new IdleWatch();
  try {
    for (; !signal.aborted; await waitFor(LOOK_MS, signal)) {
      if (!isReady() || !watch.isTime(await activity(), performance.now())) continue;
      plane.collectGarbage();
      collectGarbage();
      await waitFor(COLLECTED_MS, signal);
      releaseFreedMemory();
      releaseProgramPages();
    }
  } catch (thrown) {
    // Somebody may hide /proc/self/smaps: the agent works as well without.
    log.warn({ error: LandbridgeError.from(thrown).message }, 'memory that is not used stays with the agent');
  }
}

async function activity(): Promise<Activity> {
  const [open, ...others] = await Promise.all([metrics.openConnections, metrics.connections, metrics.handshakes, metrics.capturedPods, metrics.certificates].map(async (metric) => (await metric.get()).values.reduce((sum, { value }) => sum + value, 0)));
  return { openConnections: open ?? 0, mark: others.join() };
}
