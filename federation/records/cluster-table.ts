/** What one cluster has said: its newest records, and whether they are a whole snapshot. */
import type { Endpoint, RecordBody, SyncRecord } from '@landbridge/core/records.ts';
import { compareVersions, isSameJson, type JsonValue, type Version } from '@landbridge/wire/record.ts';
import { PersistentMap } from './persistent-map.ts';
import type { VerifiedRecord } from './record-signature.ts';
import { snapshotSync } from './snapshot-digest.ts';

export interface StoredRecord extends Version {
  /** Null is a tombstone: it stays, so that an older record can not come back. */
  readonly body: Exclude<RecordBody, SyncRecord> | null;
  /** The key that signed it. Versions of different keys can not be compared: a new key is a new beginning. */
  readonly signer: string;
  /** As it came over the bus. */
  readonly length: number;
}

export interface ClusterTable {
  /** All but `sync`. */
  readonly records: PersistentMap<StoredRecord>;
  /** Lengths of all of them. */
  readonly bytes: number;
  /** Records that found no room. */
  readonly overflow: number;
  /** `bytes`: as it was signed. */
  readonly sync: (Version & { readonly body: SyncRecord | null; readonly signer: string; readonly bytes: Uint8Array | undefined }) | undefined;
  /** The newest epoch seen from the current signer, and the newest generation of a record in it. An owner writes all its records anew in each epoch. */
  readonly head: { readonly signer: string; readonly epoch: number; readonly gen: number; readonly live: number };
  /** Epoch and signer of the last snapshot that was whole. Everything from before is void. */
  readonly floor: { readonly signer: string; readonly epoch: number } | undefined;
  /** Whether all that a bus had of it was read, as its owner had left it: with a snapshot that it had closed before, and perhaps newer records beside. */
  readonly isRead: boolean;
  readonly changedAt: number;
}

/** Far above what a cluster exports; a member gone wrong must not fill the memory. */
export const MAX_RECORDS_PER_CLUSTER = 50_000;
/** 100,000 endpoints are about as many bytes; in memory they take several times that. */
export const MAX_BYTES_PER_CLUSTER = 32 * 1024 * 1024;

export function emptyTable(signer: string, now: number): ClusterTable {
  return { records: PersistentMap.empty(), bytes: 0, overflow: 0, sync: undefined, head: { signer, epoch: 0, gen: 0, live: 0 }, floor: undefined, isRead: false, changedAt: now };
}

/**
 * All that a bus has was read. Its owner may have written records that no `sync` names yet and have ended then, or the bus
 * may have: what it closes later nobody hears before both are back, and until then nothing is known better.
 */
export function readThrough(table: ClusterTable, now: number): ClusterTable {
  const { sync, head, floor, overflow, isRead } = table;
  if (isRead || floor !== undefined || overflow > 0 || !sync?.body || sync.signer !== head.signer) return table;
  // What is from before an epoch of which its owner closed a snapshot is void all the same.
  const records = table.records.filter((record) => record.signer !== sync.signer || record.epoch >= sync.epoch);
  return { ...table, ...asRecords(records), isRead: true, changedAt: now };
}

/** The member's key changed. Its old records stay until the new key has signed a whole snapshot. */
export function withSigner(table: ClusterTable, signer: string, now: number): ClusterTable {
  if (table.head.signer === signer) return table;
  let epoch = 0;
  for (const [, record] of table.records.entries()) if (record.signer === signer) epoch = Math.max(epoch, record.epoch);
  let [gen, live] = [0, 0];
  for (const [, record] of table.records.entries()) {
    if (!isOf({ signer, epoch }, record)) continue;
    gen = Math.max(gen, record.gen);
    if (record.body !== null) live += 1;
  }
  return settle({ ...table, head: { signer, epoch, gen, live } }, now);
}

/** Whether the table holds this very version of the current signer. */
export function isKnown(table: ClusterTable, key: string, version: Version): boolean {
  const stored = storedVersion(table, key);
  return stored !== undefined && compareVersions(version, stored) === 0;
}

/** Whether a record of this version by the current signer would change nothing: a duplicate, a replay, or from before the last snapshot. */
export function isStale(table: ClusterTable, key: string, version: Version): boolean {
  const { floor, head } = table;
  if (floor?.signer === head.signer && version.epoch < floor.epoch) return true;
  const stored = storedVersion(table, key);
  return stored !== undefined && compareVersions(version, stored) <= 0;
}

function storedVersion(table: ClusterTable, key: string): Version | undefined {
  const stored = key === 'sync' ? table.sync : table.records.get(key);
  return stored?.signer === table.head.signer ? stored : undefined;
}

/** Takes a record of the current signer that is not stale, of so many bytes. `sync`: the bytes of one, to be kept. Undefined when the table is full. */
export function withRecord(table: ClusterTable, record: VerifiedRecord, length: number, now: number, sync?: Uint8Array): ClusterTable | undefined {
  const { key, epoch, gen, body } = record;
  const { signer } = table.head;
  const head = epoch > table.head.epoch ? { signer, epoch, gen: 0, live: 0 } : table.head;
  if (key === 'sync') return settle({ ...table, head, sync: { epoch, gen, signer, body: body?.kind === 'sync' ? body : null, bytes: sync } }, now);
  if (body?.kind === 'sync') return table;
  const old = table.records.get(key);
  const bytes = table.bytes - (old?.length ?? 0) + length;
  if ((old === undefined && table.records.size >= MAX_RECORDS_PER_CLUSTER) || bytes > MAX_BYTES_PER_CLUSTER) return undefined;
  const stored: StoredRecord = { epoch, gen, signer, length, body: sharedBody(old?.body ?? null, body) };
  const counted = (entry: StoredRecord | undefined): number => (entry !== undefined && entry.body !== null && isOf(head, entry) ? 1 : 0);
  const live = head.live - counted(old) + counted(stored);
  const newest = isOf(head, stored) ? Math.max(head.gen, gen) : head.gen;
  const changedAt = stored.body === (old?.body ?? null) ? table.changedAt : now;
  return settle({ ...table, records: table.records.with(key, stored), bytes, head: { ...head, gen: newest, live }, changedAt }, now);
}

/** Whether the record is by this signer and of this epoch. */
function isOf(head: { readonly signer: string; readonly epoch: number }, record: StoredRecord): boolean {
  return record.signer === head.signer && record.epoch === head.epoch;
}

/** Where nothing but the version changed the old body is kept, and in another one the endpoints that are the same: so readers see what did not change. */
function sharedBody(old: StoredRecord['body'], body: StoredRecord['body']): StoredRecord['body'] {
  if (body?.kind !== 'eps') return old !== null && body !== null && isSameJson(old as unknown as JsonValue, body as unknown as JsonValue) ? old : body;
  if (old?.kind !== 'eps') return { ...body, endpoints: sharedEndpoints([], body.endpoints) };
  return isSameJson(old as unknown as JsonValue, body as unknown as JsonValue) ? old : { ...body, endpoints: sharedEndpoints(old.endpoints, body.endpoints) };
}

/** With the objects of before for what is as before, and one list of ports for all that have the same. */
function sharedEndpoints(old: readonly Endpoint[], endpoints: readonly Endpoint[]): Endpoint[] {
  const known = new Map(old.map((endpoint) => [endpoint.workload, endpoint]));
  let ports = old[0]?.ports;
  return endpoints.map((endpoint) => {
    const before = known.get(endpoint.workload);
    if (before !== undefined && isSameJson(before as unknown as JsonValue, endpoint as unknown as JsonValue)) return before;
    if (ports === undefined || !isSameJson(ports as unknown as JsonValue, endpoint.ports as unknown as JsonValue)) ports = endpoint.ports;
    return ports === endpoint.ports ? endpoint : { ...endpoint, ports };
  });
}

/** When the records of the newest epoch are the snapshot that `sync` names, they become all there is. */
function settle(table: ClusterTable, now: number): ClusterTable {
  const { sync, head, floor } = table;
  if (!sync?.body || sync.signer !== head.signer || sync.epoch !== head.epoch || sync.body.count !== head.live) return table;
  if (floor?.signer === head.signer && floor.epoch === head.epoch) return table;
  const records = table.records.filter((record) => isOf(head, record));
  if (snapshotSync(liveVersions(records)).digest !== sync.body.digest) return table;
  return { ...table, ...asRecords(records), overflow: 0, floor: { signer: head.signer, epoch: head.epoch }, changedAt: now };
}

function asRecords(records: ClusterTable['records']): Pick<ClusterTable, 'records' | 'bytes'> {
  let bytes = 0;
  for (const [, { length }] of records.entries()) bytes += length;
  return { records, bytes };
}

function* liveVersions(records: PersistentMap<StoredRecord>): Generator<readonly [string, Version]> {
  for (const [key, record] of records.entries()) if (record.body !== null) yield [key, record];
}

/** Whether the records are the ones that the newest `sync` names; undefined where there is none of the newest epoch. */
export function matchesSync(table: ClusterTable): boolean | undefined {
  const { sync, head, floor } = table;
  if (!sync?.body || sync.signer !== head.signer || sync.epoch !== head.epoch) return undefined;
  if (floor?.signer !== head.signer || floor.epoch !== head.epoch) return false;
  return sync.body.count === head.live && snapshotSync(liveVersions(table.records)).digest === sync.body.digest;
}

/** Whether there are records that were signed after the newest `sync`, which it can not name. */
export function isAheadOfSync({ sync, head }: ClusterTable): boolean {
  return sync?.signer === head.signer && sync.epoch === head.epoch && head.gen > sync.gen;
}
