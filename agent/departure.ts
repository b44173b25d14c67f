import { waitFor } from '@landbridge/core/retry-delay.ts';
import type { DataPlane } from './proxy/data-plane.ts';

const LOOK_MS = 100;

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
 * wait for: the pods of a node have only this one. Then gives the ports of the node away, and serves what is open until it
 * has ended or the grace period has.
 */
export async function depart(leaver: Leaver, plane: Pick<DataPlane, 'isIdle' | 'drain'>, ports: AsyncDisposable, grace: AbortSignal): Promise<void> {
  leaver.leave();
  for (; !grace.aborted; await waitFor(LOOK_MS, grace)) {
    if (leaver.isRelieved()) {
      await ports[Symbol.asyncDispose]();
      return await plane.drain(grace);
    }
    if (!leaver.isFollowed() && (await plane.isIdle())) return;
  }
}
