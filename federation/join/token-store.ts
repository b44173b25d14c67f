/** Where the founder keeps what it must remember of its join tokens. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { ok, type Result } from '@landbridge/core/result.ts';
import Type, { type Static } from 'typebox';
import { parseText } from './checked-json.ts';
import { NamePatternSchema } from './name-pattern.ts';
import { ClusterLabelSchema, JwtSchema, RawKeySchema, UserPublicKeySchema } from './credentials.ts';

/** A Secret holds 1 MiB at most; a redeemed token takes about 2 KiB. */
export const MAX_STORED_TOKENS = 256;
export const MAX_TOKENS_BYTES = 1000 * 1024;

/** One successful use. The user's JWT is worth nothing without the seed that stayed in the joining cluster. */
export const RedemptionSchema = Type.Object({
  /** Where the token is for several names. */
  cluster: Type.Optional(ClusterLabelSchema),
  recordPublicKey: RawKeySchema,
  userPublicKey: UserPublicKeySchema,
  userJwt: JwtSchema,
  /** Milliseconds since 1970. */
  at: Type.Integer({ minimum: 0 }),
});

export const StoredTokenSchema = Type.Object({
  /** SHA-256 of the code, hex. */
  codeHash: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  cluster: NamePatternSchema,
  /** Seconds since 1970. */
  expiresAt: Type.Integer({ minimum: 0 }),
  uses: Type.Integer({ minimum: 1, maximum: 1000 }),
  redemptions: Type.Array(RedemptionSchema, { maxItems: 1000 }),
});

const FileSchema = Type.Object({ v: Type.Literal(1), tokens: Type.Array(StoredTokenSchema, { maxItems: MAX_STORED_TOKENS }) });

export type Redemption = Static<typeof RedemptionSchema>;
export type StoredToken = Static<typeof StoredTokenSchema>;

export interface TokenState {
  /** What the store needs to notice that another wrote in between, such as a resourceVersion; undefined before the first save. */
  readonly version: string | undefined;
  readonly tokens: readonly StoredToken[];
}

export interface TokenStore {
  load(signal: AbortSignal): Promise<TokenState>;
  /** Throws a retryable LandbridgeError with code `conflict` when the state is no longer the one that was loaded. */
  save(state: TokenState, signal: AbortSignal): Promise<void>;
}

export function saveConflict(cause?: unknown): LandbridgeError {
  return new LandbridgeError('conflict', 'The join tokens were changed by another process in between.', { cause, retryable: true });
}

/** Content of the key `tokens.json` of the Secret landbridge-join-tokens. */
export function encodeStoredTokens(tokens: readonly StoredToken[]): string {
  return JSON.stringify({ v: 1, tokens });
}

export function parseStoredTokens(text: string): Result<readonly StoredToken[]> {
  const file = parseText(FileSchema, text, MAX_TOKENS_BYTES);
  return file.ok ? ok(file.value.tokens) : file;
}

/** Forgets everything with the process; for tests. */
export function makeMemoryTokenStore(): TokenStore {
  let version = 0;
  let text = encodeStoredTokens([]);
  return {
    load: async () => {
      const parsed = parseStoredTokens(text);
      if (!parsed.ok) throw new LandbridgeError('internal', parsed.error);
      return { version: String(version), tokens: parsed.value };
    },
    save: async (state) => {
      if (state.version !== String(version)) throw saveConflict();
      version += 1;
      text = encodeStoredTokens(state.tokens);
    },
  };
}
