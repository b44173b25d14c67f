/** The founder's side of a join: makes tokens, and admits the cluster that brings one back. */
import { randomBytes } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { decode } from '@nats-io/jwt';
import type { Logger } from 'pino';
import type { Bus } from '../bus/bus.ts';
import type { Member, VerifiedMember } from '../records/members.ts';
import type { ClusterView } from '../records/cluster-view.ts';
import type { RemovedMembers } from '../removal/removed-members.ts';
import { type Applicant, admit, heldUntil, isAdmitted, objection } from './admission.ts';
import type { HubAuthority, HubCredentials } from './credentials.ts';
import { parsePrivateKey } from './ed25519.ts';
import { makeFounderCredentials } from './founder-credentials.ts';
import { issueBootstrapUser, issueLeafUser, issueMemberUser, issueRenewalUser, makeUserKeys, USER_LIFE_SECONDS, userPublicKeyOf } from './hub-users.ts';
import { clusterNameHeld, clusterNameTaken, founderFailed, redeemMalformed, tooManyAttempts } from './join-errors.ts';
import { FailedAttempts } from './failed-attempts.ts';
import { encodeJoinPreview } from './join-preview.ts';
import { encodeJoinToken } from './join-token.ts';
import type { SignedMember } from './member-list.ts';
import { MemberRecords } from './member-records.ts';
import { parseNamePattern } from './name-pattern.ts';
import { encodeRedeemAnswer, encodeRedeemRefusal, parseRedeemRequest, type RedeemAnswer, type RedeemRequest } from './redeem-messages.ts';
import { decideUse, hashCode, withRedemption, withToken } from './token-ledger.ts';
import type { Redemption, StoredToken, TokenStore } from './token-store.ts';
import { updateTokens } from './token-update.ts';

export const DEFAULT_TOKEN_SECONDS = 15 * 60;
export const MIN_TOKEN_SECONDS = 10;
export const MAX_TOKEN_SECONDS = 24 * 60 * 60;
export const MAX_TOKEN_USES = 100;
/** The joiner waits ten seconds for an answer. */
const REDEEM_TIMEOUT_MS = 8_000;

export interface JoinAuthorityOptions {
  /** The cluster of the authority itself. */
  readonly founder: string;
  readonly authority: HubAuthority;
  readonly store: TokenStore;
  readonly bus: Bus;
  /** As the bus told of them, removed ones among them. */
  readonly members: () => ReadonlyMap<string, VerifiedMember>;
  /** What is told before a join; nothing where left out. */
  readonly views?: () => Iterable<ClusterView>;
  readonly removed: Pick<RemovedMembers, 'load' | 'remember'>;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Of the JWTs that are issued. */
  readonly lifeSeconds?: number;
  readonly log: Logger;
}

export interface TokenRequest {
  readonly cluster: string;
  readonly ttlSeconds?: number;
  readonly uses?: number;
}

export interface Founder {
  readonly credentials: HubCredentials;
  readonly trustDomain: string;
  /** DER, base64. */
  readonly roots: readonly string[];
  readonly network: string;
}

export interface CreatedToken {
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

export class JoinAuthority {
  readonly records: MemberRecords;
  readonly #options: JoinAuthorityOptions;
  readonly #attempts = new FailedAttempts();

  constructor(options: JoinAuthorityOptions) {
    const key = parsePrivateKey(options.authority.authorityPrivateKeyPem);
    if (!key.ok) throw new LandbridgeError('hub-authority-invalid', `The hub's authority key can not be used: ${key.error}.`);
    this.#options = options;
    this.records = new MemberRecords({ ...options, privateKey: key.value, authorityPublicKey: options.authority.authorityPublicKey });
  }

  async createToken(request: TokenRequest, signal: AbortSignal): Promise<CreatedToken> {
    const { authority, clock } = this.#options;
    const { cluster, ttlSeconds = DEFAULT_TOKEN_SECONDS, uses = 1 } = request;
    const name = parseNamePattern(cluster);
    if (!name.ok) throw new LandbridgeError('cluster-name-invalid', `The ${name.error}.`);
    checkRange('lifetime in seconds', ttlSeconds, MIN_TOKEN_SECONDS, MAX_TOKEN_SECONDS);
    checkRange('number of uses', uses, 1, MAX_TOKEN_USES);
    // Said here already, so that nobody carries a token that can not succeed.
    const namesake = this.records.known(cluster);
    if (namesake?.revoked === false) throw clusterNameTaken(cluster);
    const held = heldUntil(namesake, clock());
    if (held !== undefined) throw clusterNameHeld(cluster, held);

    const exp = Math.floor(clock() / 1000) + ttlSeconds;
    const code = randomBytes(32).toString('base64url');
    const user = makeUserKeys();
    const bootstrapJwt = await issueBootstrapUser(authority, cluster.replace('*', ''), user.publicKey, exp);
    const stored: StoredToken = { codeHash: hashCode(code), cluster, expiresAt: exp, uses, redemptions: [] };
    await updateTokens(this.#options.store, signal, (tokens) => {
      const added = withToken(tokens, stored, clock());
      if (!added.ok) throw added.error;
      return added.value;
    });
    const { urls, caPem, authorityPublicKey } = authority;
    return { token: encodeJoinToken({ v: 1, urls, caPem, code, cluster, bootstrapJwt, bootstrapSeed: user.seed, authorityPublicKey, exp }), expiresAt: exp * 1000 };
  }

  /**
   * Answers in every case but an aborted signal; a refusal is an answer too.
   * @param sender who asks, as far as the hub tells it: what counts attempts that fail
   */
  redeem(request: Uint8Array, sender: string, signal: AbortSignal): Promise<Uint8Array> {
    // One after the other: the second of two joins must see the member that the first one wrote.
    return this.records.inTurn(async () => {
      signal.throwIfAborted();
      const nowMs = this.#options.clock();
      if (!this.#attempts.mayTry(sender, nowMs)) return encodeRedeemRefusal(tooManyAttempts());
      const parsed = parseRedeemRequest(request);
      if (!parsed.ok) {
        this.#attempts.failed(sender, nowMs);
        return encodeRedeemRefusal(redeemMalformed(parsed.error));
      }
      const { cluster, trustDomain } = parsed.value;
      try {
        const limited = AbortSignal.any([signal, AbortSignal.timeout(REDEEM_TIMEOUT_MS)]);
        if (parsed.value.preview === true) return await this.#preview(parsed.value, limited);
        const answer = await this.#redeem(parsed.value, limited);
        this.#options.log.info({ cluster, trustDomain }, 'cluster joined');
        return encodeRedeemAnswer(answer);
      } catch (thrown) {
        signal.throwIfAborted();
        const error = thrown instanceof LandbridgeError && !thrown.retryable ? thrown : founderFailed(thrown);
        if (!error.retryable) this.#attempts.failed(sender, nowMs);
        this.#options.log.warn({ cluster, trustDomain, code: error.code, err: thrown }, 'join refused');
        return encodeRedeemRefusal(error);
      }
    });
  }

  makeFounderCredentials(cluster: string): Promise<HubCredentials> {
    return makeFounderCredentials(this.#options.authority, cluster);
  }

  /**
   * Writes the founder's own member record where it is missing or says something else. A founder that lost its keys gets its name back:
   * it holds the authority. The rest is refused as for a join.
   */
  admitFounder(founder: Founder, signal: AbortSignal): Promise<Member> {
    const { credentials, trustDomain, roots, network } = founder;
    const { cluster, recordPublicKey, userSeed } = credentials;
    const applicant: Applicant = { cluster, recordPublicKey, userPublicKey: userPublicKeyOf(userSeed), trustDomain, roots, network };
    return this.records.inTurn(async () => {
      const members = await this.records.list(signal);
      const others = [...members.values()].map(({ member }) => member).filter((member) => member.cluster !== cluster);
      const refusal = objection(others, applicant, this.#options.clock());
      if (refusal !== undefined) throw refusal;
      return (await this.#admit(applicant, members.get(cluster), signal)).member;
    });
  }

  /** Only for who could join now. */
  async #preview(request: RedeemRequest, signal: AbortSignal): Promise<Uint8Array> {
    const { store, clock, views, log } = this.#options;
    const decision = decideUse((await store.load(signal)).tokens, request, clock());
    if (decision.kind === 'refused') throw decision.error;
    const refusal = objection([...(await this.records.list(signal)).values()].map(({ member }) => member), request, clock());
    if (refusal !== undefined) throw refusal;
    log.info({ cluster: request.cluster }, 'told what there is for a token that was not spent');
    return encodeJoinPreview(views?.() ?? []);
  }

  async #redeem(request: RedeemRequest, signal: AbortSignal): Promise<RedeemAnswer> {
    const members = await this.records.list(signal);
    const refusal = objection([...members.values()].map(({ member }) => member), request, this.#options.clock());
    const redemption = await this.#use(request, refusal, signal);
    const admitted = await this.#admit(request, members.get(request.cluster), signal);
    // Its own record first: an answer that is too long loses the last ones.
    const others = [...members.values()].filter(({ member }) => member.cluster !== request.cluster);
    const renewalJwt = request.renews === true ? await issueRenewalUser(this.#options.authority, request.cluster, request.userPublicKey) : undefined;
    // It ends with the other one, which a repeated request is given again.
    const { exp } = decode(redemption.userJwt);
    const leafJwt = request.renews === true ? await issueLeafUser(this.#options.authority, request.cluster, request.userPublicKey, exp) : undefined;
    return { userJwt: redemption.userJwt, renewalJwt, leafJwt, members: [admitted, ...others].map(({ bytes }) => bytes) };
  }

  /** Marks the token used before anything is given away; a crash afterwards is mended by the joiner's next request. */
  async #use(request: RedeemRequest, refusal: LandbridgeError | undefined, signal: AbortSignal): Promise<Redemption> {
    const { authority, clock, lifeSeconds = USER_LIFE_SECONDS } = this.#options;
    const userJwt = await issueMemberUser(authority, request.cluster, request.userPublicKey, request.renews === true ? Math.floor(clock() / 1000) + lifeSeconds : undefined);
    let granted: Redemption | undefined;
    await updateTokens(this.#options.store, signal, (tokens) => {
      const decision = decideUse(tokens, request, clock());
      if (decision.kind === 'refused') throw decision.error;
      // After the token's own faults, before its use: a join that can not succeed costs no use.
      if (refusal !== undefined) throw refusal;
      if (decision.kind === 'repeated') {
        granted = decision.redemption;
        return tokens;
      }
      granted = { cluster: request.cluster, recordPublicKey: request.recordPublicKey, userPublicKey: request.userPublicKey, userJwt, at: clock() };
      return withRedemption(tokens, decision.codeHash, granted);
    });
    return granted as unknown as Redemption;
  }

  async #admit(applicant: Applicant, present: SignedMember | undefined, signal: AbortSignal): Promise<SignedMember> {
    if (present !== undefined && isAdmitted(present.member, applicant)) return present;
    const now = this.#options.clock();
    return await this.records.write(admit(applicant, present === undefined || present.member.revoked ? now : present.member.joinedAt), present, signal);
  }
}

function checkRange(what: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new LandbridgeError('token-request-invalid', `The token's ${what} must be a whole number from ${min} to ${max}.`);
}
