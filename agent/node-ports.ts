import { LandbridgeError } from '@landbridge/core/errors.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';

/** How often to look whether a port is free. */
const LOOK_MS = 50;

/** Servers at ports that belong to the node: while an agent of before has one, it is waited for until that one lets go of it. */
export class NodePorts implements AsyncDisposable {
  readonly #isFollowing: () => boolean;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  readonly #servers: Promise<AsyncDisposable | undefined>[] = [];

  /** `isFollowing`: whether an agent of before lives. */
  constructor(isFollowing: () => boolean, log: Logger) {
    this.#isFollowing = isFollowing;
    this.#log = log;
  }

  /** Resolves at once where there is an agent to wait for. @throws what `start` throws, where there is none */
  async open(start: () => Promise<AsyncDisposable>): Promise<void> {
    const isFollowing = this.#isFollowing();
    const server = this.#whenFree(start);
    if (!isFollowing) return void this.#servers.push(Promise.resolve(await server));
    this.#servers.push(server.catch((thrown: unknown) => {
      // Nobody waits for it any more; the kubelet finds out.
      this.#log.error({ error: LandbridgeError.from(thrown).message }, 'a port of the node can not be taken over');
      return undefined;
    }));
  }

  async #whenFree(start: () => Promise<AsyncDisposable>): Promise<AsyncDisposable | undefined> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        return await start();
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'EADDRINUSE' || !this.#isFollowing()) throw thrown;
      }
      await waitFor(LOOK_MS, signal);
    }
    return undefined;
  }

  /** May be called more than once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    for (const server of this.#servers.splice(0)) await (await server)?.[Symbol.asyncDispose]();
  }
}
