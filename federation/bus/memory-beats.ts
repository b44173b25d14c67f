import { waitFor } from '@landbridge/core/retry-delay.ts';
import type { BeatChannel } from './beat-channel.ts';

/** Heartbeats within the process, for tests: each cluster's channel can be cut from the others. */
export class MemoryBeats {
  readonly #listeners = new Map<string, (cluster: string, bytes: Uint8Array) => void>();
  readonly #cut = new Set<string>();

  channel(cluster: string): BeatChannel {
    const isCut = (): boolean => this.#cut.has(cluster);
    return {
      get connected() {
        return !isCut();
      },
      send: (bytes) => {
        if (isCut()) return;
        for (const [listener, heard] of this.#listeners) if (!this.#cut.has(listener)) heard(cluster, bytes);
      },
      listen: async (heard, signal) => {
        this.#listeners.set(cluster, heard);
        while (!signal.aborted) await waitFor(60_000, signal);
        this.#listeners.delete(cluster);
      },
    };
  }

  cut(cluster: string, isCut: boolean): void {
    if (isCut) this.#cut.add(cluster);
    else this.#cut.delete(cluster);
  }
}
