import { waitFor } from '@landbridge/core/retry-delay.ts';
import type { DataPlane } from './proxy/data-plane.ts';

const LOOK_MS = 100;
/**
 * How long a handshake of TCP that began before another agent took over may still need: a listener that closes resets
 * those it has answered and not heard of again. The kernel repeats its answer after 1 s (RFC 6298, section 2.1).
 */
export const HANDSHAKES_MS = 2000;

/** Whoever has connections that another agent may take over. */
export interface Leaver {
  /** Asks others to take over. */
  leave(): void;
  /** Whether no new connection comes here any more. */
  isRelieved(): boolean;
  /** Whether there is somebody to take over. */
  isFollowed(): boolean;
  /** Gives open connections to the one who has taken over, as far as they can move; those that can not end here. */
  handOver?(grace: AbortSignal): Promise<void>;
}

/**
 * The end of an agent. Goes on serving until another one has taken over, or until there is no connection and nobody to
 * wait for: the pods of a node have only this one. Then gives the ports of the node away, and open connections to who has
 * taken over; listens until the connections that had begun to come have come, gives those away too, and serves what is
 * left until it has ended or the grace period has.
 */
export async function depart(leaver: Leaver, plane: Pick<DataPlane, 'isIdle' | 'drain'>, ports: AsyncDisposable, grace: AbortSignal, now: () => number = () => performance.now()): Promise<void> {
  leaver.leave();
  let relievedMs: number | undefined;
  for (; !grace.aborted; await waitFor(LOOK_MS, grace)) {
    if (leaver.isRelieved()) {
      if (relievedMs === undefined) {
        relievedMs = now();
        await ports[Symbol.asyncDispose]();
        await leaver.handOver?.(grace);
      }
      if (!leaver.isFollowed()) return await plane.drain(grace);
      if (now() - relievedMs < HANDSHAKES_MS) continue;
      await leaver.handOver?.(grace);
      return await plane.drain(grace);
    } else if (!leaver.isFollowed() && (await plane.isIdle())) {
      return;
    }
  }
}
