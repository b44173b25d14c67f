/** Which use of a join token is granted. Pure: the same tokens, request and time always give the same decision. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { tokenExpired, tokenForAnotherCluster, tokenUnknown, tokenUsed } from './join-errors.ts';
import { isNameFor } from './name-pattern.ts';
import { MAX_STORED_TOKENS, type Redemption, type StoredToken } from './token-store.ts';

/** So long an expired token is still known, and its refusal says that it has expired. */
const KEEP_EXPIRED_SECONDS = 24 * 60 * 60;

export interface Use {
  readonly code: string;
  readonly cluster: string;
  readonly recordPublicKey: string;
  readonly userPublicKey: string;
}

export type Decision =
  | { readonly kind: 'first-use'; readonly codeHash: string }
  /** The same joiner asks again, because the answer was lost. */
  | { readonly kind: 'repeated'; readonly redemption: Redemption }
  | { readonly kind: 'refused'; readonly error: LandbridgeError };

export function hashCode(code: string): string {
  return createHash('sha256').update(code).digest('hex');
}

export function decideUse(tokens: readonly StoredToken[], use: Use, nowMs: number): Decision {
  const codeHash = hashCode(use.code);
  const token = find(tokens, codeHash);
  if (token === undefined) return { kind: 'refused', error: tokenUnknown() };
  if (!isNameFor(token.cluster, use.cluster)) return { kind: 'refused', error: tokenForAnotherCluster(token.cluster, use.cluster) };
  if (nowMs >= token.expiresAt * 1000) return { kind: 'refused', error: tokenExpired(token.cluster, token.expiresAt) };
  // The user's key too: an answer with a JWT for another key would be of no use to the one who asks.
  const earlier = token.redemptions.find(({ cluster = token.cluster, recordPublicKey, userPublicKey }) => cluster === use.cluster && recordPublicKey === use.recordPublicKey && userPublicKey === use.userPublicKey);
  if (earlier !== undefined) return { kind: 'repeated', redemption: earlier };
  if (token.redemptions.length >= token.uses) return { kind: 'refused', error: tokenUsed(token.cluster) };
  return { kind: 'first-use', codeHash };
}

/** Looks at all, and at all of each: how long it takes says nothing of the codes. */
function find(tokens: readonly StoredToken[], codeHash: string): StoredToken | undefined {
  const wanted = Buffer.from(codeHash);
  let found: StoredToken | undefined;
  for (const token of tokens) {
    const kept = Buffer.from(token.codeHash);
    if (kept.length === wanted.length && timingSafeEqual(kept, wanted)) found = token;
  }
  return found;
}

export function withRedemption(tokens: readonly StoredToken[], codeHash: string, redemption: Redemption): StoredToken[] {
  return tokens.map((token) => (token.codeHash === codeHash ? { ...token, redemptions: [...token.redemptions, redemption] } : token));
}

/** Adds a token and drops those that expired long ago. */
export function withToken(tokens: readonly StoredToken[], token: StoredToken, nowMs: number): Result<StoredToken[], LandbridgeError> {
  const kept = tokens.filter(({ expiresAt }) => nowMs < (expiresAt + KEEP_EXPIRED_SECONDS) * 1000);
  // Room is made by tokens that can do nothing any more, those nearest to being forgotten first.
  const spent = kept.filter(({ expiresAt }) => nowMs >= expiresAt * 1000).sort((a, b) => a.expiresAt - b.expiresAt);
  const dropped = new Set(spent.slice(0, Math.max(0, kept.length + 1 - MAX_STORED_TOKENS)));
  const remaining = kept.filter((candidate) => !dropped.has(candidate));
  if (remaining.length >= MAX_STORED_TOKENS) {
    return err(new LandbridgeError('too-many-tokens', `There are ${remaining.length} join tokens that have not expired.`, { hint: 'Wait until some of them expire.' }));
  }
  return ok([...remaining, token]);
}
