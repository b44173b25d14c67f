/** Keeps a cluster's own part of the bus as its owner wants it. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { type RecordBody, recordKey } from '@landbridge/core/records.ts';
import type { Version } from '@landbridge/wire/record.ts';
import type { Logger } from 'pino';
import { type Bus, type BusEvent, busKey, splitBusKey } from '../bus/bus.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { ALONE, type Leadership } from '../leadership/leadership.ts';
import { OwnRecords, type SignedRecord } from './own-records.ts';

export interface PublisherOptions {
  readonly cluster: string;
  /** Ed25519: the cluster's record key. */
  readonly privateKey: KeyObject;
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn'>;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Who does not lead writes nothing, and follows what the leader writes. */
  readonly leadership?: Leadership;
  /** Called after a round in which the bus took something, or something could not be signed. */
  readonly onDecided?: () => void;
  /** Between two looks at what the bus has, when readers ask. */
  readonly minAuditMs?: number;
  /** Between two `sync` records. */
  readonly syncMs?: number;
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
/** Between two `sync` records: where records change all the time, one for each change would cost all readers half as much again. */
const SYNC_MS = 1000;
/** A snapshot that has not been closed for so long is closed before all answers are there: less than readers wait for it. */
const LATE_SYNC_MS = 3000;
const IDLE_ROUND_MS = 250;
/** Readers, of which one may be hostile, may ask as often as they like. */
const MIN_AUDIT_MS = 30_000;
/** Between two times that all is written again because readers ask and nothing was missing: everybody has to read it. */
const REWRITE_MS = 10 * 60_000;
const AUDIT_TIMEOUT_MS = 60_000;

export class Publisher {
  readonly #bus: Bus;
  readonly #options: PublisherOptions;
  readonly #own: OwnRecords;
  readonly #leadership: Leadership;
  #leads: boolean;
  /** Since then this process knows what the newest of its records are, whatever the bus has. */
  #hasLed: boolean;
  #desired: ReadonlyMap<string, RecordBody> | undefined;
  /** Whether all own records that were on the bus have been read. */
  #listed = false;
  /** When, by performance.now(). */
  #listedMs = 0;
  #changed = Promise.withResolvers<void>();
  /** Written and not answered yet, by key. */
  readonly #underWay = new Map<string, SignedRecord>();
  #failure: { readonly thrown: unknown } | undefined;
  /** Whether the bus took something, or something could not be signed, since that was told. */
  #hasDecided = false;
  /** Since when there are records behind the last `sync`, by performance.now(). */
  #openMs = Number.POSITIVE_INFINITY;
  /** When the last `sync` was written, by performance.now(). */
  #syncMs = Number.NEGATIVE_INFINITY;
  #lastError: string | undefined;
  #asked = Promise.withResolvers<void>();

  constructor(bus: Bus, options: PublisherOptions) {
    this.#bus = bus;
    this.#options = options;
    const { cluster, privateKey, clock, leadership = ALONE } = options;
    this.#leadership = leadership;
    this.#leads = leadership.isLeading;
    this.#hasLed = this.#leads;
    this.#own = new OwnRecords({ cluster, privateKey, publicKey: createPublicKey(privateKey), clock, follows: !this.#leads });
  }

  /** The records that the cluster shall have, by their key, without `sync`. The latest call wins; nothing is written before the first one. */
  publish(desired: ReadonlyMap<string, RecordBody>): void {
    for (const [key, body] of desired) {
      if (this.#desired?.get(key) === body) continue;
      if (body.kind === 'sync' || recordKey(body) !== key) throw new LandbridgeError('internal', `${key} is not the key of this ${body.kind} record`);
    }
    this.#desired = new Map(desired);
    this.#wake();
  }

  status(): PublisherStatus {
    const pending = this.#desired !== undefined && (!this.#listed || !this.#own.isDone(this.#desired));
    return { published: this.#own.storedCount(), pending, ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }) };
  }

  /** Keys of records of which {@link stateOf} may say something else than when this was asked last. */
  takeDecided(): ReadonlySet<string> {
    return this.#own.takeDecided();
  }

  stateOf(key: string): ReturnType<OwnRecords['stateOf']> {
    return this.#own.stateOf(key);
  }

  get summary(): OwnRecords['summary'] {
    return this.#own.summary;
  }

  /** A reader misses records. They are looked for on the bus, and those that it lost written again: soon, but not more often than is good. */
  ask(): void {
    this.#asked.resolve();
  }

  /** Somebody has shown a record of this version that this cluster signed itself. */
  remind(version: Version): void {
    if (!this.#own.remember(version)) return;
    this.#options.log.warn({ cluster: this.#options.cluster, epoch: version.epoch }, 'others know newer records of this cluster than it does, as after a restore: all are signed anew');
    this.#wake();
  }

  /** Runs until the signal is aborted; then it resolves. Never rejects for what the bus does. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    both.addEventListener('abort', () => this.#endWaiting(), { once: true });
    using _changed = this.#leadership.onChange(() => this.#takeTurn());
    this.#takeTurn();
    try {
      await Promise.all([this.#follow(both), this.#write(both), this.#audit(both)]);
    } finally {
      stop.abort();
    }
  }

  #takeTurn(): void {
    const leads = this.#leadership.isLeading;
    if (leads === this.#leads) return;
    this.#leads = leads;
    // Where another one was alive after all was read here, it would have put right what the bus had lost before.
    if (leads) this.#own.lead({ goesOn: this.#listed && (this.#hasLed || this.#leadership.otherSeenMs > this.#listedMs) });
    else this.#own.follow();
    this.#hasLed = true;
    this.#wake();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    for await (const event of this.#bus.watch(busKey(this.#options.cluster, '>'), signal)) this.#see(event);
  }

  /** A bus that loses entries without a word is noticed by its readers, who know the digest: to look for it unasked would cost more than all else that is said while nothing changes. */
  async #audit(signal: AbortSignal): Promise<void> {
    let foundNothing = false;
    let rewroteMs = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      await waitFor(this.#options.minAuditMs ?? MIN_AUDIT_MS, signal);
      await this.#asked.promise;
      this.#asked = Promise.withResolvers();
      if (signal.aborted || !this.#mayWrite) continue;
      const lost = await this.#look(signal);
      // The one who asks may read from another server of the hub than this process does.
      if (lost === 0 && foundNothing && performance.now() - rewroteMs >= REWRITE_MS) {
        this.#own.lost();
        // All of it, the sync too: left for later, it would be found where this process reads, and count as written.
        this.#syncMs = Number.NEGATIVE_INFINITY;
        rewroteMs = performance.now();
      }
      foundNothing = lost === 0;
      if (lost !== 0) this.#options.log.warn({ cluster: this.#options.cluster, records: lost }, 'the bus lost records without a word, they are written again');
      this.#wake();
    }
  }

  /** Reads all that the bus has of this cluster, and takes note of what is not there. Returns how many records that are. */
  async #look(signal: AbortSignal): Promise<number> {
    const held = new Map(this.#own.held());
    const enough = new AbortController();
    let isWhole = false;
    for await (const event of this.#bus.watch(busKey(this.#options.cluster, '>'), AbortSignal.any([signal, enough.signal, AbortSignal.timeout(AUDIT_TIMEOUT_MS)]))) {
      if (event.kind === 'entry') {
        const key = splitBusKey(event.key)?.recordKey;
        if (key !== undefined) held.delete(key);
        this.#see(event);
        continue;
      }
      isWhole = event.kind === 'current';
      break;
    }
    enough.abort();
    return isWhole ? this.#own.missing(held) : 0;
  }

  get #mayWrite(): boolean {
    return this.#listed && this.#leads && this.#leadership.isLeading;
  }

  #see(event: BusEvent): void {
    if (event.kind === 'entry') {
      const key = splitBusKey(event.key)?.recordKey;
      if (key === undefined || !this.#own.saw(key, event.value)) return;
    } else {
      if (event.kind === 'restart') {
        this.#options.log.warn({ cluster: this.#options.cluster, leads: this.#leads }, 'the bus lost its entries, the leader publishes all again');
        this.#own.lost();
      }
      this.#listed = event.kind === 'current';
      this.#listedMs = performance.now();
    }
    this.#wake();
  }

  async #write(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      this.#tellDecided();
      const desired = this.#desired;
      if (desired === undefined || !this.#mayWrite || this.#own.isDone(desired)) {
        await this.#nextChange();
        continue;
      }
      try {
        const wrote = await this.#round(desired, signal);
        failures = 0;
        this.#lastError = this.#own.refusal(desired);
        this.#hasDecided = true;
        // What is left waits for its time.
        if (wrote === 0) await this.#nextChange(waitFor(IDLE_ROUND_MS, signal));
      } catch (thrown) {
        if (signal.aborted) break;
        const error = LandbridgeError.from(thrown, 'publish-failed');
        this.#lastError = error.message;
        this.#options.log.warn({ err: error, failures }, 'could not publish, will try again');
        await waitFor(retryDelay(failures), signal);
        failures += 1;
      }
    }
    while (this.#underWay.size > 0) await this.#nextChange();
  }

  #tellDecided(): void {
    if (!this.#hasDecided) return;
    this.#hasDecided = false;
    this.#options.onDecided?.();
  }

  /**
   * One attempt to make the bus as desired: first the records, then `sync`, which closes them. Gives up early for a later wish,
   * which waits for no answer to what is under way: on a way that is slow, that may be the answer to all that was read meanwhile.
   */
  async #round(desired: ReadonlyMap<string, RecordBody>, signal: AbortSignal): Promise<number> {
    const isOver = (): boolean => this.#desired !== desired || !this.#mayWrite || signal.aborted;
    let wrote = this.#underWay.size;
    const behind = new Set<SignedRecord>();
    const put = async (record: SignedRecord): Promise<void> => {
      behind.delete(record);
      if (await this.#putInTurn(record, isOver, signal)) wrote += 1;
    };
    for (const record of this.#own.toWrite(desired)) {
      if (this.#underWay.has(record.key)) behind.add(record);
      else await put(record);
      for (const each of behind) if (!this.#underWay.has(each.key)) await put(each);
      if (isOver()) return wrote;
    }
    for (const record of behind) await put(record);
    if (isOver()) return wrote;
    // Where wishes follow each other faster than answers come, none would ever be closed, and readers compare what they have with a snapshot of long ago.
    const late = performance.now() - this.#openMs < LATE_SYNC_MS ? undefined : this.#own.syncToWrite(desired, true);
    if (late !== undefined) await put(late);
    if (!(await this.#answered(isOver))) return wrote;
    const isEarly = performance.now() - this.#syncMs < (this.#options.syncMs ?? SYNC_MS);
    const sync = isEarly ? undefined : this.#own.syncToWrite(desired);
    if (sync === undefined) return wrote;
    await put(sync);
    await this.#answered(isOver);
    return wrote;
  }

  /** Writes a record once there is room for it, and nothing of the same key under way, which could come later than this. Whether it did. */
  async #putInTurn(record: SignedRecord, isOver: () => boolean, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      this.#throwFailure();
      if (isOver() || this.#underWay.get(record.key) === record) return false;
      if (this.#underWay.size < MAX_PARALLEL_PUTS && !this.#underWay.has(record.key)) break;
      await this.#nextChange();
    }
    this.#underWay.set(record.key, record);
    const nowMs = performance.now();
    if (record.key === 'sync') [this.#syncMs, this.#openMs] = [nowMs, Number.POSITIVE_INFINITY];
    else this.#openMs = Math.min(this.#openMs, nowMs);
    void this.#put(record, signal);
    return true;
  }

  /** Waits until nothing is under way; false where the round is over before. */
  async #answered(isOver: () => boolean): Promise<boolean> {
    while (!isOver() && this.#underWay.size > 0) await this.#nextChange();
    this.#throwFailure();
    return !isOver();
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.thrown;
  }

  async #put(record: SignedRecord, signal: AbortSignal): Promise<void> {
    const stored = this.#own.attempt(record);
    try {
      await this.#bus.put(busKey(this.#options.cluster, record.key), record.bytes, signal);
      stored();
      this.#hasDecided = true;
    } catch (thrown) {
      // The round that is under way tells of it, and the record is written again.
      this.#failure ??= { thrown };
    } finally {
      this.#underWay.delete(record.key);
      this.#wake();
    }
  }

  async #nextChange(orElse?: Promise<void>): Promise<void> {
    await (orElse === undefined ? this.#changed.promise : Promise.race([this.#changed.promise, orElse]));
    this.#changed = Promise.withResolvers();
  }

  #wake(): void {
    this.#changed.resolve();
  }

  #endWaiting(): void {
    this.#wake();
    this.ask();
  }
}
