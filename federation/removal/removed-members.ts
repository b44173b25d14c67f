import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { SignedMember } from '../join/member-list.ts';
import { isConflict, type SecretStore } from '../kubernetes/secret-store.ts';
import { encodeRemoved, parseRemoved, type RemovedList, withSeen } from './removed-list.ts';

export const REMOVED_SECRET = 'landbridge-removed-members';
const KEY = 'members.json';
/** How often a write is tried again when others write too. */
const ATTEMPTS = 10;

/** The list of removed members in a Secret of the cluster: the founder's decides, each member has its own against a hub that shows old records. */
export class RemovedMembers {
  readonly #secrets: SecretStore;
  readonly #authorityPublicKey: string;

  constructor(secrets: SecretStore, authorityPublicKey: string) {
    this.#secrets = secrets;
    this.#authorityPublicKey = authorityPublicKey;
  }

  /** @throws LandbridgeError `bad-removed-members`, and what the store throws */
  async load(): Promise<RemovedList> {
    return (await this.#read()).list;
  }

  /** Keeps what the authority said of members; one write for all, none where nothing is new. */
  async remember(seen: readonly SignedMember[]): Promise<RemovedList> {
    for (let attempt = 1; ; attempt++) {
      const { list, resourceVersion } = await this.#read();
      const next = seen.reduce<RemovedList>(withSeen, list);
      if (next === list) return list;
      try {
        await this.#secrets.write(REMOVED_SECRET, { [KEY]: encodeRemoved(next) }, resourceVersion);
        return next;
      } catch (thrown) {
        if (!isConflict(thrown) || attempt === ATTEMPTS) throw thrown;
      }
    }
  }

  async #read(): Promise<{ readonly list: RemovedList; readonly resourceVersion: string | undefined }> {
    const secret = await this.#secrets.read(REMOVED_SECRET);
    if (secret === undefined) return { list: new Map(), resourceVersion: undefined };
    const parsed = parseRemoved(secret.values[KEY] ?? '', this.#authorityPublicKey);
    // Going on without it would let in who was removed.
    if (!parsed.ok) throw new LandbridgeError('bad-removed-members', `the Secret ${REMOVED_SECRET} can not be read: ${parsed.error}`, { hint: 'Restore it. Where that is not possible delete it, and revoke again who is to stay out.' });
    return { list: parsed.value, resourceVersion: secret.resourceVersion };
  }
}
