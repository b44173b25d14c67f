/** Envelopes that can not be judged yet, since the member record with their owner's key has not arrived. */
import { compareVersions, type Envelope } from '@landbridge/wire/record.ts';
import { PersistentMap } from './persistent-map.ts';

interface Waiting {
  readonly envelope: Envelope;
  readonly bytes: number;
}

export interface PendingRecords {
  readonly clusters: ReadonlyMap<string, PersistentMap<Waiting>>;
  readonly bytes: number;
}

export const MAX_PENDING_BYTES = 64 * 1024 * 1024;
/** What an envelope costs besides its own bytes. */
const OVERHEAD_BYTES = 512;

export const noPending: PendingRecords = { clusters: new Map(), bytes: 0 };

/** Keeps the newest envelope of each key. Undefined when there is no room. */
export function withPending(pending: PendingRecords, cluster: string, key: string, envelope: Envelope, length: number): PendingRecords | undefined {
  const waiting = pending.clusters.get(cluster) ?? PersistentMap.empty<Waiting>();
  const old = waiting.get(key);
  if (old !== undefined && compareVersions(envelope, old.envelope) <= 0) return pending;
  const bytes = pending.bytes - (old?.bytes ?? 0) + length + OVERHEAD_BYTES;
  if (bytes > MAX_PENDING_BYTES) return undefined;
  return { clusters: new Map(pending.clusters).set(cluster, waiting.with(key, { envelope, bytes: length + OVERHEAD_BYTES })), bytes };
}

export function takePending(pending: PendingRecords, cluster: string): { readonly rest: PendingRecords; readonly taken: readonly (readonly [key: string, Waiting])[] } {
  const waiting = pending.clusters.get(cluster);
  if (waiting === undefined) return { rest: pending, taken: [] };
  const taken = [...waiting.entries()];
  const clusters = new Map(pending.clusters);
  clusters.delete(cluster);
  return { rest: { clusters, bytes: taken.reduce((sum, [, { bytes }]) => sum - bytes, pending.bytes) }, taken };
}
