/** The joining cluster's side: swaps a token for credentials. Private keys are made here and never leave. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { decode } from '@nats-io/jwt';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { type Member, openMember } from '../records/members.ts';
import type { HubCredentials } from './credentials.ts';
import { bootstrapInboxPrefix, REDEEM_SUBJECT, userPublicKeyOf } from './hub-users.ts';
import { answerMalformed, tokenExpired, tokenForAnotherCluster, tokenRefusedByHub } from './join-errors.ts';
import { type JoinPreview, parseJoinPreview } from './join-preview.ts';
import { type JoinKeys, makeJoinKeys } from './join-keys.ts';
import { type JoinToken, parseJoinToken } from './join-token.ts';
import { isNameFor } from './name-pattern.ts';
import { type Asking, askOnce } from './one-request.ts';
import { encodeRedeemRequest, parseRedeemAnswer, type RedeemAnswer } from './redeem-messages.ts';

export interface JoinRequest {
  readonly token: string;
  readonly cluster: string;
  readonly trustDomain: string;
  /** DER, base64. */
  readonly roots: readonly string[];
  readonly network: string;
  readonly signal: AbortSignal;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** A caller that keeps them can ask again with the same token after its process died. A function is asked once the token was found good. */
  readonly keys?: JoinKeys | ((authorityPublicKey: string) => Promise<JoinKeys>);
  /** How long the hub and the founder may be away. */
  readonly timeoutMs?: number;
}

export interface Joined {
  readonly credentials: HubCredentials;
  readonly members: Member[];
}

const DEFAULT_TIMEOUT_MS = 30_000;

export async function joinWithToken(request: JoinRequest): Promise<Joined> {
  const token = usableToken(request);
  const { keys: given = makeJoinKeys() } = request;
  const keys = typeof given === 'function' ? await given(token.authorityPublicKey) : given;
  const answer = await askUntilAnswered(request, token, questionOf(request, token, keys, { renews: true }), parseRedeemAnswer);
  return checkAnswer(answer, request.cluster, token, keys);
}

/** What the cluster would find; the token can be used afterwards as before. */
export async function previewWithToken(request: Omit<JoinRequest, 'keys'>): Promise<JoinPreview> {
  const token = usableToken(request);
  return await askUntilAnswered(request, token, questionOf(request, token, makeJoinKeys(), { preview: true }), parseJoinPreview);
}

function usableToken({ token: text, cluster, signal, clock }: JoinRequest): JoinToken {
  signal.throwIfAborted();
  const parsed = parseJoinToken(text);
  if (!parsed.ok) throw parsed.error;
  const token = parsed.value;
  if (!isNameFor(token.cluster, cluster)) throw tokenForAnotherCluster(token.cluster, cluster);
  if (clock() >= token.exp * 1000) throw tokenExpired(token.cluster, token.exp);
  return token;
}

function questionOf({ cluster, trustDomain, roots, network }: JoinRequest, { code }: JoinToken, keys: JoinKeys, kind: { readonly renews: true } | { readonly preview: true }): Uint8Array {
  const question = { code, cluster, userPublicKey: keys.user.publicKey, recordPublicKey: keys.record.publicKey, trustDomain, roots: [...roots], network, ...kind };
  return encodeRedeemRequest(question, keys.record.privateKeyPem);
}

/** Asks with the same keys each time, so that an answer that was lost is given again. */
async function askUntilAnswered<T>({ timeoutMs = DEFAULT_TIMEOUT_MS, signal }: JoinRequest, token: JoinToken, question: Uint8Array, parse: Asking<T>['parse']): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask(token, question, parse, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      const pause = retryDelay(attempt);
      if (!(thrown instanceof LandbridgeError && thrown.retryable) || performance.now() + pause >= deadline) throw thrown;
      await waitFor(pause, signal);
      signal.throwIfAborted();
    }
  }
}

async function ask<T>(token: JoinToken, question: Uint8Array, parse: Asking<T>['parse'], signal: AbortSignal): Promise<T> {
  const { urls, caPem, cluster, bootstrapJwt: jwt, bootstrapSeed: seed } = token;
  const inboxPrefix = bootstrapInboxPrefix(userPublicKeyOf(seed));
  return await askOnce({ urls, caPem, jwt, seed, inboxPrefix, name: `join ${cluster}`, subject: REDEEM_SUBJECT, question }, { parse, refused: (cause) => tokenRefusedByHub(cluster, cause) }, signal);
}

/** The hub passes the answer on but is not trusted with it: members are signed by the authority that the token names. */
function checkAnswer(answer: RedeemAnswer, cluster: string, token: JoinToken, keys: JoinKeys): Joined {
  const { urls, caPem, authorityPublicKey } = token;
  if ([answer.userJwt, answer.renewalJwt, answer.leafJwt].some((jwt) => jwt !== undefined && userOf(jwt) !== keys.user.publicKey)) throw answerMalformed('the NATS user is not for the key of this cluster');
  const members: Member[] = [];
  for (const bytes of answer.members) {
    const opened = openMember(bytes, authorityPublicKey);
    if (!opened.ok) throw answerMalformed(`a member record: ${opened.error}`);
    members.push(opened.value.member);
  }
  const self = members.find((member) => member.cluster === cluster);
  if (self !== undefined && self.recordPublicKey !== keys.record.publicKey) throw answerMalformed('this cluster’s member record has another key');
  const credentials: HubCredentials = {
    cluster,
    urls,
    caPem,
    userJwt: answer.userJwt,
    ...(answer.renewalJwt === undefined ? {} : { renewalJwt: answer.renewalJwt }),
    ...(answer.leafJwt === undefined ? {} : { leafJwt: answer.leafJwt }),
    userSeed: keys.user.seed,
    recordPrivateKeyPem: keys.record.privateKeyPem,
    recordPublicKey: keys.record.publicKey,
    authorityPublicKey,
  };
  return { credentials, members };
}

/** Whose JWT it is, as it says itself. */
export function userOf(jwt: string): string | undefined {
  try {
    return decode(jwt).sub;
  } catch {
    return undefined;
  }
}
