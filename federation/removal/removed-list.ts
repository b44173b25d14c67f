/** Members that were removed, as the authority signed it: kept where neither the hub nor a restart of this service loses it. Pure. */
import { ok, type Result } from '@landbridge/core/result.ts';
import { compareVersions } from '@landbridge/wire/record.ts';
import Type from 'typebox';
import { parseText } from '../join/checked-json.ts';
import type { SignedMember } from '../join/member-list.ts';
import { openMember } from '../records/members.ts';

/** A Secret holds 1 MiB, such a record about 1 KiB. */
export const MAX_REMOVED = 500;
const MAX_ENVELOPE_LENGTH = 4 * 1024;
const MAX_BYTES = 1000 * 1024;
/** So long nobody may join under the name of a member that was revoked. */
export const NAME_HELD_MS = 30 * 24 * 3600 * 1000;

const FileSchema = Type.Object({ v: Type.Literal(1), members: Type.Array(Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$', maxLength: MAX_ENVELOPE_LENGTH }), { maxItems: MAX_REMOVED }) });

/** By cluster. */
export type RemovedList = ReadonlyMap<string, SignedMember>;

export function encodeRemoved(list: RemovedList): string {
  return JSON.stringify({ v: 1, members: [...list.values()].map(({ bytes }) => Buffer.from(bytes).toString('base64')) });
}

/** Those that this authority signed; records of a clusterset of before are left out. */
export function parseRemoved(text: string, authorityPublicKey: string): Result<RemovedList> {
  const file = parseText(FileSchema, text, MAX_BYTES);
  if (!file.ok) return file;
  const list = new Map<string, SignedMember>();
  for (const envelope of file.value.members) {
    const bytes = Buffer.from(envelope, 'base64');
    const opened = openMember(bytes, authorityPublicKey);
    if (opened.ok && opened.value.member.revoked) list.set(opened.value.member.cluster, { ...opened.value, bytes });
  }
  return ok(list);
}

/** The list after this record of the authority's was seen: the same object where it changes nothing. A member that came back by a new key is forgotten. */
export function withSeen(list: RemovedList, seen: SignedMember): RemovedList {
  const { cluster, revoked } = seen.member;
  const known = list.get(cluster);
  if (known !== undefined && compareVersions(seen, known) <= 0) return list;
  const next = new Map(list);
  next.delete(cluster);
  if (!revoked) return known === undefined || isUndone(known, seen) ? list : next;
  next.set(cluster, seen);
  // The longest removed make room: those before are the nearest to what nobody can use any more.
  for (const oldest of [...next.keys()].slice(0, Math.max(0, next.size - MAX_REMOVED))) next.delete(oldest);
  return next;
}

/** Whether the record would bring a removed member back by the very key that was removed: nobody means that. */
export function isUndone(removed: SignedMember, seen: SignedMember): boolean {
  return !seen.member.revoked && seen.member.recordPublicKey === removed.member.recordPublicKey && compareVersions(seen, removed) > 0;
}
