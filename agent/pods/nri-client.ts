import path from 'node:path';
import { retryDelay } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import { metrics } from '../metrics.ts';
import { DirectoryChanges } from './directory-changes.ts';
import { servePlugin } from './nri-connection.ts';
import { NriPlugin } from './nri-plugin.ts';
import type { PodGate } from './sandbox.ts';

/** Only where nothing tells that the socket is there again. */
const RETRY = { firstMs: 100, mostMs: 5000 };

export interface NriClientOptions {
  /** Of the runtime, such as /var/run/nri/nri.sock; it need not be there. */
  readonly socket: string;
  /** Whether nothing but this holds pods back. */
  readonly isOnlyGate: boolean;
  /** Called whenever the runtime's list of pods has been worked through. */
  readonly onSynchronized?: () => void;
  readonly log: Logger;
}

/** Keeps a plugin registered with the container runtime of the node, until the signal aborts. */
export async function keepNriPlugin(gate: PodGate, { socket, isOnlyGate, onSynchronized, log }: NriClientOptions, signal: AbortSignal): Promise<void> {
  for (let failures = 0, last = ''; !signal.aborted; ) {
    // Begun before the attempt, so that a socket which comes just after is not missed: pods that a runtime makes until it is found are not held back.
    using appearance = new DirectoryChanges([path.dirname(socket)], (name) => name === path.basename(socket));
    const onList = (): void => {
      failures = 0;
      last = '';
      metrics.nriConnected.set(1);
      onSynchronized?.();
    };
    const reason = await servePlugin(socket, new NriPlugin(gate, { isOnlyGate, log, onSynchronized: onList }).handle, signal);
    metrics.nriConnected.set(0);
    if (signal.aborted) return;
    // A node without NRI says the same again and again.
    if (reason !== last) log.warn({ socket, reason }, 'not connected to the container runtime');
    last = reason;
    await appearance.wait(retryDelay(failures++, RETRY), signal);
  }
}
