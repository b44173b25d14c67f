/** The founder's answers to what its members ask: to leave, for another JWT, for other keys. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Logger } from 'pino';
import type { HubAuthority } from './credentials.ts';
import { issueLeafUser, issueMemberUser, issueRenewalUser, memberRequestSubject, USER_LIFE_SECONDS } from './hub-users.ts';
import { founderFailed, keyNotCurrent, memberRevoked, memberUnknown, redeemMalformed } from './join-errors.ts';
import type { SignedMember } from './member-list.ts';
import { encodeMemberAnswer, type MemberRequest, parseMemberRequest, type UserJwts } from './member-messages.ts';
import type { MemberRecords } from './member-records.ts';
import { encodeRedeemRefusal } from './redeem-messages.ts';
import type { Answer } from './request-service.ts';

export interface MemberServiceOptions {
  readonly authority: HubAuthority;
  readonly records: Pick<MemberRecords, 'list' | 'remove' | 'rotate'>;
  /** Tells all others, and the hub, after the member has its answer. */
  readonly onLeft: (removed: SignedMember) => void;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Of the JWTs that are issued. */
  readonly lifeSeconds?: number;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** A member waits ten seconds for an answer. */
const TIMEOUT_MS = 8_000;

export function memberService(options: MemberServiceOptions): Answer {
  const { log } = options;
  return async ({ bytes, subject }, signal) => {
    const parsed = parseMemberRequest(bytes);
    // The hub lets each member speak under its own name only.
    if (!parsed.ok || subject !== memberRequestSubject(parsed.value.cluster)) return encodeRedeemRefusal(redeemMalformed(parsed.ok ? 'it came under another name' : parsed.error));
    const { op, cluster } = parsed.value;
    try {
      const user = await answerTo(options, parsed.value, AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
      log.info({ op, cluster }, 'request of a member done');
      return encodeMemberAnswer(user);
    } catch (thrown) {
      signal.throwIfAborted();
      const error = thrown instanceof LandbridgeError && !thrown.retryable ? thrown : founderFailed(thrown);
      log.warn({ op, cluster, code: error.code, err: thrown }, 'request of a member refused');
      return encodeRedeemRefusal(error);
    }
  };
}

async function answerTo(options: MemberServiceOptions, request: MemberRequest, signal: AbortSignal): Promise<UserJwts | undefined> {
  const { records, onLeft } = options;
  const { op, cluster, recordPublicKey, next } = request;
  if (op === 'rotate') {
    if (next === undefined) throw redeemMalformed('it names no keys');
    return await jwtsOf(options, cluster, (await records.rotate(cluster, recordPublicKey, next, signal)).userPublicKey);
  }
  const present = (await records.list(signal)).get(cluster);
  if (present === undefined) throw memberUnknown(cluster);
  if (present.member.recordPublicKey !== recordPublicKey) throw keyNotCurrent(cluster);
  if (op === 'renew') {
    if (present.member.revoked) throw memberRevoked(cluster);
    return await jwtsOf(options, cluster, present.member.userPublicKey);
  }
  op satisfies 'leave';
  onLeft(present.member.revoked ? present : await records.remove(cluster, 'left'));
  return undefined;
}

async function jwtsOf({ authority, clock, lifeSeconds = USER_LIFE_SECONDS }: MemberServiceOptions, cluster: string, userPublicKey: string): Promise<UserJwts> {
  const expiresAt = Math.floor(clock() / 1000) + lifeSeconds;
  const [userJwt, renewalJwt, leafJwt] = await Promise.all([issueMemberUser(authority, cluster, userPublicKey, expiresAt), issueRenewalUser(authority, cluster, userPublicKey), issueLeafUser(authority, cluster, userPublicKey, expiresAt)]);
  return { userJwt, renewalJwt, leafJwt };
}
