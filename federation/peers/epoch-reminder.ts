/**
 * What a cluster forgot, its readers know. One that begins anew with a clock behind that of its last start, as out of a backup,
 * signs in an epoch that they refuse, and where the bus lost its records nothing tells it so. Readers then send it the newest
 * `sync` record that they have of it, on their own subject for heartbeats: its own signature is the proof, whoever sends it.
 */
import type { Version } from '@landbridge/wire/record.ts';
import type { ClusterTable } from '../records/cluster-table.ts';
import { openRecord, type RecordPublicKey } from '../records/record-signature.ts';

/** A `sync` record has some 350. */
export const MAX_REMINDER_BYTES = 1024;
/** From one of a reader about a cluster to its next one, each time twice as long: whoever has just begun may not hear the first. */
const FIRST_REMIND_MS = 1000;
const MOST_REMIND_MS = 10_000;
/** A record is a JSON object; a beat begins with its version. */
const BRACE = 0x7b;

export function isReminder(bytes: Uint8Array): boolean {
  return bytes[0] === BRACE;
}

/** The version of a record that this cluster signed itself; undefined for everything else. */
export function openReminder(bytes: Uint8Array, cluster: string, publicKey: RecordPublicKey): Version | undefined {
  if (bytes.length > MAX_REMINDER_BYTES) return undefined;
  const record = openRecord(bytes, { cluster, key: 'sync', publicKey });
  return record.ok ? record.value : undefined;
}

/** What one reader sends, and when. */
export class EpochReminders {
  readonly #sent = new Map<string, { readonly epoch: number; readonly nextMs: number; readonly waitMs: number }>();

  /** For a cluster whose beat, by its own signature, was of this epoch. `nowMs` by a clock that does not go back. */
  reminderFor(cluster: string, epoch: number, table: ClusterTable | undefined, nowMs: number): Uint8Array | undefined {
    const sync = table?.sync;
    if (table === undefined || sync?.bytes === undefined || sync.signer !== table.head.signer || sync.epoch <= epoch || sync.bytes.length > MAX_REMINDER_BYTES) return undefined;
    const before = this.#sent.get(cluster);
    if (before !== undefined && nowMs < before.nextMs) return undefined;
    // Of another epoch: it has begun anew once more.
    const waitMs = before?.epoch === sync.epoch ? Math.min(MOST_REMIND_MS, 2 * before.waitMs) : FIRST_REMIND_MS;
    this.#sent.set(cluster, { epoch: sync.epoch, nextMs: nowMs + waitMs, waitMs });
    return sync.bytes;
  }
}
