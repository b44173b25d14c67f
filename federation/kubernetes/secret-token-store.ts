import { LandbridgeError } from '@landbridge/core/errors.ts';
import { encodeStoredTokens, parseStoredTokens, type TokenState, type TokenStore } from '../join/token-store.ts';
import type { SecretStore } from './secret-store.ts';

const NAME = 'landbridge-join-tokens';
const KEY = 'tokens.json';

/** Join tokens (hashes of them) in a Secret. */
export class SecretTokenStore implements TokenStore {
  readonly #secrets: SecretStore;

  constructor(secrets: SecretStore) {
    this.#secrets = secrets;
  }

  async load(): Promise<TokenState> {
    const secret = await this.#secrets.read(NAME);
    if (secret === undefined) return { version: undefined, tokens: [] };
    const parsed = parseStoredTokens(secret.values[KEY] ?? '');
    if (!parsed.ok) throw new LandbridgeError('bad-token-store', `the Secret ${NAME} can not be read: ${parsed.error}`, { hint: `Delete it; tokens that were not used yet must be created again.` });
    return { version: secret.resourceVersion, tokens: parsed.value };
  }

  async save(state: TokenState): Promise<void> {
    await this.#secrets.write(NAME, { [KEY]: encodeStoredTokens(state.tokens) }, state.version);
  }
}
