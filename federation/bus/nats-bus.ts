/** The bus on a NATS hub: a JetStream key-value bucket with the last value of each key. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { orAborted } from '@landbridge/core/or-aborted.ts';
import { MAX_RECORD_BYTES } from '@landbridge/core/records.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { jetstream, JetStreamApiError, jetstreamManager, StorageType } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { errors, type NatsConnection } from '@nats-io/transport-node';
import type { Logger } from 'pino';
import type { HubCredentials } from '../join/credentials.ts';
import { OPERATION_HEADER, STREAM, SUBJECT_PREFIX } from './bucket-delivery.ts';
import { watchBucket } from './bucket-watch.ts';
import { BUCKET, type Bus, type BusEvent, type BusState } from './bus.ts';
import { type HubAccess, hubAccess } from './hub-access.ts';
import { NatsLink, type Session } from './nats-link.ts';
import { RETRY, TRIES_MS } from './request-times.ts';

export interface NatsBusOptions {
  /** Makes the bucket when it is missing; only the founder may. */
  readonly createBucket: boolean;
  /** How many servers of the hub keep each record; 1 where left out. */
  readonly replicas?: number;
  readonly clusterName: string;
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn'>;
  /** Closes the bus when aborted. */
  readonly signal: AbortSignal;
  /** How often the hub shows that a watch is alive, for all watches. */
  readonly heartbeatMs?: number;
}

/** Of a watch of all that there is: what is changed must not stay unseen for long when a server of the hub is gone with the watch. */
const HEARTBEAT_MS = 2000;
/** Of a watch of a part. A heartbeat is 150 bytes of the 64 KiB that a member may hear in a minute in which nothing changes. */
const SLOW_HEARTBEAT_MS = 5000;
const EVERYTHING = '>';
/** What NATS adds to a value: headers, none of which are ours. */
const MAX_VALUE_BYTES = MAX_RECORD_BYTES + 1024;

/** Returns at once; connects in the background, again and again. */
export async function openNatsBus(options: NatsBusOptions & { readonly credentials: HubCredentials; readonly userJwt?: () => string }): Promise<NatsBus> {
  return openNatsBusAt({ ...options, access: hubAccess(options.credentials, options.userJwt) });
}

export async function openNatsBusAt(options: NatsBusOptions & { readonly access: HubAccess }): Promise<NatsBus> {
  return new NatsBus(options);
}

export class NatsBus implements Bus {
  readonly #options: NatsBusOptions & { readonly access: HubAccess };
  readonly #link: NatsLink;
  /** Sessions in which the bucket was seen or made. */
  readonly #ensured = new WeakMap<Session, Promise<void>>();
  readonly #closed = new AbortController();
  readonly #onAbort = (): void => void this[Symbol.asyncDispose]();

  constructor(options: NatsBusOptions & { readonly access: HubAccess }) {
    this.#options = options;
    this.#link = new NatsLink({ access: options.access, name: `landbridge ${options.clusterName}`, log: options.log });
    if (options.signal.aborted) this.#onAbort();
    else options.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  state(): BusState {
    return this.#link.state();
  }

  /** Waits until connected. The connection heals itself and keeps its subscriptions; when it is closed, ask again. */
  async connection(signal: AbortSignal): Promise<NatsConnection> {
    return (await this.#link.session(signal)).connection;
  }

  /** Waits until connected; tells when that connection is lost. */
  async session(signal: AbortSignal): Promise<Session> {
    return await this.#link.session(signal);
  }

  /** Sends a message that nothing stores, at once or not at all. */
  publishNow(subject: string, bytes: Uint8Array): void {
    this.#link.current?.connection.publish(subject, bytes);
  }

  async get(key: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    return this.#try(`read ${key}`, signal, async ({ connection }, timeout) => {
      const jsm = await jetstreamManager(connection, { checkAPI: false, timeout });
      const stored = await jsm.direct.getMessage(STREAM, { last_by_subj: `${SUBJECT_PREFIX}${key}` });
      return stored === null || stored.header.has(OPERATION_HEADER) ? undefined : stored.data;
    });
  }

  async put(key: string, value: Uint8Array, signal: AbortSignal): Promise<void> {
    await this.#try(`write ${key}`, signal, ({ connection }, timeout) => jetstream(connection, { timeout }).publish(`${SUBJECT_PREFIX}${key}`, value));
  }

  watch(filter: string, signal: AbortSignal): AsyncIterable<BusEvent> {
    const { access, heartbeatMs = filter === EVERYTHING ? HEARTBEAT_MS : SLOW_HEARTBEAT_MS, log } = this.#options;
    const ensureBucket = (session: Session, timeoutMs: number): Promise<void> => {
      // Whoever watches has just begun, or lost its consumer: perhaps with the bucket.
      this.#ensured.delete(session);
      return this.#ensureBucket(session, timeoutMs);
    };
    const options = { link: this.#link, filter, inboxPrefix: access.inboxPrefix, heartbeatMs, log, ensureBucket };
    return { [Symbol.asyncIterator]: () => watchBucket(options, AbortSignal.any([signal, this.#closed.signal])) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.#closed.abort();
    await this.#link[Symbol.asyncDispose]();
  }

  /** Tries again for as long as a hub of several servers may take to have a leader. */
  async #try<T>(what: string, signal: AbortSignal, request: (session: Session, timeoutMs: number) => Promise<T>): Promise<T> {
    let endMs: number | undefined;
    for (let failures = 0; ; failures += 1) {
      const session = await this.#link.session(signal);
      endMs ??= performance.now() + TRIES_MS;
      try {
        return await orAborted(
          this.#ensureBucket(session, this.#link.answerTimeout(failures)).then(() => request(session, this.#link.answerTimeout(failures))),
          signal,
        );
      } catch (thrown) {
        if (signal.aborted) throw signal.reason;
        // Perhaps the bucket was removed; the next try looks.
        this.#ensured.delete(session);
        if (isForbidden(thrown)) throw new LandbridgeError('bus-forbidden', `the hub does not let this cluster ${what}`, { cause: thrown });
        if (isRefused(thrown) || performance.now() > endMs) throw new LandbridgeError('bus-unavailable', `could not ${what} on the hub`, { cause: thrown, retryable: true });
        if (thrown instanceof errors.TimeoutError) void this.#link.prove(session);
        await waitFor(retryDelay(failures, RETRY), signal);
      }
    }
  }

  #ensureBucket(session: Session, timeoutMs: number): Promise<void> {
    if (!this.#options.createBucket) return Promise.resolve();
    let ensured = this.#ensured.get(session);
    if (ensured === undefined) {
      ensured = createBucket(session.connection, this.#options.replicas ?? 1, timeoutMs);
      this.#ensured.set(session, ensured);
      ensured.catch(() => this.#ensured.delete(session));
    }
    return ensured;
  }
}

/** Leaves the entries of a bucket that is there as they are. */
async function createBucket(connection: NatsConnection, replicas: number, timeout: number): Promise<void> {
  await new Kvm(jetstream(connection, { timeout })).create(BUCKET, { history: 1, storage: StorageType.File, replicas, allow_direct: true, maxValueSize: MAX_VALUE_BYTES });
  const { streams } = await jetstreamManager(connection, { checkAPI: false, timeout });
  const { config } = await streams.info(STREAM);
  // A put with the header `Nats-Rollup: all` would let any member remove the entries of all others.
  if (config.allow_rollup_hdrs || config.num_replicas !== replicas) await streams.update(STREAM, { ...config, allow_rollup_hdrs: false, num_replicas: replicas });
}

/** The client tells of a forbidden request by the cause of its failure. */
function isForbidden(thrown: unknown): boolean {
  return thrown instanceof errors.PermissionViolationError || (thrown instanceof Error && thrown.cause instanceof errors.PermissionViolationError);
}

/** Whether the request itself is at fault, so that the same again has the same answer. */
function isRefused(thrown: unknown): boolean {
  return thrown instanceof errors.InvalidArgumentError || (thrown instanceof JetStreamApiError && thrown.status === 400);
}
