/** The member records as the founder writes them: one after the other, each above the one before. */
import type { KeyObject } from 'node:crypto';
import { compareVersions } from '@landbridge/wire/record.ts';
import { type Bus, busKey, MEMBERS } from '../bus/bus.ts';
import { type Member, signMember, type VerifiedMember } from '../records/members.ts';
import type { RemovedMembers } from '../removal/removed-members.ts';
import { founderStays, keyNotCurrent, memberRevoked, memberUnknown } from './join-errors.ts';
import { listMembers, type SignedMember } from './member-list.ts';

/** NATS users that a member had before; the hub does not let the older ones in any more. */
const MAX_FORMER_USERS = 8;

export type RemovalReason = 'revoked' | 'left';

export interface MemberRecordsOptions {
  /** The cluster of the authority itself. */
  readonly founder: string;
  readonly privateKey: KeyObject;
  readonly authorityPublicKey: string;
  readonly bus: Bus;
  /** As the bus told of them, removed ones among them. */
  readonly members: () => ReadonlyMap<string, VerifiedMember>;
  readonly removed: Pick<RemovedMembers, 'load' | 'remember'>;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

export interface NextKeys {
  readonly userPublicKey: string;
  readonly recordPublicKey: string;
}

export class MemberRecords {
  readonly #options: MemberRecordsOptions;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: MemberRecordsOptions) {
    this.#options = options;
  }

  known(cluster: string): Member | undefined {
    return this.#options.members().get(cluster)?.member;
  }

  /** The second of two must see what the first one wrote. */
  inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(task);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** A bus that lost the records of removed members, or shows older ones, changes nothing. */
  async list(signal: AbortSignal): Promise<ReadonlyMap<string, SignedMember>> {
    const { bus, authorityPublicKey, removed } = this.#options;
    const members = new Map(await listMembers(bus, authorityPublicKey, signal));
    for (const [cluster, kept] of await removed.load()) {
      const present = members.get(cluster);
      if (present === undefined || compareVersions(present, kept) < 0) members.set(cluster, kept);
    }
    return members;
  }

  async write(member: Member, present: VerifiedMember | undefined, signal: AbortSignal): Promise<SignedMember> {
    const signed = this.#sign(member, present);
    await this.#options.bus.put(busKey(MEMBERS, member.cluster), signed.bytes, signal);
    return signed;
  }

  /**
   * Signs that a member is none any more, and keeps that before anybody is told. Needs no hub. Says the same again of one that was removed already.
   * @throws LandbridgeError `member-unknown`, `founder-stays`
   */
  async remove(cluster: string, reason: RemovalReason): Promise<SignedMember> {
    const { founder, members, removed } = this.#options;
    if (cluster === founder) throw founderStays(cluster);
    const [present, kept] = [members().get(cluster), (await removed.load()).get(cluster)];
    if (kept !== undefined && (present === undefined || compareVersions(present, kept) <= 0) && (reason === 'left' || kept.member.left !== true)) return kept;
    if (present === undefined) throw memberUnknown(cluster);
    return await this.removeAgain(present, reason);
  }

  /** Above this record, whatever it says. */
  async removeAgain(present: VerifiedMember, reason: RemovalReason): Promise<SignedMember> {
    // Roots vouch for nobody any more, and the list of removed members stays small without them.
    const { left: _left, ...former } = present.member;
    const removed = this.#sign({ ...former, roots: [], revoked: true, removedAt: this.#options.clock(), ...(reason === 'left' ? { left: true } : {}) }, present);
    await this.#options.removed.remember([removed]);
    return removed;
  }

  /**
   * Binds other keys to a cluster. Says the same again where it has them already.
   * @throws LandbridgeError `member-unknown`, `member-revoked`, `key-not-current`
   */
  rotate(cluster: string, recordPublicKey: string, next: NextKeys, signal: AbortSignal): Promise<Member> {
    return this.inTurn(async () => {
      const members = await this.list(signal);
      const present = members.get(cluster);
      if (present === undefined) throw memberUnknown(cluster);
      const { member } = present;
      if (member.revoked) throw memberRevoked(cluster);
      if (member.recordPublicKey === next.recordPublicKey && member.userPublicKey === next.userPublicKey) return member;
      const isAnothers = [...members.values()].some((other) => other.member.recordPublicKey === next.recordPublicKey || other.member.userPublicKey === next.userPublicKey);
      if (member.recordPublicKey !== recordPublicKey || isAnothers) throw keyNotCurrent(cluster);
      const formerUsers = [...(member.formerUsers ?? []), { publicKey: member.userPublicKey, until: this.#options.clock() }].slice(-MAX_FORMER_USERS);
      return (await this.write({ ...member, recordPublicKey: next.recordPublicKey, userPublicKey: next.userPublicKey, formerUsers }, present, signal)).member;
    });
  }

  /** Newer than the record that it replaces, also when the clock went back. */
  #sign(member: Member, present: VerifiedMember | undefined): SignedMember {
    const version = { epoch: Math.max(this.#options.clock(), (present?.epoch ?? 0) + 1), gen: 0 };
    return { member, ...version, bytes: signMember(this.#options.privateKey, member, version) };
  }
}
