/** What an administrator wishes of the founder: kept first, so that whichever process leads goes on with it. */
import type { LandbridgeError } from '@landbridge/core/errors.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import { notJoined } from '../join/join-errors.ts';
import { makeJoinKeys } from '../join/join-keys.ts';
import { isConflict } from '../kubernetes/secret-store.ts';
import type { CredentialsKeeper } from './credentials-keeper.ts';
import type { CredentialsSecret, KeptCredentials } from './kept-credentials.ts';

/** `done`, or what it waits for: the change is kept, and goes on by itself. */
export type ChangeOutcome = { readonly kind: 'done' } | { readonly kind: 'waits'; readonly error: LandbridgeError | undefined };

/** Less than an admin request may take. */
const TIMEOUT_MS = 30_000;
const LOOK_MS = 200;

export class WishedChanges {
  readonly #secret: CredentialsSecret;
  readonly #cluster: string;
  /** Of this process, where it follows a hub: told to look at once. */
  readonly #keeper: () => Pick<CredentialsKeeper, 'wake' | 'lastError'> | undefined;

  constructor(secret: CredentialsSecret, cluster: string, keeper: () => Pick<CredentialsKeeper, 'wake' | 'lastError'> | undefined) {
    this.#secret = secret;
    this.#cluster = cluster;
    this.#keeper = keeper;
  }

  /** @param force does not ask the founder. @throws LandbridgeError `not-joined` */
  async leave(force: boolean, signal: AbortSignal): Promise<ChangeOutcome> {
    await this.#wish(async (kept, version) => (force ? await this.#secret.writeLeft(version) : await this.#secret.write({ ...kept, isLeaving: true }, version)));
    return await this.#outcome((now) => now === undefined, signal);
  }

  /** @throws LandbridgeError `not-joined` */
  async rotate(signal: AbortSignal): Promise<ChangeOutcome> {
    const { credentials } = await this.#wish(async (kept, version) => await this.#secret.write({ ...kept, next: kept.next ?? makeJoinKeys() }, version));
    return await this.#outcome((now) => now?.credentials.recordPublicKey !== credentials.recordPublicKey, signal);
  }

  /** What there was before. */
  async #wish(write: (kept: KeptCredentials, version: string) => Promise<void>): Promise<KeptCredentials> {
    for (;;) {
      const found = await this.#secret.read();
      if (found.kind !== 'member') throw notJoined(this.#cluster);
      try {
        await write(found.kept, found.version);
        return found.kept;
      } catch (thrown) {
        // Somebody else wrote meanwhile, such as a renewal.
        if (!isConflict(thrown)) throw thrown;
      }
    }
  }

  /** Waits until it has come about, or a while. */
  async #outcome(isDone: (now: KeptCredentials | undefined) => boolean, signal: AbortSignal): Promise<ChangeOutcome> {
    this.#keeper()?.wake();
    for (const end = performance.now() + TIMEOUT_MS; performance.now() < end && !signal.aborted; await waitFor(LOOK_MS, signal)) {
      const found = await this.#secret.read();
      if (isDone(found.kind === 'member' ? found.kept : undefined)) return { kind: 'done' };
    }
    signal.throwIfAborted();
    return { kind: 'waits', error: this.#keeper()?.lastError };
  }
}
