/** Brings about what the Secret of the credentials asks for: another JWT in time, other keys, or the end of the membership. */
import { eitherOrAfter } from '@landbridge/core/either-or-after.ts';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { type RetryTimes, retryDelay } from '@landbridge/core/retry-delay.ts';
import { decode } from '@nats-io/jwt';
import type { Logger } from 'pino';
import { askFounder } from '../join/ask-founder.ts';
import type { HubCredentials } from '../join/credentials.ts';
import { encodeMemberRequest } from '../join/member-messages.ts';
import type { Leadership } from '../leadership/leadership.ts';
import type { CredentialsSecret, KeptCredentials } from './kept-credentials.ts';

export interface CredentialsKeeperOptions {
  readonly secret: CredentialsSecret;
  /** Those that the session began with. */
  readonly credentials: HubCredentials;
  /** Of the replicas one asks; the others see in the Secret what came of it. */
  readonly leadership: Leadership;
  /** Whether the hub refuses the user now. */
  readonly isRefused: () => boolean;
  /** Since when the hub is connected, milliseconds since 1970; undefined while it is not. */
  readonly connectedSince: () => number | undefined;
  /** Whether all that this cluster has said is withdrawn; called again and again while it is leaving. */
  readonly isWithdrawn: () => boolean;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly retry?: RetryTimes;
}

/** How often the Secret is looked at: by it replicas tell each other. */
const LOOK_MS = 2_000;
const LEAVING_LOOK_MS = 200;
const RETRY: RetryTimes = { firstMs: 2_000, mostMs: 60_000 };
/** Of the life of a JWT, when the next one is asked for, and what replicas and clusters differ by. */
const RENEW_AFTER = 2 / 3;
const SPREAD = 0.1;
/** Records that can not be withdrawn, since the hub is away, do not keep a cluster from leaving. */
const WITHDRAW_MS = 5_000;

export class CredentialsKeeper {
  readonly #options: CredentialsKeeperOptions;
  readonly #spread = Math.random() * SPREAD;
  #credentials: HubCredentials;
  #woken = Promise.withResolvers<void>();
  #lastError: LandbridgeError | undefined;
  #failures = 0;
  /** By performance.now(). */
  #notBeforeMs = 0;
  /** The connection to the hub at the last failure, by its beginning. */
  #failedIn: number | undefined;
  #leavingSinceMs: number | undefined;

  constructor(options: CredentialsKeeperOptions) {
    this.#options = options;
    this.#credentials = options.credentials;
  }

  /** The newest that is known here. */
  get userJwt(): string {
    return this.#credentials.userJwt;
  }

  /** The newest that are known here. */
  get credentials(): HubCredentials {
    return this.#credentials;
  }

  /** Why what was asked of the founder last was not done. */
  get lastError(): LandbridgeError | undefined {
    return this.#lastError;
  }

  /** Looks at the Secret at once, and asks again. */
  wake(): void {
    this.#notBeforeMs = 0;
    this.#woken.resolve();
  }

  /** Resolves when the session must end, because the Secret has other keys or none; or with the signal. Throws what a Secret that can not be used throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#woken = Promise.withResolvers();
      if (await this.#look(signal)) return;
      await eitherOrAfter(this.#woken.promise, this.#leavingSinceMs === undefined ? LOOK_MS : LEAVING_LOOK_MS, signal);
    }
  }

  /** Whether the session must end. */
  async #look(signal: AbortSignal): Promise<boolean> {
    const { secret, credentials, leadership, log } = this.#options;
    try {
      const found = await secret.read();
      if (found.kind !== 'member') return true;
      const { kept, version } = found;
      if (kept.credentials.userSeed !== credentials.userSeed || kept.credentials.recordPublicKey !== credentials.recordPublicKey || kept.credentials.authorityPublicKey !== credentials.authorityPublicKey) return true;
      this.#credentials = kept.credentials;
      if (!leadership.isLeading || this.#waits()) return false;
      const ends = await this.#act(kept, version, signal);
      this.#failures = 0;
      return ends;
    } catch (thrown) {
      if (signal.aborted) return false;
      const error = LandbridgeError.from(thrown);
      if (error.code === 'conflict') return false;
      this.#lastError = error;
      if (this.#failures === 0) log.warn({ code: error.code, error: error.message, hint: error.hint }, 'the credentials for the hub could not be changed, will try again');
      this.#failedIn = this.#options.connectedSince();
      this.#notBeforeMs = performance.now() + retryDelay(this.#failures++, this.#options.retry ?? RETRY);
      return false;
    }
  }

  /** What failed while the hub was away says nothing of the hub that is back. */
  #waits(): boolean {
    const since = this.#options.connectedSince();
    if (since !== undefined && since !== this.#failedIn) [this.#failures, this.#notBeforeMs] = [0, 0];
    return performance.now() < this.#notBeforeMs;
  }

  async #act(kept: KeptCredentials, version: string, signal: AbortSignal): Promise<boolean> {
    const { secret, log } = this.#options;
    const { credentials, next } = kept;
    const { cluster, recordPublicKey: publicKey, recordPrivateKeyPem: privateKeyPem } = credentials;
    const record = { publicKey, privateKeyPem };
    if (kept.isLeaving) {
      this.#leavingSinceMs ??= performance.now();
      if (!this.#options.isWithdrawn() && performance.now() - this.#leavingSinceMs < WITHDRAW_MS) return false;
      // A hub that does not know the user any more says so of a member that is none.
      await askFounder(credentials, encodeMemberRequest('leave', cluster, record), signal).catch(unlessGone);
      await secret.writeLeft(version);
      log.info({ cluster }, 'left the federation');
      return true;
    }
    if (next !== undefined) {
      const user = await askFounder(credentials, encodeMemberRequest('rotate', cluster, record, { userPublicKey: next.user.publicKey, record: next.record }), signal);
      const rotated = { ...credentials, ...user, userSeed: next.user.seed, recordPrivateKeyPem: next.record.privateKeyPem, recordPublicKey: next.record.publicKey };
      await secret.write({ credentials: rotated, next: undefined, isLeaving: false }, version);
      log.info({ cluster }, 'has other keys');
      return true;
    }
    if (!this.#isDue(credentials)) return false;
    const user = await askFounder(credentials, encodeMemberRequest('renew', cluster, record), signal);
    this.#credentials = { ...credentials, ...user };
    await secret.write({ credentials: this.#credentials, next, isLeaving: false }, version);
    log.info({ cluster }, 'renewed the credentials for the hub');
    return false;
  }

  /** By the time of the JWT, or because the hub thinks so, whose clock may be another. */
  #isDue({ userJwt, renewalJwt }: HubCredentials): boolean {
    if (renewalJwt === undefined) return false;
    const { iat, exp } = decode(userJwt);
    if (exp === undefined) return false;
    return this.#options.isRefused() || this.#options.clock() / 1000 >= iat + (exp - iat) * (RENEW_AFTER + this.#spread);
  }
}

function unlessGone(thrown: unknown): undefined {
  if (thrown instanceof LandbridgeError && ['user-refused', 'member-revoked', 'member-unknown', 'key-not-current'].includes(thrown.code)) return undefined;
  throw thrown;
}
