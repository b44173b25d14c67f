import { watch } from 'node:fs';
import { waitFor } from '@landbridge/core/retry-delay.ts';

/**
 * Notices the next change in directories from its making on. They may be missing, or go: then time alone decides, since
 * whoever waits looks again after a while.
 */
export class DirectoryChanges implements Disposable {
  readonly #stop = new AbortController();
  readonly #changed = new AbortController();

  /** `isMeant`: which names in them matter. Default: all. */
  constructor(directories: readonly string[], isMeant: (name: string | null) => boolean = () => true) {
    for (const directory of directories) {
      try {
        watch(directory, { signal: this.#stop.signal, persistent: false }, (_, name) => {
          if (isMeant(name)) this.#changed.abort();
        }).on('error', () => {
          // It went.
        });
      } catch {
        // It is not there.
      }
    }
  }

  /** Resolves when there was a change since the making, after the time, or with the signal; whether there was a change. */
  async wait(milliseconds: number, signal: AbortSignal): Promise<boolean> {
    await waitFor(milliseconds, AbortSignal.any([signal, this.#changed.signal]));
    return this.#changed.signal.aborted;
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }
}
