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
}

/**
 * The end of an agent. Goes on serving until another one has taken over, or until there is no connection and nobody to
 * wait for: the pods of a node have only this one. Then gives the ports of the node away, listens until the connections
 * that had begun to come have come, and serves what is open until it has ended or the grace period has.
 */
export async function depart(leaver: Leaver, plane: Pick<DataPlane, 'isIdle' | 'drain'>, ports: AsyncDisposable, grace: AbortSignal, now: () => number = () => performance.now()): Promise<void> {
  leaver.leave();
  let relievedMs: number | undefined;
  for (; !grace.aborted; await waitFor(LOOK_MS, grace)) {
    if (leaver.isRelieved()) {
      if (relievedMs === undefined) await ports[Symbol.asyncDispose]();
      relievedMs ??= now();
      if (!leaver.isFollowed() || now() - relievedMs >= HANDSHAKES_MS) return await plane.drain(grace);
    } else if (!leaver.isFollowed() && (await plane.isIdle())) {
      return;
    }
  }
}
