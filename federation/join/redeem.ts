/** The joining cluster's side: swaps a token for credentials. Private keys are made here and never leave. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { decode } from '@nats-io/jwt';
import { AuthorizationError, type NatsConnection, NoRespondersError, RequestError, UserAuthenticationExpiredError } from '@nats-io/transport-node';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { type Member, openMember } from '../records/members.ts';
import type { HubCredentials } from './credentials.ts';
import { connectHub } from './hub-connection.ts';
import { bootstrapInboxPrefix, REDEEM_SUBJECT, userPublicKeyOf } from './hub-users.ts';
import { answerMalformed, founderUnreachable, hubUnreachable, tokenExpired, tokenForAnotherCluster, tokenRefusedByHub } from './join-errors.ts';
import { type JoinKeys, makeJoinKeys } from './join-keys.ts';
import { type JoinToken, parseJoinToken } from './join-token.ts';
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
const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 10_000;

export async function joinWithToken(request: JoinRequest): Promise<Joined> {
  const { cluster, trustDomain, network, signal, clock, timeoutMs = DEFAULT_TIMEOUT_MS } = request;
  signal.throwIfAborted();
  const parsed = parseJoinToken(request.token);
  if (!parsed.ok) throw parsed.error;
  const token = parsed.value;
  if (token.cluster !== cluster) throw tokenForAnotherCluster(token.cluster, cluster);
  if (clock() >= token.exp * 1000) throw tokenExpired(token.cluster, token.exp);
  const { keys: given = makeJoinKeys() } = request;
  const keys = typeof given === 'function' ? await given(token.authorityPublicKey) : given;
  const question = encodeRedeemRequest(
    { code: token.code, cluster, userPublicKey: keys.user.publicKey, recordPublicKey: keys.record.publicKey, trustDomain, roots: [...request.roots], network },
    keys.record.privateKeyPem,
  );
  const answer = await askUntilAnswered(token, question, timeoutMs, signal);
  return checkAnswer(answer, token, keys);
}

/** Asks with the same keys each time, so that an answer that was lost is given again. */
async function askUntilAnswered(token: JoinToken, question: Uint8Array, timeoutMs: number, signal: AbortSignal): Promise<RedeemAnswer> {
  const deadline = performance.now() + timeoutMs;
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask(token, question, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      const pause = retryDelay(attempt);
      if (!(thrown instanceof LandbridgeError && thrown.retryable) || performance.now() + pause >= deadline) throw thrown;
      await waitFor(pause, signal);
      signal.throwIfAborted();
    }
  }
}

async function ask(token: JoinToken, question: Uint8Array, signal: AbortSignal): Promise<RedeemAnswer> {
  const { urls, caPem, cluster, bootstrapJwt: jwt, bootstrapSeed: seed } = token;
  const inboxPrefix = bootstrapInboxPrefix(userPublicKeyOf(seed));
  let connection: NatsConnection;
  try {
    connection = await connectHub({ urls, caPem, jwt, seed, inboxPrefix, name: `join ${cluster}`, timeoutMs: CONNECT_TIMEOUT_MS }, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    throw isRefusal(thrown) ? tokenRefusedByHub(cluster, thrown) : hubUnreachable(urls, thrown);
  }
  const close = (): void => void connection.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    const message = await connection.request(REDEEM_SUBJECT, question, { timeout: ANSWER_TIMEOUT_MS });
    const answer = parseRedeemAnswer(message.data);
    if (!answer.ok) throw answerMalformed(answer.error);
    if (!answer.value.ok) throw answer.value.error;
    return answer.value.value;
  } catch (thrown) {
    signal.throwIfAborted();
    if (thrown instanceof LandbridgeError) throw thrown;
    if (isRefusal(thrown)) throw tokenRefusedByHub(cluster, thrown);
    throw isSilence(thrown) ? founderUnreachable(thrown) : hubUnreachable(urls, thrown);
  } finally {
    signal.removeEventListener('abort', close);
    await connection.close();
  }
}

/** The bootstrap user ends with the token, and the hub forgets it with its accounts. */
function isRefusal(thrown: unknown): boolean {
  return thrown instanceof AuthorizationError || thrown instanceof UserAuthenticationExpiredError;
}

function isSilence(thrown: unknown): boolean {
  return thrown instanceof NoRespondersError || thrown instanceof RequestError || (thrown instanceof Error && thrown.name === 'TimeoutError');
}

/** The hub passes the answer on but is not trusted with it: members are signed by the authority that the token names. */
function checkAnswer(answer: RedeemAnswer, token: JoinToken, keys: JoinKeys): Joined {
  const { cluster, urls, caPem, authorityPublicKey } = token;
  if (userOf(answer.userJwt) !== keys.user.publicKey) throw answerMalformed('the NATS user is not for the key of this cluster');
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
    userSeed: keys.user.seed,
    recordPrivateKeyPem: keys.record.privateKeyPem,
    recordPublicKey: keys.record.publicKey,
    authorityPublicKey,
  };
  return { credentials, members };
}

function userOf(jwt: string): string | undefined {
  try {
    return decode(jwt).sub;
  } catch {
    return undefined;
  }
}
