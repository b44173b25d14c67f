import type { Member } from '../records/members.ts';

/** JWTs that replicas with other clocks made up to then do not count either. */
const MARGIN_SECONDS = 60;
/** Replicas of a member go on with the user that it had before until they have read of the next one. */
const OVERLAP_MS = 60_000;

/** NATS users that the hub must not let in, with the time up to which their JWTs do not count, in seconds since 1970: all of removed members, and those that members had before. */
export function revokedUsers(members: Iterable<Member>, nowMs: number): ReadonlyMap<string, number> {
  const users = new Map<string, number>();
  for (const { userPublicKey, formerUsers = [], revoked, removedAt = 0 } of members) {
    if (revoked) users.set(userPublicKey, seconds(removedAt));
    for (const { publicKey, until } of formerUsers) if (revoked || nowMs >= until + OVERLAP_MS) users.set(publicKey, seconds(until));
  }
  return users;
}

const seconds = (atMs: number): number => Math.ceil(atMs / 1000) + MARGIN_SECONDS;
