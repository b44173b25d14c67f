import { createHash } from 'node:crypto';
import type { SyncRecord } from '@landbridge/core/records.ts';
import type { Version } from '@landbridge/wire/record.ts';

/** The `sync` record that closes a snapshot of these live records. */
export function snapshotSync(live: Iterable<readonly [key: string, version: Version]>): SyncRecord {
  const lines = Array.from(live, ([key, { epoch, gen }]) => `${key} ${epoch} ${gen}\n`).sort();
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line);
  return { kind: 'sync', count: lines.length, digest: hash.digest('hex') };
}
