/** A connection to the hub that is opened again for ever. */
import { eitherOrAfter } from '@landbridge/core/either-or-after.ts';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { orAborted } from '@landbridge/core/or-aborted.ts';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Logger } from 'pino';
import type { BusState } from './bus.ts';
import type { HubAccess } from './hub-access.ts';
import { isHubRefusal } from './hub-refusal.ts';
import { connectToHub } from './hub-transport.ts';
import { answerTimeout } from './request-times.ts';
import { wayPatience } from './way-patience.ts';
import { type RetryTimes, retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';

export interface NatsLinkOptions {
  readonly access: HubAccess;
  /** Shown by the server in its list of connections. */
  readonly name: string;
  /** What it is called in the log; the hub where left out. */
  readonly to?: string;
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn'>;
}

/** From one connect or reconnect to the next disconnect. */
export interface Session {
  readonly connection: NatsConnection;
  readonly lost: AbortSignal;
}

const DIAL_TIMEOUT_MS = 5000;
/** A hub that vanished without a word is noticed after about three of these, where nobody waits for anything of it. */
const PING_INTERVAL_MS = 10_000;
const MAX_PINGS_OUT = 2;
/** A round trip is taken so often, and so many are kept: what was lost on the way takes much longer, and says nothing of the way. */
const RTT_EVERY_MS = 5000;
const RTTS = 3;
/** For a sign of life, when somebody has waited for an answer in vain; more where the way is slow. */
const PROOF_MS = 3000;
/** Before the next attempt to connect, at most: who had to wait longer would see late what changed while the hub was away. */
const RECONNECT: RetryTimes = { mostMs: 3000 };
/** Of what a server says of itself. */
const MAX_VERSION_LENGTH = 63;

export class NatsLink implements AsyncDisposable {
  readonly #options: NatsLinkOptions;
  readonly #closing = new AbortController();
  readonly #done: Promise<void>;
  #state: BusState = { kind: 'connecting', since: Date.now() };
  #session: { readonly session: Session; readonly end: AbortController } | undefined;
  /** Also while it is being opened again: the client goes on with that until it is closed. */
  #connection: NatsConnection | undefined;
  #opened = Promise.withResolvers<void>();
  /** 0 until the first connect, whose attempts are paced by {@link #run}; then one more than the attempts since the last disconnect. */
  #reconnects = 0;
  #isProving = false;
  /** Round trips to the hub, the last ones. */
  #rttsMs: readonly number[] = [];

  constructor(options: NatsLinkOptions) {
    this.#options = options;
    this.#done = this.#run();
  }

  get #to(): string {
    return this.#options.to ?? 'the hub';
  }

  state(): BusState {
    return this.#state;
  }

  get closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** How long a way as this one may be silent without being broken, in milliseconds: what was lost is sent again by then. */
  get patienceMs(): number {
    return wayPatience(this.#rttsMs);
  }

  /** For the answer to one try, in milliseconds: what is asked anew while a way brings what it had lost comes later than that. */
  answerTimeout(failures: number): number {
    return Math.max(answerTimeout(failures), this.patienceMs / 2);
  }

  /** Undefined while there is no connection. */
  get current(): Session | undefined {
    return this.#session?.session;
  }

  /** Waits for the next session. Rejects when the signal is aborted or the link closed. */
  async session(signal: AbortSignal): Promise<Session> {
    for (;;) {
      signal.throwIfAborted();
      if (this.closed) throw new LandbridgeError('bus-closed', `the connection to ${this.#to} is closed`);
      if (this.#session !== undefined) return this.#session.session;
      await orAborted(this.#opened.promise, signal);
    }
  }

  /**
   * For whoever waits in vain: gives the connection up where nothing whatever comes over it any more. TCP itself tells of a way that
   * is broken after minutes, and when that is mended the connection goes on as late again as it had been broken.
   */
  async prove({ connection, lost }: Session): Promise<void> {
    if (this.#isProving || lost.aborted) return;
    this.#isProving = true;
    try {
      const heard = (): number => connection.stats().inMsgs;
      const before = heard();
      let isAnswered = false;
      const answered = connection.flush().then(() => void (isAnswered = true), () => {});
      await eitherOrAfter(answered, Math.max(PROOF_MS, this.patienceMs), lost);
      if (isAnswered || lost.aborted || heard() !== before) return;
      this.#options.log.warn({ server: connection.getServer() }, `${this.#to} does not answer, connecting again`);
      await connection.reconnect();
    } catch (thrown) {
      // It was closed meanwhile.
      this.#options.log.debug({ err: thrown }, `connection to ${this.#to}`);
    } finally {
      this.#isProving = false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#opened.resolve();
    this.#offline('closed');
    await this.#connection?.close();
    await this.#done;
    this.#state = { kind: 'closed' };
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.closed) {
      try {
        this.#connection = await this.#dial();
        failures = 0;
        await this.#follow(this.#connection);
      } catch (thrown) {
        const message = errorText(thrown);
        const since = this.#state.kind === 'connecting' ? this.#state.since : Date.now();
        this.#state = { kind: 'connecting', since, lastError: message, isRefused: isHubRefusal(thrown) };
        if (failures === 0) this.#options.log.warn({ err: thrown, servers: this.#options.access.servers }, `can not connect to ${this.#to}, will try again`);
        await waitFor(retryDelay(failures, RECONNECT), this.#closing.signal);
        failures += 1;
      }
    }
  }

  #dial(): Promise<NatsConnection> {
    const { access, name } = this.#options;
    return connectToHub({
      servers: [...access.servers],
      name,
      timeout: DIAL_TIMEOUT_MS,
      maxReconnectAttempts: -1,
      // The hub may get to know this user only later, or again after it was set up anew.
      ignoreAuthErrorAbort: true,
      // Two stacks for each write, in case that it fails: a fifth of what a record takes of its owner.
      noAsyncTraces: true,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: MAX_PINGS_OUT,
      // Addresses that a server tells of itself are not in the certificate, nor in what the user allowed.
      ignoreClusterUpdates: true,
      // This handler sets the pace, also of the first attempt after a disconnect, which the client would make at once.
      reconnectDelayHandler: () => 0,
      reconnectToServer: (pool) => {
        const server = pool[Math.floor(Math.random() * pool.length)];
        return server === undefined ? null : { server, delay: this.#reconnects === 0 ? 0 : retryDelay(this.#reconnects++, RECONNECT) };
      },
      ...(access.inboxPrefix === undefined ? {} : { inboxPrefix: access.inboxPrefix }),
      ...(access.authenticator === undefined ? {} : { authenticator: access.authenticator }),
      ...(access.tls === undefined ? {} : { tls: access.tls }),
    });
  }

  /** Until the client has given up the connection. */
  async #follow(connection: NatsConnection): Promise<void> {
    if (this.closed) return connection.close();
    this.#online(connection);
    for await (const status of connection.status()) {
      switch (status.type) {
        case 'disconnect':
          this.#offline(`lost the connection to ${status.server}`);
          break;
        case 'reconnect':
          this.#online(connection);
          break;
        case 'error':
          this.#options.log.warn({ err: status.error }, `${this.#to} reports an error`);
          if (this.#state.kind === 'connecting') this.#state = { ...this.#state, lastError: errorText(status.error), isRefused: isHubRefusal(status.error) };
          break;
        default:
          this.#options.log.debug({ status: status.type }, `connection to ${this.#to}`);
      }
    }
    const failure = await connection.closed();
    this.#offline(failure instanceof Error ? errorText(failure) : 'the connection was closed');
    this.#reconnects = 0;
  }

  #online(connection: NatsConnection): void {
    if (this.closed) return;
    this.#session?.end.abort();
    const end = new AbortController();
    this.#session = { session: { connection, lost: end.signal }, end };
    this.#reconnects = 1;
    const version = connection.info?.version;
    this.#state = { kind: 'connected', url: connection.getServer(), since: Date.now(), ...(version === undefined ? {} : { version: version.slice(0, MAX_VERSION_LENGTH) }) };
    this.#options.log.info({ server: connection.getServer() }, `connected to ${this.#to}`);
    this.#opened.resolve();
    this.#opened = Promise.withResolvers();
    this.#rttsMs = [];
    void this.#time(connection, end.signal);
  }

  /** A way may become slow after it was connected. */
  async #time(connection: NatsConnection, lost: AbortSignal): Promise<void> {
    for (let delayMs = 0; !lost.aborted; delayMs = RTT_EVERY_MS) {
      await waitFor(delayMs, lost);
      if (lost.aborted) return;
      const startMs = performance.now();
      const answered = connection.flush().then(() => void (this.#rttsMs = [...this.#rttsMs, performance.now() - startMs].slice(-RTTS)), () => {});
      // One that is never answered ends with its connection.
      await eitherOrAfter(answered, PING_INTERVAL_MS, lost);
    }
  }

  #offline(reason: string): void {
    if (this.#session === undefined) return;
    this.#session.end.abort();
    this.#session = undefined;
    this.#state = { kind: 'connecting', since: Date.now(), lastError: reason };
    if (!this.closed) this.#options.log.warn({ reason }, `no connection to ${this.#to}`);
  }
}

/** Node's errors of a dial often have their reason in the cause only. */
function errorText(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause instanceof Error && thrown.cause.message !== thrown.message ? `${thrown.message}: ${thrown.cause.message}` : thrown.message;
}
