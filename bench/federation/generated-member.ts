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
  readonly records: Map<string, RecordBody>;
  readonly #bus: NatsBus;
  readonly #privateKey: KeyObject;
  readonly #versions = new Map<string, Version>();
  readonly #epoch = Date.now();
  #gen = 0;
  #digest = NO_DIGEST;
  #isClosed = true;

  constructor(bus: NatsBus, { cluster, recordPrivateKeyPem }: HubCredentials, records: readonly RecordBody[]) {
    this.cluster = cluster;
    this.records = new Map(records.map((body) => [recordKey(body), body]));
    this.#bus = bus;
    this.#privateKey = createPrivateKey(recordPrivateKeyPem);
  }

  /** Writes all of it; resolves once the hub has it. */
  async publish(signal: AbortSignal): Promise<void> {
    const rest = this.records.entries();
    const lane = async (): Promise<void> => {
      for (const [key, body] of rest) await this.#bus.put(busKey(this.cluster, key), this.#sign(key, body), signal);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    await this.#bus.put(busKey(this.cluster, 'sync'), this.#close(), signal);
  }

  change(body: RecordBody): void {
    const key = recordKey(body);
    this.records.set(key, body);
    this.#send(key, this.#sign(key, body));
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
    return signRecord(this.#privateKey, { cluster: this.cluster, key, ...version, body }, textOf(body));
  }

  #close(): Uint8Array {
    const sync = snapshotSync(this.#versions);
    this.#digest = sync.digest.slice(0, NO_DIGEST.length);
    this.#isClosed = true;
    return this.#sign('sync', sync);
  }
}

const NONE = '"endpoints":[]';
const texts = new WeakMap<Endpoint, string>();

/** The canonical JSON of a body: of a record's endpoints all are as they were but one. */
function textOf(body: RecordBody): string {
  if (body.kind !== 'eps') return json(body);
  return json({ ...body, endpoints: [] }).replace(NONE, () => `"endpoints":[${body.endpoints.map(endpointText).join(',')}]`);
}

function endpointText(endpoint: Endpoint): string {
  let text = texts.get(endpoint);
  if (text === undefined) texts.set(endpoint, (text = json(endpoint)));
  return text;
}

const json = (value: object): string => canonicalJson(value as JsonValue);
