/** Keeps a cluster's own part of the bus as its owner wants it. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { type RecordBody, recordKey } from '@landbridge/core/records.ts';
import type { Logger } from 'pino';
import { type Bus, type BusEvent, busKey, splitBusKey } from '../bus/bus.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { OwnRecords, type SignedRecord } from './own-records.ts';

export interface PublisherOptions {
  readonly cluster: string;
  /** Ed25519: the cluster's record key. */
  readonly privateKey: KeyObject;
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn'>;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

export interface PublisherStatus {
  /** Live records on the bus, without `sync`. */
  readonly published: number;
  /** Whether the bus still lacks something that was asked for. */
  readonly pending: boolean;
  readonly lastError?: string;
}

/** Writes under way at once. */
const MAX_PARALLEL_PUTS = 16;
const IDLE_ROUND_MS = 250;

export class Publisher {
  readonly #bus: Bus;
  readonly #options: PublisherOptions;
  readonly #own: OwnRecords;
  #desired: ReadonlyMap<string, RecordBody> | undefined;
  /** Whether all own records that were on the bus have been read. */
  #listed = false;
  #changed = Promise.withResolvers<void>();
  #lastError: string | undefined;

  constructor(bus: Bus, options: PublisherOptions) {
    this.#bus = bus;
    this.#options = options;
    const { cluster, privateKey, clock } = options;
    this.#own = new OwnRecords({ cluster, privateKey, publicKey: createPublicKey(privateKey), clock });
  }

  /** The records that the cluster shall have, by their key, without `sync`. The latest call wins; nothing is written before the first one. */
  publish(desired: ReadonlyMap<string, RecordBody>): void {
    for (const [key, body] of desired) {
      if (body.kind === 'sync' || recordKey(body) !== key) throw new LandbridgeError('internal', `${key} is not the key of this ${body.kind} record`);
    }
    this.#desired = new Map(desired);
    this.#wake();
  }

  status(): PublisherStatus {
    const pending = this.#desired !== undefined && (!this.#listed || !this.#own.isDone(this.#desired));
    return { published: this.#own.storedCount(), pending, ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }) };
  }

  /** Runs until the signal is aborted; then it resolves. Never rejects for what the bus does. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    both.addEventListener('abort', () => this.#wake(), { once: true });
    try {
      await Promise.all([this.#follow(both), this.#write(both)]);
    } finally {
      stop.abort();
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    for await (const event of this.#bus.watch(busKey(this.#options.cluster, '>'), signal)) this.#see(event);
  }

  #see(event: BusEvent): void {
    if (event.kind === 'entry') {
      const key = splitBusKey(event.key)?.recordKey;
      if (key === undefined || !this.#own.saw(key, event.value)) return;
    } else {
      if (event.kind === 'restart') {
        this.#options.log.warn({ cluster: this.#options.cluster }, 'the bus lost its entries, publishing all again');
        this.#own.lost();
      }
      this.#listed = event.kind === 'current';
    }
    this.#wake();
  }

  async #write(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const desired = this.#desired;
      if (desired === undefined || !this.#listed || this.#own.isDone(desired)) {
        await this.#nextChange();
        continue;
      }
      try {
        const wrote = await this.#round(desired, signal);
        failures = 0;
        this.#lastError = this.#own.refusal(desired);
        // What is left waits for its time.
        if (wrote === 0) await this.#nextChange(waitFor(IDLE_ROUND_MS, signal));
      } catch (thrown) {
        if (signal.aborted) return;
        const error = LandbridgeError.from(thrown, 'publish-failed');
        this.#lastError = error.message;
        this.#options.log.warn({ err: error, failures }, 'could not publish, will try again');
        await waitFor(retryDelay(failures), signal);
        failures += 1;
      }
    }
  }

  /** One attempt to make the bus as desired: first the records, then `sync`, which closes them. Gives up early for a later wish. */
  async #round(desired: ReadonlyMap<string, RecordBody>, signal: AbortSignal): Promise<number> {
    const superseded = (): boolean => this.#desired !== desired || !this.#listed || signal.aborted;
    const waiting = this.#own.toWrite(desired);
    let wrote = 0;
    const writer = async (): Promise<void> => {
      while (!superseded()) {
        const next = waiting.next();
        if (next.done === true) return;
        await this.#put(next.value, signal);
        wrote += 1;
      }
    };
    const results = await Promise.allSettled(Array.from({ length: MAX_PARALLEL_PUTS }, writer));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    const sync = superseded() ? undefined : this.#own.syncToWrite(desired);
    if (sync === undefined) return wrote;
    await this.#put(sync, signal);
    return wrote + 1;
  }

  async #put(record: SignedRecord, signal: AbortSignal): Promise<void> {
    const stored = this.#own.attempt(record);
    await this.#bus.put(busKey(this.#options.cluster, record.key), record.bytes, signal);
    stored();
  }

  async #nextChange(orElse?: Promise<void>): Promise<void> {
    await (orElse === undefined ? this.#changed.promise : Promise.race([this.#changed.promise, orElse]));
    this.#changed = Promise.withResolvers();
  }

  #wake(): void {
    this.#changed.resolve();
  }
}
