/**
 * A member whose records are real ones and whose publisher is none: it signs each and gives it to the hub. What a publisher does
 * besides, such as to wait for the hub's answers and to look at what became of it, is paid where the member is, by others'
 * processors; here it would take those of the federation service that is measured.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { Endpoint, RecordBody } from '@landbridge/core/records.ts';
import { recordKey } from '@landbridge/core/records.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import { busKey } from '@landbridge/federation/bus/bus.ts';
import { SUBJECT_PREFIX } from '@landbridge/federation/bus/bucket-delivery.ts';
import type { NatsBus } from '@landbridge/federation/bus/nats-bus.ts';
import { beatSubject } from '@landbridge/federation/join/hub-users.ts';
import type { HubCredentials } from '@landbridge/federation/join/credentials.ts';
import { signBeat } from '@landbridge/federation/peers/beat-signature.ts';
import { signRecord } from '@landbridge/federation/records/record-signature.ts';
import { snapshotSync } from '@landbridge/federation/records/snapshot-digest.ts';
import { NO_DIGEST } from '@landbridge/wire/beat.ts';
import { canonicalJson, type JsonValue, type Version } from '@landbridge/wire/record.ts';

/** Records whose answers are waited for at once, when all are written for the first time. */
const AT_ONCE = 16;
/** As of a publisher. */
const SYNC_MS = 1000;

export class GeneratedMember {
  readonly cluster: string;
  readonly #records: Map<string, RecordBody>;
  /** The canonical JSON of endpoints, by the key of their record: of all of them one changes at a time. */
  readonly #texts = new Map<string, readonly string[]>();
  readonly #bus: NatsBus;
  readonly #privateKey: KeyObject;
  readonly #versions = new Map<string, Version>();
  readonly #epoch = Date.now();
  #gen = 0;
  #digest = NO_DIGEST;
  #isClosed = true;

  constructor(bus: NatsBus, { cluster, recordPrivateKeyPem }: HubCredentials, records: readonly RecordBody[]) {
    this.cluster = cluster;
    this.#records = new Map(records.map((body) => [recordKey(body), body]));
    this.#bus = bus;
    this.#privateKey = createPrivateKey(recordPrivateKeyPem);
  }

  /** Writes all of it; resolves once the hub has it. */
  async publish(signal: AbortSignal): Promise<void> {
    const rest = this.#records.entries();
    const lane = async (): Promise<void> => {
      for (const [key, body] of rest) await this.#bus.put(busKey(this.cluster, key), this.#sign(key, body), signal);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    await this.#bus.put(busKey(this.cluster, 'sync'), this.#close(), signal);
  }

  /** Replaces one endpoint of a record. */
  change(key: string, at: number, endpoint: Endpoint): void {
    const before = this.#records.get(key);
    if (before?.kind !== 'eps') throw new RangeError(`${key} is not there`);
    const body: RecordBody = { ...before, endpoints: before.endpoints.with(at, endpoint) };
    this.#records.set(key, body);
    this.#texts.set(key, (this.#texts.get(key) ?? before.endpoints.map(json)).with(at, json(endpoint)));
    this.#send(key, this.#sign(key, body));
  }

  get size(): number {
    return this.#records.size;
  }

  /** Closes the snapshot where it is open, each second. */
  async close(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await waitFor(SYNC_MS, signal);
      if (!this.#isClosed) this.#send('sync', this.#close());
    }
  }

  /** As a member does, which listens to the others besides. */
  async beat(intervalMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#bus.publishNow(beatSubject(this.cluster), signBeat(this.#privateKey, this.cluster, { epoch: this.#epoch, sequence: Date.now(), intervalMs, digest: this.#digest, asks: [] }));
      await waitFor(intervalMs, signal);
    }
  }

  #send(key: string, bytes: Uint8Array): void {
    this.#bus.publishNow(`${SUBJECT_PREFIX}${busKey(this.cluster, key)}`, bytes);
  }

  #sign(key: string, body: RecordBody): Uint8Array {
    const version = { epoch: this.#epoch, gen: ++this.#gen };
    if (key !== 'sync') {
      this.#versions.set(key, version);
      this.#isClosed = false;
    }
    return signRecord(this.#privateKey, { cluster: this.cluster, key, ...version, body }, this.#textOf(key, body));
  }

  #textOf(key: string, body: RecordBody): string {
    const texts = this.#texts.get(key);
    return texts === undefined ? json(body) : json({ ...body, endpoints: [] }).replace(NONE, () => `"endpoints":[${texts.join(',')}]`);
  }

  #close(): Uint8Array {
    const sync = snapshotSync(this.#versions);
    this.#digest = sync.digest.slice(0, NO_DIGEST.length);
    this.#isClosed = true;
    return this.#sign('sync', sync);
  }
}

const NONE = '"endpoints":[]';
const json = (value: object): string => canonicalJson(value as JsonValue);
