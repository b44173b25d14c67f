/** What was signed for this cluster, by this process or by the one that led before it, and how much of it the bus is known to hold. No effects but signing. */
import type { KeyObject } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { RecordBody } from '@landbridge/core/records.ts';
import { canonicalJson, compareVersions, type JsonValue, type Version } from '@landbridge/wire/record.ts';
import { isRecordKey, openRecord, signRecord, type UnsignedRecord } from './record-signature.ts';
import { snapshotSync } from './snapshot-digest.ts';

export interface OwnRecordsOptions {
  readonly cluster: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Whether another process may have the lead at first: until {@link OwnRecords.lead} what it writes is followed. Nobody else does where left out. */
  readonly follows?: boolean;
}

export interface SignedRecord extends Version {
  readonly key: string;
  readonly body: RecordBody | null;
  readonly bytes: Uint8Array;
}

interface OwnRecord {
  readonly signed: SignedRecord;
  readonly text: string;
  /** Whether the bus said that it has these bytes, and whether it has shown since that it has not. */
  bus: 'has' | 'lost' | 'never-had';
  notBefore: number;
}

/** Others' writes under our keys are put right this much later: two writers must not keep the hub busy, and our own echo may be on its way. */
const REPAIR_DELAY_MS = 1000;
/** A second process with our key is worse: each would write all its records. */
const RIVAL_DELAY_MS = 30_000;
/** Generations of one who begins to lead come after all that its predecessors may have counted in the epoch: nobody writes as many in a millisecond. */
const GENERATIONS_PER_MS = 1000;
/** Bounds what is remembered of others' writes. */
const MAX_STRANGERS = 50_000;

export class OwnRecords {
  readonly #options: OwnRecordsOptions;
  readonly #records = new Map<string, OwnRecord>();
  /** What was wished for last: the records that are not as it has it are found by what has changed, not among all of them. */
  #desired: ReadonlyMap<string, RecordBody> = new Map();
  /** Keys of which something has changed: all are among them of which the bus may not have what is desired. */
  readonly #open = new Set<string>();
  /** The `sync` that names all of them, once somebody has asked for it: it is a hash of all. */
  #closing: RecordBody | undefined;
  /** Whether a record was signed here since that was asked for, which no `sync` on the bus names. */
  #isUnclosed = false;
  /** Keys on the bus with a record that this process has not signed. */
  readonly #strangers = new Set<string>();
  /** Bodies that can not be signed. */
  readonly #refused = new Map<string, { readonly body: RecordBody; readonly message: string }>();
  /** Keys that were stored or refused since somebody asked: at most as many as there were wished for. */
  #decided = new Set<string>();
  #follows: boolean;
  #epoch: number;
  #gen = 0;
  /** Generations of this epoch up to here are of those who led before. */
  #before = 0;
  #losses = 0;
  #quietUntil = 0;

  constructor(options: OwnRecordsOptions) {
    this.#options = options;
    this.#follows = options.follows ?? false;
    this.#epoch = this.#follows ? 0 : options.clock();
  }

  /**
   * From now on this process writes. It goes on with what it followed where that is certain to be the newest that peers have
   * seen (`goesOn`); otherwise, as the bus may be older than they are, all is signed in a new epoch.
   */
  lead({ goesOn }: { readonly goesOn: boolean }): void {
    this.#follows = false;
    const now = this.#options.clock();
    if (goesOn && this.#records.size > 0) this.#gen = this.#before = Math.max(this.#gen, (now - this.#epoch) * GENERATIONS_PER_MS);
    else this.#moveOn(Math.max(now, this.#epoch + 1));
    this.#quietUntil = 0;
  }

  /** Another process may write from now on. */
  follow(): void {
    this.#follows = true;
    this.#isUnclosed = false;
  }

  /** An entry under our prefix was read. True when the bus now differs from what was signed. */
  saw(key: string, bytes: Uint8Array): boolean {
    const own = this.#records.get(key);
    if (own !== undefined && sameBytes(own.signed.bytes, bytes)) {
      own.bus = 'has';
      return false;
    }
    const found = openRecord(bytes, { cluster: this.#options.cluster, key, publicKey: this.#options.publicKey });
    const isNewer = found.ok && (own === undefined ? found.value.epoch >= this.#epoch : isRival(found.value, own));
    if (isNewer && this.#isOfPredecessor(found.value)) this.#takeOver(found.value, bytes);
    else if (isNewer) this.#moveOn(found.value.epoch + 1);
    else if (own !== undefined) this.#repair(own);
    const isTombstone = found.ok && found.value.body === null;
    if (!this.#records.has(key) && !isTombstone) this.#addStranger(key);
    return true;
  }

  /** This cluster once signed a record of this version. True where all has to be signed anew, since whoever has seen that one refuses what comes from before. */
  remember({ epoch }: Version): boolean {
    if (this.#follows || epoch <= this.#epoch) return false;
    this.#begin(epoch + 1);
    return true;
  }

  /** Whether the process that led before has signed it: while this one follows, and where a last write of its arrived late. */
  #isOfPredecessor({ epoch, gen }: Version): boolean {
    return this.#follows || (epoch === this.#epoch && gen <= this.#before);
  }

  #takeOver({ key, epoch, gen, body }: UnsignedRecord, bytes: Uint8Array): void {
    if (epoch > this.#epoch) this.#begin(epoch);
    this.#gen = Math.max(this.#gen, gen);
    this.#strangers.delete(key);
    this.#set(key, { signed: { key, epoch, gen, body, bytes }, text: textOf(body), bus: 'has', notBefore: 0 });
  }

  /** The bus lost its entries. What was signed stays valid and is written again as it is. */
  lost(): void {
    this.#losses += 1;
    this.#strangers.clear();
    for (const own of this.#records.values()) if (own.bus === 'has') this.#lose(own);
  }

  #lose(own: OwnRecord): void {
    own.bus = 'lost';
    if (own.signed.key !== 'sync') this.#open.add(own.signed.key);
  }

  /**
   * Records to write now, each signed when it is asked for. What nobody has seen yet is first: it would wait for as long as
   * everything takes that readers have asked for again.
   */
  *toWrite(desired: ReadonlyMap<string, RecordBody>): Generator<SignedRecord> {
    this.#turnTo(desired);
    const again: SignedRecord[] = [];
    for (const key of this.#openInTurn()) {
      const next = this.#due(key, this.#desired.get(key) ?? null);
      if (next === undefined) continue;
      if (this.#records.get(key)?.bus === 'lost') again.push(next);
      else yield next;
    }
    // Others may have been signed since.
    for (const record of again) if (this.#records.get(record.key)?.signed === record) yield record;
  }

  #turnTo(desired: ReadonlyMap<string, RecordBody>): void {
    const before = this.#desired;
    if (before === desired) return;
    this.#desired = desired;
    for (const [key, body] of desired) if (before.get(key) !== body) this.#open.add(key);
    for (const key of before.keys()) if (!desired.has(key)) this.#open.add(key);
  }

  /** What is to be, then what is not to be any more. */
  #openInTurn(): readonly string[] {
    const open = [...this.#open].filter((key) => !this.#isSettled(key, isOnBus));
    return [...open.filter((key) => this.#desired.has(key)), ...open.filter((key) => !this.#desired.has(key))];
  }

  /** The record that closes the snapshot, when all others are on the bus and it is not; or, where `early`, when all are signed, and may be on their way before it. */
  syncToWrite(desired: ReadonlyMap<string, RecordBody>, early = false): SignedRecord | undefined {
    return (early ? this.#isSigned(desired) : this.#isStored(desired)) ? this.#due('sync', this.#sync()) : undefined;
  }

  /** Whether the bus has all that is desired, and a `sync` that names it; false also where nobody has asked yet for the one that names what was signed last. */
  isDone(desired: ReadonlyMap<string, RecordBody>): boolean {
    return this.#isStored(desired) && !this.#isUnclosed && this.#holds('sync', this.#sync());
  }

  /** What a heartbeat says of them. `digest` is that of the newest `sync`; undefined before there is one in the epoch. */
  get summary(): { readonly epoch: number; readonly digest: string | undefined } {
    const sync = this.#records.get('sync')?.signed;
    return { epoch: this.#epoch, digest: sync?.epoch === this.#epoch && sync.body?.kind === 'sync' ? sync.body.digest : undefined };
  }

  /** Keys of records that the bus is known to hold, each with the version that it holds. */
  held(): ReadonlyMap<string, Version> {
    return new Map([...this.#records].flatMap(([key, own]) => (own.bus === 'has' ? [[key, own.signed] as const] : [])));
  }

  /** The bus does not have what it is known to hold of these keys, unless that was written anew since. Returns how many. */
  missing(keys: Iterable<readonly [key: string, version: Version]>): number {
    let count = 0;
    for (const [key, version] of keys) {
      const own = this.#records.get(key);
      if (own === undefined || own.signed !== version || own.bus !== 'has') continue;
      this.#lose(own);
      count += 1;
    }
    return count;
  }

  /** The callback is to be called when the bus has stored the record. */
  attempt(signed: SignedRecord): () => void {
    const losses = this.#losses;
    return () => {
      const own = this.#records.get(signed.key);
      if (own?.signed !== signed || losses !== this.#losses) return;
      own.bus = 'has';
      this.#decided.add(signed.key);
    };
  }

  /** Keys of records that the bus took, or that could not be signed, since this was asked last. */
  takeDecided(): ReadonlySet<string> {
    const decided = this.#decided;
    this.#decided = new Set();
    return decided;
  }

  /** What became of the record of a key; the reason where the newest one can not be signed. */
  stateOf(key: string): 'stored' | 'waiting' | { readonly refused: string } {
    const refused = this.#refused.get(key);
    if (refused !== undefined) return { refused: refused.message };
    const own = this.#records.get(key);
    return own?.bus === 'has' && own.signed.body !== null ? 'stored' : 'waiting';
  }

  storedCount(): number {
    let count = 0;
    for (const [key, own] of this.#records) if (key !== 'sync' && own.bus === 'has' && own.signed.body !== null) count += 1;
    return count;
  }

  /** Why a record of the last wish could not be signed. */
  refusal(desired: ReadonlyMap<string, RecordBody>): string | undefined {
    for (const [key, { body, message }] of this.#refused) if (desired.get(key) === body) return message;
    return undefined;
  }

  #isStored(desired: ReadonlyMap<string, RecordBody>): boolean {
    this.#turnTo(desired);
    for (const key of this.#open) {
      if (!this.#isSettled(key, isOnBus)) return false;
      this.#open.delete(key);
    }
    return true;
  }

  #isSigned(desired: ReadonlyMap<string, RecordBody>): boolean {
    this.#turnTo(desired);
    for (const key of this.#open) if (!this.#isSettled(key, () => true)) return false;
    return true;
  }

  /** Whether there is a record of what is to be under a key, or one that takes back what is not; it counts where `counts` says so. */
  #isSettled(key: string, counts: (own: OwnRecord) => boolean): boolean {
    const own = this.#records.get(key);
    const body = this.#desired.get(key);
    if (body === undefined) return !this.#strangers.has(key) && (own === undefined || (counts(own) && own.signed.body === null));
    return (own !== undefined && counts(own) && isOf(own, body)) || this.#refused.get(key)?.body === body;
  }

  #holds(key: string, body: RecordBody): boolean {
    const own = this.#records.get(key);
    return own?.bus === 'has' && isOf(own, body);
  }

  #sync(): RecordBody {
    this.#isUnclosed = false;
    if (this.#closing !== undefined) return this.#closing;
    const live: (readonly [string, Version])[] = [];
    for (const [key, { signed }] of this.#records) if (key !== 'sync' && signed.body !== null) live.push([key, signed]);
    this.#closing = snapshotSync(live);
    return this.#closing;
  }

  #set(key: string, record: OwnRecord): void {
    this.#records.set(key, record);
    if (key === 'sync') return;
    this.#open.add(key);
    this.#closing = undefined;
  }

  #due(key: string, body: RecordBody | null): SignedRecord | undefined {
    const own = this.#records.get(key);
    const now = this.#options.clock();
    if (now < this.#quietUntil) return undefined;
    const isRefused = body !== null && this.#refused.get(key)?.body === body;
    if (own !== undefined && (isRefused || isOf(own, body))) return own.bus === 'has' || now < own.notBefore ? undefined : own.signed;
    return isRefused ? undefined : this.#sign(key, body);
  }

  #sign(key: string, body: RecordBody | null): SignedRecord | undefined {
    const version: Version = { epoch: this.#epoch, gen: this.#gen + 1 };
    let bytes: Uint8Array;
    try {
      bytes = signRecord(this.#options.privateKey, { cluster: this.#options.cluster, key, ...version, body }, textOf(body));
    } catch (thrown) {
      const error = LandbridgeError.from(thrown);
      if (error.code !== 'record-too-large' || body === null) throw error;
      // The older record, if there is one, stays: better than no record at all.
      this.#refused.set(key, { body, message: error.message });
      this.#decided.add(key);
      return undefined;
    }
    this.#gen = version.gen;
    this.#refused.delete(key);
    this.#strangers.delete(key);
    const signed: SignedRecord = { key, ...version, body, bytes };
    this.#set(key, { signed, text: textOf(body), bus: 'never-had', notBefore: 0 });
    if (key !== 'sync') this.#isUnclosed = true;
    return signed;
  }

  #repair(own: OwnRecord): void {
    if (own.bus !== 'has') return;
    own.notBefore = this.#options.clock() + REPAIR_DELAY_MS;
    this.#lose(own);
  }

  #addStranger(key: string): void {
    if (key === 'sync' || !isRecordKey(key) || this.#strangers.size >= MAX_STRANGERS) return;
    this.#strangers.add(key);
    this.#open.add(key);
  }

  /** Everything is signed anew: peers must find our records newer than the one that was found. */
  #moveOn(epoch: number): void {
    if (this.#records.size > 0) this.#quietUntil = this.#options.clock() + RIVAL_DELAY_MS;
    this.#begin(epoch);
  }

  /** What is of the epoch before is to be taken back, unless it is signed in this one. */
  #begin(epoch: number): void {
    for (const [key, own] of this.#records) if (own.signed.body !== null) this.#addStranger(key);
    for (const key of this.#desired.keys()) this.#open.add(key);
    this.#records.clear();
    this.#closing = undefined;
    this.#epoch = epoch;
    this.#gen = 0;
    this.#before = 0;
  }
}

const isOnBus = ({ bus }: OwnRecord): boolean => bus === 'has';

function isOf(own: OwnRecord, body: RecordBody | null): boolean {
  return own.signed.body === body || own.text === textOf(body);
}

/** Newer than ours, or of the same version and something else, which is as bad: peers may have either. */
function isRival(found: UnsignedRecord, { signed, text }: OwnRecord): boolean {
  const order = compareVersions(found, signed);
  return order > 0 || (order === 0 && textOf(found.body) !== text);
}

/** Bodies are asked about several times before they are on the bus, and never change. */
const texts = new WeakMap<RecordBody, string>();

function textOf(body: RecordBody | null): string {
  if (body === null) return 'null';
  let text = texts.get(body);
  if (text === undefined) texts.set(body, (text = canonicalJson(body as unknown as JsonValue)));
  return text;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
