/** Joins by a token that somebody put into a Secret, as installations without a command line do. */
import { createHash } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { type RetryTimes, retryDelay } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import { MAX_TOKEN_LENGTH } from '../join/join-token.ts';
import type { SecretStore } from '../kubernetes/secret-store.ts';
import type { Leadership } from '../leadership/leadership.ts';

export interface TokenSecretJoinOptions {
  readonly secrets: Pick<SecretStore, 'read'>;
  /** Of the Secret, whose key `token` has it. */
  readonly name: string;
  readonly join: (token: string, signal: AbortSignal) => Promise<unknown>;
  /** Of the replicas one joins. */
  readonly leadership: Leadership;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

const LOOK_MS = 5_000;
const RETRY: RetryTimes = { firstMs: 5_000, mostMs: 60_000 };

export class TokenSecretJoin {
  readonly #options: TokenSecretJoinOptions;
  /** Hash of a token that can not become good again. */
  #refused: string | undefined;
  #failures = 0;
  /** By performance.now(). */
  #notBeforeMs = 0;
  #lastError: string | undefined;

  constructor(options: TokenSecretJoinOptions) {
    this.#options = options;
  }

  /** Why this cluster is no member yet, without a word of the token. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** Called again and again while the cluster is no member; does something when it is time for it. */
  async attempt(signal: AbortSignal): Promise<void> {
    const { secrets, name, join, leadership, log } = this.#options;
    if (!leadership.isLeading || performance.now() < this.#notBeforeMs) return;
    this.#notBeforeMs = performance.now() + LOOK_MS;
    let hash: string | undefined;
    try {
      const token = (await secrets.read(name))?.values['token']?.trim();
      if (token === undefined || token === '') return this.#wait(`the Secret ${name} is not there yet, or has no key "token"`);
      hash = createHash('sha256').update(token).digest('hex');
      if (token.length > MAX_TOKEN_LENGTH || hash === this.#refused) return;
      await join(token, signal);
      this.#lastError = undefined;
      log.info({ secret: name }, 'joined by the token of a Secret');
    } catch (thrown) {
      signal.throwIfAborted();
      const { code, message, hint, retryable } = LandbridgeError.from(thrown);
      if (!retryable) this.#refused = hash;
      else this.#notBeforeMs = performance.now() + LOOK_MS + retryDelay(this.#failures++, RETRY);
      log.warn({ secret: name, code, error: message, hint }, 'could not join by the token of a Secret');
      this.#wait(`joining by the token of the Secret ${name}: ${message}`);
    }
  }

  #wait(reason: string): void {
    this.#lastError = reason;
  }
}
