import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Logger } from 'pino';
import { encodeJoinKeys, type JoinKeys, makeJoinKeys, parseJoinKeys } from '../join/join-keys.ts';
import { isConflict, type SecretStore } from '../kubernetes/secret-store.ts';

export const JOIN_KEYS_SECRET = 'landbridge-join-keys';
const KEY = 'keys.json';

/**
 * The keys of a join that is under way. A token is good for one set of keys: where this process dies after the token was
 * redeemed and before the credentials are kept, the next attempt must ask with the same ones.
 */
export class KeptJoinKeys {
  readonly #secrets: SecretStore;

  constructor(secrets: SecretStore) {
    this.#secrets = secrets;
  }

  /** The keys that an earlier attempt to join the same clusterset made, or new ones; they are kept when this returns. */
  async keysFor(authorityPublicKey: string): Promise<JoinKeys> {
    for (;;) {
      const known = await this.#secrets.read(JOIN_KEYS_SECRET);
      // Keys that can not be read were of no use to anyone.
      const parsed = known === undefined ? undefined : parseJoinKeys(known.values[KEY] ?? '');
      if (parsed?.ok === true && parsed.value.authorityPublicKey === authorityPublicKey) return parsed.value.keys;
      const keys = makeJoinKeys();
      try {
        await this.#secrets.write(JOIN_KEYS_SECRET, { [KEY]: encodeJoinKeys({ authorityPublicKey, keys }) }, known?.resourceVersion);
        return keys;
      } catch (thrown) {
        // Two joins at once: both go on with the keys of the first.
        if (!isConflict(thrown)) throw thrown;
      }
    }
  }

  /** Empties the Secret: the service may not remove any. */
  async forget(): Promise<void> {
    const known = await this.#secrets.read(JOIN_KEYS_SECRET);
    if (known !== undefined && Object.keys(known.values).length > 0) await this.#secrets.write(JOIN_KEYS_SECRET, {}, known.resourceVersion);
  }

  /** What is left of them is tidied up another time. */
  async tryForget(log: Pick<Logger, 'warn'>): Promise<void> {
    try {
      await this.forget();
    } catch (thrown) {
      const { code, message } = LandbridgeError.from(thrown);
      log.warn({ scope: 'membership', code, error: message }, 'the keys of the join could not be forgotten');
    }
  }
}
