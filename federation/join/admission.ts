/** Whether a cluster may become a member beside those that there are. Pure. */
import type { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Member } from '../records/members.ts';
import { NAME_HELD_MS } from '../removal/removed-list.ts';
import { clusterNameHeld, clusterNameTaken, keyTaken, memberRevoked, rootTaken, trustDomainTaken } from './join-errors.ts';

export interface Applicant {
  readonly cluster: string;
  readonly recordPublicKey: string;
  readonly userPublicKey: string;
  readonly trustDomain: string;
  readonly roots: readonly string[];
  readonly network: string;
}

/** Until when nobody may join under the name of a member that was revoked, in milliseconds since 1970; undefined where the name is free. One that left frees its name. */
export function heldUntil(member: Member | undefined, nowMs: number): number | undefined {
  if (member === undefined || !member.revoked || member.left === true || member.removedAt === undefined) return undefined;
  const until = member.removedAt + NAME_HELD_MS;
  return nowMs < until ? until : undefined;
}

/** Why not, or undefined. */
export function objection(members: Iterable<Member>, applicant: Applicant, nowMs: number): LandbridgeError | undefined {
  const all = [...members];
  const held = heldUntil(all.find(({ cluster }) => cluster === applicant.cluster), nowMs);
  if (held !== undefined) return clusterNameHeld(applicant.cluster, held);
  if (all.some((member) => member.revoked && member.recordPublicKey === applicant.recordPublicKey)) return memberRevoked(applicant.cluster);
  const live = all.filter((member) => !member.revoked);
  const namesake = live.find((member) => member.cluster === applicant.cluster);
  if (namesake !== undefined && namesake.recordPublicKey !== applicant.recordPublicKey) return clusterNameTaken(applicant.cluster);
  // A key that speaks for two names could say of one what counts for the other.
  if (live.some((member) => member.cluster !== applicant.cluster && (member.recordPublicKey === applicant.recordPublicKey || member.userPublicKey === applicant.userPublicKey))) return keyTaken();
  const others = live.filter((member) => member.cluster !== applicant.cluster);
  const neighbour = others.find((member) => member.trustDomain === applicant.trustDomain);
  if (neighbour !== undefined) return trustDomainTaken(applicant.trustDomain, neighbour.cluster);
  // A root that vouches for two domains would let each cluster be anyone in the other.
  const sharer = others.find((member) => member.roots.some((root) => applicant.roots.includes(root)));
  return sharer === undefined ? undefined : rootTaken(sharer.cluster);
}

export function admit(applicant: Applicant, joinedAt: number): Member {
  const { cluster, recordPublicKey, userPublicKey, trustDomain, roots, network } = applicant;
  return { cluster, recordPublicKey, userPublicKey, trustDomain, roots: [...roots], network, joinedAt, revoked: false };
}

/** Whether the record already says of the applicant what an admission would say. */
export function isAdmitted(member: Member | undefined, applicant: Applicant): boolean {
  return (
    member !== undefined &&
    !member.revoked &&
    member.recordPublicKey === applicant.recordPublicKey &&
    member.userPublicKey === applicant.userPublicKey &&
    member.trustDomain === applicant.trustDomain &&
    member.network === applicant.network &&
    member.roots.length === applicant.roots.length &&
    member.roots.every((root, index) => root === applicant.roots[index])
  );
}
