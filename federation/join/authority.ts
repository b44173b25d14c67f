/** The founder's side of a join: makes tokens, and admits the cluster that brings one back. */
import { randomBytes } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { parseClusterName } from '@landbridge/core/names.ts';
import type { Logger } from 'pino';
import { type Bus, busKey, MEMBERS } from '../bus/bus.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { type Member, signMember } from '../records/members.ts';
import { type Applicant, admit, isAdmitted, objection } from './admission.ts';
import type { HubAuthority, HubCredentials } from './credentials.ts';
import { parsePrivateKey } from './ed25519.ts';
import { makeFounderCredentials } from './founder-credentials.ts';
import { issueBootstrapUser, issueMemberUser, makeUserKeys, userPublicKeyOf } from './hub-users.ts';
import { clusterNameTaken, founderFailed, redeemMalformed } from './join-errors.ts';
import { encodeJoinToken } from './join-token.ts';
import { listMembers, type SignedMember } from './member-list.ts';
import { encodeRedeemAnswer, encodeRedeemRefusal, parseRedeemRequest, type RedeemAnswer, type RedeemRequest } from './redeem-messages.ts';
import { decideUse, hashCode, withRedemption, withToken } from './token-ledger.ts';
import type { Redemption, StoredToken, TokenStore } from './token-store.ts';

export const DEFAULT_TOKEN_SECONDS = 15 * 60;
export const MIN_TOKEN_SECONDS = 10;
export const MAX_TOKEN_SECONDS = 24 * 60 * 60;
export const MAX_TOKEN_USES = 100;
/** How often a save is tried again when others save too. */
const SAVE_ATTEMPTS = 10;
const SAVE_RETRY = { firstMs: 20, mostMs: 500 };
/** The joiner waits ten seconds for an answer. */
const REDEEM_TIMEOUT_MS = 8_000;

export interface JoinAuthorityOptions {
  readonly authority: HubAuthority;
  readonly store: TokenStore;
  readonly bus: Bus;
  readonly members: () => ReadonlyMap<string, Member>;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
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
  readonly #options: JoinAuthorityOptions;
  readonly #privateKey;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: JoinAuthorityOptions) {
    const key = parsePrivateKey(options.authority.authorityPrivateKeyPem);
    if (!key.ok) throw new LandbridgeError('hub-authority-invalid', `The hub's authority key can not be used: ${key.error}.`);
    this.#options = options;
    this.#privateKey = key.value;
  }

  async createToken(request: TokenRequest, signal: AbortSignal): Promise<CreatedToken> {
    const { authority, clock } = this.#options;
    const { cluster, ttlSeconds = DEFAULT_TOKEN_SECONDS, uses = 1 } = request;
    const name = parseClusterName(cluster);
    if (!name.ok) throw new LandbridgeError('cluster-name-invalid', `The ${name.error}.`);
    checkRange('lifetime in seconds', ttlSeconds, MIN_TOKEN_SECONDS, MAX_TOKEN_SECONDS);
    checkRange('number of uses', uses, 1, MAX_TOKEN_USES);
    // Said here already, so that nobody carries a token that can not succeed.
    if (this.#options.members().get(cluster)?.revoked === false) throw clusterNameTaken(cluster);

    const exp = Math.floor(clock() / 1000) + ttlSeconds;
    const code = randomBytes(32).toString('base64url');
    const user = makeUserKeys();
    const bootstrapJwt = await issueBootstrapUser(authority, cluster, user.publicKey, exp);
    const stored: StoredToken = { codeHash: hashCode(code), cluster, expiresAt: exp, uses, redemptions: [] };
    await this.#update(signal, (tokens) => {
      const added = withToken(tokens, stored, clock());
      if (!added.ok) throw added.error;
      return added.value;
    });
    const { urls, caPem, authorityPublicKey } = authority;
    return { token: encodeJoinToken({ v: 1, urls, caPem, code, cluster, bootstrapJwt, bootstrapSeed: user.seed, authorityPublicKey, exp }), expiresAt: exp * 1000 };
  }

  /** Answers in every case but an aborted signal; a refusal is an answer too. */
  redeem(request: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    // One after the other: the second of two joins must see the member that the first one wrote.
    return this.#inTurn(async () => {
      signal.throwIfAborted();
      const parsed = parseRedeemRequest(request);
      if (!parsed.ok) return encodeRedeemRefusal(redeemMalformed(parsed.error));
      const { cluster, trustDomain } = parsed.value;
      try {
        const answer = await this.#redeem(parsed.value, AbortSignal.any([signal, AbortSignal.timeout(REDEEM_TIMEOUT_MS)]));
        this.#options.log.info({ cluster, trustDomain }, 'cluster joined');
        return encodeRedeemAnswer(answer);
      } catch (thrown) {
        signal.throwIfAborted();
        const error = thrown instanceof LandbridgeError && !thrown.retryable ? thrown : founderFailed(thrown);
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
    return this.#inTurn(async () => {
      const members = await this.#listMembers(signal);
      const others = [...members.values()].map(({ member }) => member).filter((member) => member.cluster !== cluster);
      const refusal = objection(others, applicant);
      if (refusal !== undefined) throw refusal;
      return (await this.#admit(applicant, members.get(cluster), signal)).member;
    });
  }

  async #redeem(request: RedeemRequest, signal: AbortSignal): Promise<RedeemAnswer> {
    const members = await this.#listMembers(signal);
    const refusal = objection([...members.values()].map(({ member }) => member), request);
    const redemption = await this.#use(request, refusal, signal);
    const admitted = await this.#admit(request, members.get(request.cluster), signal);
    // Its own record first: an answer that is too long loses the last ones.
    const others = [...members.values()].filter(({ member }) => member.cluster !== request.cluster);
    return { userJwt: redemption.userJwt, members: [admitted, ...others].map(({ bytes }) => bytes) };
  }

  /** Marks the token used before anything is given away; a crash afterwards is mended by the joiner's next request. */
  async #use(request: RedeemRequest, refusal: LandbridgeError | undefined, signal: AbortSignal): Promise<Redemption> {
    const { authority, clock } = this.#options;
    const userJwt = await issueMemberUser(authority, request.cluster, request.userPublicKey);
    let granted: Redemption | undefined;
    await this.#update(signal, (tokens) => {
      const decision = decideUse(tokens, request, clock());
      if (decision.kind === 'refused') throw decision.error;
      // After the token's own faults, before its use: a join that can not succeed costs no use.
      if (refusal !== undefined) throw refusal;
      if (decision.kind === 'repeated') {
        granted = decision.redemption;
        return tokens;
      }
      granted = { recordPublicKey: request.recordPublicKey, userPublicKey: request.userPublicKey, userJwt, at: clock() };
      return withRedemption(tokens, decision.codeHash, granted);
    });
    return granted as unknown as Redemption;
  }

  async #admit(applicant: Applicant, present: SignedMember | undefined, signal: AbortSignal): Promise<SignedMember> {
    if (present !== undefined && isAdmitted(present.member, applicant)) return present;
    const now = this.#options.clock();
    const member = admit(applicant, present === undefined || present.member.revoked ? now : present.member.joinedAt);
    // Newer than the record that it replaces, also when the clock went back.
    const version = { epoch: Math.max(now, (present?.epoch ?? 0) + 1), gen: 0 };
    const bytes = signMember(this.#privateKey, member, version);
    await this.#options.bus.put(busKey(MEMBERS, applicant.cluster), bytes, signal);
    return { member, ...version, bytes };
  }

  #listMembers(signal: AbortSignal): Promise<ReadonlyMap<string, SignedMember>> {
    return listMembers(this.#options.bus, this.#options.authority.authorityPublicKey, signal);
  }

  /** Loads, changes and saves; when someone else saved in between, decides anew on what they saved. */
  async #update(signal: AbortSignal, change: (tokens: readonly StoredToken[]) => readonly StoredToken[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const state = await this.#options.store.load(signal);
      const tokens = change(state.tokens);
      if (tokens === state.tokens) return;
      try {
        return await this.#options.store.save({ version: state.version, tokens }, signal);
      } catch (thrown) {
        if (!(thrown instanceof LandbridgeError && thrown.code === 'conflict') || attempt === SAVE_ATTEMPTS) throw thrown;
        await waitFor(retryDelay(attempt, SAVE_RETRY), signal);
        signal.throwIfAborted();
      }
    }
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(task);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

function checkRange(what: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new LandbridgeError('token-request-invalid', `The token's ${what} must be a whole number from ${min} to ${max}.`);
}
