/** All that the bus has said, believed or not: a pure reducer over its events. Deletions and lost buckets change nothing here. */
import { parseClusterName } from '@landbridge/core/names.ts';
import { compareVersions, decodeEnvelope, encodeEnvelope, type Envelope, type Version } from '@landbridge/wire/record.ts';
import { type BusEvent, MEMBERS, splitBusKey } from '../bus/bus.ts';
import { type ClusterTable, emptyTable, isKnown, isStale, readThrough, withRecord, withSigner } from './cluster-table.ts';
import { type Member, openMember } from './members.ts';
import { noPending, type PendingRecords, takePending, withPending } from './pending-records.ts';
import { type Distrust, trustEnvelope } from './record-signature.ts';

/** `key`: not a key of this bus; `full`: a limit was reached; `member`: not a record of the authority; the others as in {@link Distrust}. */
export type RejectReason = Distrust | 'key' | 'full' | 'member';

interface KnownMember extends Version {
  readonly member: Member;
}

export interface PeerState {
  readonly authorityPublicKey: string;
  readonly members: ReadonlyMap<string, KnownMember>;
  /** One for each member, also a revoked one. */
  readonly tables: ReadonlyMap<string, ClusterTable>;
  readonly pending: PendingRecords;
  /** How often an entry was not believed, by reason. */
  readonly rejected: Readonly<Partial<Record<RejectReason, number>>>;
}

export function emptyPeers(authorityPublicKey: string): PeerState {
  return { authorityPublicKey, members: new Map(), tables: new Map(), pending: noPending, rejected: {} };
}

export function reducePeers(state: PeerState, event: BusEvent, nowMs: number): PeerState {
  // A lost bucket freezes what is known: its owners write it anew, and until then it is the best there is.
  if (event.kind === 'restart') return state;
  if (event.kind === 'current') return allRead(state, nowMs);
  const key = splitBusKey(event.key);
  if (key === undefined) return reject(state, 'key');
  if (key.cluster === MEMBERS) return takeMember(state, key.recordKey, event.value, nowMs);
  if (!parseClusterName(key.cluster).ok) return reject(state, 'key');
  const envelope = decodeEnvelope(event.value);
  if (!envelope.ok) return reject(state, 'envelope');
  return takeRecord(state, key.cluster, key.recordKey, { envelope: envelope.value, bytes: event.value, length: event.value.length }, nowMs);
}

function allRead(state: PeerState, nowMs: number): PeerState {
  const read = [...state.tables].map(([cluster, table]) => [cluster, readThrough(table, nowMs)] as const);
  return read.every(([cluster, table]) => state.tables.get(cluster) === table) ? state : { ...state, tables: new Map(read) };
}

function takeMember(state: PeerState, cluster: string, bytes: Uint8Array, nowMs: number): PeerState {
  const opened = openMember(bytes, state.authorityPublicKey);
  if (!opened.ok || opened.value.member.cluster !== cluster) return reject(state, 'member');
  const known = state.members.get(cluster);
  if (known !== undefined && compareVersions(opened.value, known) <= 0) return state;
  const { member } = opened.value;
  const table = withSigner(state.tables.get(cluster) ?? emptyTable(member.recordPublicKey, nowMs), member.recordPublicKey, nowMs);
  const { rest, taken } = takePending(state.pending, cluster);
  let next: PeerState = {
    ...state,
    members: new Map(state.members).set(cluster, opened.value),
    tables: new Map(state.tables).set(cluster, { ...table, changedAt: nowMs }),
    pending: rest,
  };
  for (const [key, { envelope, bytes: length }] of taken) next = takeRecord(next, cluster, key, { envelope, bytes: undefined, length }, nowMs);
  return next;
}

interface Came {
  readonly envelope: Envelope;
  /** Not kept of those that had to wait. */
  readonly bytes: Uint8Array | undefined;
  readonly length: number;
}

function takeRecord(state: PeerState, cluster: string, key: string, { envelope, bytes, length }: Came, nowMs: number): PeerState {
  const known = state.members.get(cluster);
  const table = state.tables.get(cluster);
  if (known === undefined || table === undefined) return defer(state, cluster, key, envelope, length);
  // After a reconnect most entries are known already, and a version is compared faster than a signature is checked.
  if (isKnown(table, key, envelope)) return state;
  const record = trustEnvelope(envelope, { cluster, key, publicKey: known.member.recordPublicKey, bytes });
  if (!record.ok) {
    const next = reject(state, record.error.reason);
    // The cluster may have a new key, of which the member record is still under way.
    return record.error.reason === 'signature' ? defer(next, cluster, key, envelope, length) : next;
  }
  // An older version is looked at only now: under a new key of the cluster it may be the newest.
  if (isStale(table, key, record.value)) return state;
  const changed = withRecord(table, record.value, length, nowMs, key === 'sync' ? (bytes ?? encodeEnvelope(envelope)) : undefined);
  if (changed === undefined) return { ...reject(state, 'full'), tables: new Map(state.tables).set(cluster, { ...table, overflow: table.overflow + 1 }) };
  return { ...state, tables: new Map(state.tables).set(cluster, changed) };
}

function defer(state: PeerState, cluster: string, key: string, envelope: Envelope, length: number): PeerState {
  const pending = withPending(state.pending, cluster, key, envelope, length);
  return pending === undefined ? reject(state, 'full') : { ...state, pending };
}

function reject(state: PeerState, reason: RejectReason): PeerState {
  return { ...state, rejected: { ...state.rejected, [reason]: (state.rejected[reason] ?? 0) + 1 } };
}

export { type ClusterView, views } from './cluster-view.ts';
