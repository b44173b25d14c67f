import { type FSWatcher, watch } from 'node:fs';
import path from 'node:path';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import { metrics } from '../metrics.ts';
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
    // Begun before the attempt, so that a socket which comes just after is not missed.
    using appearance = new SocketAppearance(socket);
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

/** Tells when a socket's file appears: a runtime that begins again is found at once, since pods that it makes before are not held back. */
class SocketAppearance implements Disposable {
  readonly #watcher: FSWatcher | undefined;
  readonly #appeared = new AbortController();

  constructor(socket: string) {
    try {
      this.#watcher = watch(path.dirname(socket), (_, name) => {
        if (name === path.basename(socket)) this.#appeared.abort();
      });
      this.#watcher.on('error', () => {
        // The directory went: time alone decides.
      });
    } catch {
      // There is no such directory: time alone decides.
    }
  }

  /** Resolves when there was a change of the file since the beginning, after the time, or with the signal. */
  async wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    await waitFor(milliseconds, AbortSignal.any([signal, this.#appeared.signal]));
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }
}
