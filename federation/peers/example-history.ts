/** Clusters, a bus that loses, doubles and mixes up, and readers that begin anew: a model of the federation's pure parts, for tests. */
import { createPublicKey } from 'node:crypto';
import type { RecordBody } from '@landbridge/core/records.ts';
import { decodeEnvelope } from '@landbridge/wire/record.ts';
import { busKey, MEMBERS, splitBusKey } from '../bus/bus.ts';
import { type Constituent, type ImportedService, merge } from '../merge/merge.ts';
import { exampleAuthority, type ExampleKeys, exampleKeys, exampleMember, meta, service, wish } from '../records/example-records.ts';
import { signMember } from '../records/members.ts';
import { OwnRecords, type SignedRecord } from '../records/own-records.ts';
import { emptyPeers, type PeerState, reducePeers, views } from '../records/peer-table.ts';
import { DEFAULT_GUARD_TIMES } from './export-guard.ts';
import { ExportGuards } from './export-guards.ts';

export const CLUSTERS = ['east', 'west'] as const;
export const READERS = 3;
export const SERVICES = 4;
const DAY_MS = 86_400_000;
const START_MS = 1_790_000_000_000;
const HEAL_ROUNDS = 8;
const REPLAYED = 8;

export type HistoryAction =
  | { readonly kind: 'publish'; readonly cluster: number; readonly services: readonly number[] }
  /** The owner writes so many of the records that it has to; each of `lost` is acknowledged and never stored. */
  | { readonly kind: 'write'; readonly cluster: number; readonly count: number; readonly lost: readonly number[] }
  /** A reader gets one of the messages that wait for it, in any order, perhaps again later. */
  | { readonly kind: 'deliver'; readonly reader: number; readonly index: number; readonly again: boolean }
  | { readonly kind: 'drop'; readonly reader: number; readonly index: number }
  | { readonly kind: 'restart-reader'; readonly reader: number }
  /** The owner begins anew and knows nothing, with a clock that is off by so many days; perhaps from a backup of what it exported. */
  | { readonly kind: 'restart-owner'; readonly cluster: number; readonly days: number; readonly services: readonly number[] | undefined }
  | { readonly kind: 'wipe' }
  /** The bus is as it was when it was kept last. */
  | { readonly kind: 'keep' }
  | { readonly kind: 'restore' }
  | { readonly kind: 'leave'; readonly cluster: number }
  | { readonly kind: 'join'; readonly cluster: number }
  | { readonly kind: 'wait'; readonly ms: number };

interface Owner {
  readonly cluster: string;
  readonly keys: ExampleKeys;
  own: OwnRecords;
  desired: ReadonlyMap<string, RecordBody>;
  offMs: number;
  isMember: boolean;
  gen: number;
}

interface Reader {
  state: PeerState;
  guards: ExportGuards;
  readonly waiting: { readonly key: string; readonly value: Uint8Array }[];
}

/** Making keys is slow, and they are secrets of nobody. */
const KEYS = CLUSTERS.map(() => exampleKeys());

export class ExampleHistory {
  readonly #owners: readonly Owner[];
  readonly #readers: readonly Reader[];
  #bus = new Map<string, Uint8Array>();
  #kept = new Map<string, Uint8Array>();
  /** All that was ever stored. */
  readonly #ever: { readonly key: string; readonly value: Uint8Array }[] = [];
  #nowMs = 0;

  constructor() {
    this.#readers = Array.from({ length: READERS }, () => ({ state: emptyPeers(exampleAuthority.publicKey), guards: new ExportGuards(), waiting: [] }));
    this.#owners = CLUSTERS.map((cluster, index): Owner => {
      const keys = KEYS[index] ?? exampleKeys();
      const owner = { cluster, keys, desired: wish(meta), offMs: 0, isMember: true, gen: 0 } as Omit<Owner, 'own'> as Owner;
      owner.own = this.#begin(owner);
      return owner;
    });
    for (const owner of this.#owners) this.#admit(owner, true);
  }

  act(action: HistoryAction): void {
    this.#nowMs += 1;
    switch (action.kind) {
      case 'publish':
        return this.#publish(this.#owner(action.cluster), action.services);
      case 'write':
        return this.#write(this.#owner(action.cluster), action.count, new Set(action.lost));
      case 'deliver':
        return this.#deliver(this.#reader(action.reader), action.index, action.again);
      case 'drop': {
        const { waiting } = this.#reader(action.reader);
        waiting.splice(action.index % Math.max(1, waiting.length), 1);
        return;
      }
      case 'restart-reader': {
        const reader = this.#reader(action.reader);
        reader.state = emptyPeers(exampleAuthority.publicKey);
        reader.guards = new ExportGuards();
        reader.waiting.length = 0;
        return;
      }
      case 'restart-owner': {
        const owner = this.#owner(action.cluster);
        owner.offMs = this.#clockAfterRestart(owner, action.days * DAY_MS);
        owner.own = this.#begin(owner);
        // Before it writes anything, it reads what is there of it.
        this.#audit(owner);
        if (action.services !== undefined) this.#publish(owner, action.services);
        return;
      }
      case 'wipe':
        this.#bus.clear();
        return;
      case 'keep':
        this.#kept = new Map(this.#bus);
        return;
      case 'restore':
        this.#bus = new Map(this.#kept);
        return;
      case 'leave':
        return this.#admit(this.#owner(action.cluster), false);
      case 'join':
        return this.#admit(this.#owner(action.cluster), true);
      case 'wait':
        this.#nowMs += action.ms;
        return;
      default:
        return action satisfies never;
    }
  }

  /** The faults are over: owners look at what the bus has and put it right, and readers read all of it, each in an order of its own, and some of what is older after it. */
  heal(order: (reader: number, keys: readonly string[]) => readonly string[]): void {
    for (const reader of this.#readers) reader.waiting.length = 0;
    for (const owner of this.#owners) {
      this.#bus.set(busKey(MEMBERS, owner.cluster), this.#memberBytes(owner));
      this.#audit(owner);
    }
    for (let round = 0; round < HEAL_ROUNDS; round += 1) {
      // Longer than an owner waits for another one that has its keys.
      this.#nowMs += 31_000;
      for (const owner of this.#owners) this.#write(owner, Number.POSITIVE_INFINITY, new Set());
    }
    for (const [index, reader] of this.#readers.entries()) {
      reader.waiting.length = 0;
      for (const key of order(index, [...this.#bus.keys()].sort())) this.#take(reader, key, this.#bus.get(key) ?? new Uint8Array());
      // Somebody shows again what was there before.
      for (const at of order(index, [...this.#ever.keys()].map(String)).slice(0, REPLAYED)) {
        const replayed = this.#ever[Number(at)];
        if (replayed !== undefined) this.#take(reader, replayed.key, replayed.value);
      }
    }
    for (const _ of [0, 1]) {
      this.#nowMs += DEFAULT_GUARD_TIMES.holdMs;
      for (const reader of this.#readers) this.#constituents(reader);
    }
  }

  /** What each reader would import. */
  imports(): ReadonlyMap<string, ImportedService>[] {
    return this.#readers.map((reader) => merge(this.#constituents(reader), START_MS + this.#nowMs));
  }

  /** Names of the services of each member, as every reader is to see them. */
  wanted(): Record<string, string[]> {
    return Object.fromEntries(this.#owners.filter(({ isMember }) => isMember).map(({ cluster, desired }) => [cluster, [...desired.values()].flatMap((body) => (body.kind === 'svc' ? [body.name] : [])).sort()]));
  }

  seen(): Record<string, string[]>[] {
    return this.#readers.map((reader) => Object.fromEntries(this.#constituents(reader).map(({ cluster, services }) => [cluster, [...services.values()].map(({ name }) => name).sort()]).sort()));
  }

  #owner(index: number): Owner {
    return this.#owners[index % this.#owners.length] as Owner;
  }

  #reader(index: number): Reader {
    return this.#readers[index % this.#readers.length] as Reader;
  }

  #begin(owner: Owner): OwnRecords {
    const { privateKey } = owner.keys;
    return new OwnRecords({ cluster: owner.cluster, privateKey, publicKey: createPublicKey(privateKey), clock: () => START_MS + this.#nowMs + owner.offMs });
  }

  /**
   * A clock may go back as far as it likes where the bus still has what was signed last. Where that is lost as well nobody
   * can tell the owner which epoch readers have seen, and they refuse it until its clock has come so far (docs/limits.md).
   */
  #clockAfterRestart(owner: Owner, offMs: number): number {
    const epochs = [...this.#bus].flatMap(([key, value]) => {
      const envelope = splitBusKey(key)?.cluster === owner.cluster ? decodeEnvelope(value) : undefined;
      return envelope?.ok === true ? [envelope.value.epoch] : [];
    });
    const { epoch } = owner.own.summary;
    return epochs.includes(epoch) ? offMs : Math.max(offMs, epoch + 1 - START_MS - this.#nowMs);
  }

  #publish(owner: Owner, services: readonly number[]): void {
    // The same name is of other ports from time to time, so that a record that is behind shows.
    owner.desired = wish(meta, ...services.map((index) => service(`s${index % SERVICES}`, 80 + (this.#nowMs % 3))));
  }

  #admit(owner: Owner, isMember: boolean): void {
    owner.isMember = isMember;
    owner.gen += 1;
    this.#store(busKey(MEMBERS, owner.cluster), this.#memberBytes(owner));
  }

  #memberBytes({ cluster, keys, gen, isMember }: Owner): Uint8Array {
    return signMember(exampleAuthority.privateKey, exampleMember(cluster, keys, { revoked: !isMember }), { epoch: 1, gen });
  }

  #write(owner: Owner, count: number, lost: ReadonlySet<number>): void {
    let written = 0;
    const put = (record: SignedRecord): void => {
      const stored = owner.own.attempt(record);
      const key = busKey(owner.cluster, record.key);
      if (!lost.has(written)) {
        this.#store(key, record.bytes);
        owner.own.saw(record.key, record.bytes);
      }
      written += 1;
      stored();
    };
    for (const record of owner.own.toWrite(owner.desired)) {
      if (written >= count) return;
      put(record);
    }
    const sync = written < count ? owner.own.syncToWrite(owner.desired) : undefined;
    if (sync !== undefined) put(sync);
  }

  #store(key: string, value: Uint8Array): void {
    this.#bus.set(key, value);
    this.#ever.push({ key, value });
    for (const { waiting } of this.#readers) waiting.push({ key, value });
  }

  /** As a publisher does that watches its own part, and looks for what the bus lost. */
  #audit(owner: Owner): void {
    const held = new Map(owner.own.held());
    for (const [key, value] of this.#bus) {
      const split = splitBusKey(key);
      if (split?.cluster !== owner.cluster) continue;
      held.delete(split.recordKey);
      owner.own.saw(split.recordKey, value);
    }
    owner.own.missing(held);
  }

  #deliver(reader: Reader, index: number, again: boolean): void {
    if (reader.waiting.length === 0) return;
    const at = index % reader.waiting.length;
    const [message] = again ? [reader.waiting[at]] : reader.waiting.splice(at, 1);
    if (message !== undefined) this.#take(reader, message.key, message.value);
  }

  #take(reader: Reader, key: string, value: Uint8Array): void {
    reader.state = reducePeers(reader.state, { kind: 'entry', key, value, revision: 0 }, this.#nowMs);
    this.#constituents(reader);
  }

  #constituents(reader: Reader): readonly Constituent[] {
    const complete = [...views(reader.state).values()].filter((view) => view.complete);
    return reader.guards.apply(complete, () => new Set(), this.#nowMs).map(({ cluster, member, services, endpoints }) => ({ cluster, trustDomain: member.trustDomain, network: member.network, joinedAt: member.joinedAt, services, endpoints }));
  }
}
