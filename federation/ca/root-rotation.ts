import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Logger } from 'pino';
import type { RotationStatus } from '../admin/admin-api.ts';
import { type SecretStore, secretConflict, type StoredSecret } from '../kubernetes/secret-store.ts';
import { OWN_SECRET } from './ca-source.ts';
import { makeRoot } from './own-root.ts';
import { encodeOwnRoots, type OwnRoots, parseOwnRoots } from './own-roots.ts';
import { afterStep, nextStepOf, obstacles, type RotationFacts } from './rotation.ts';

export interface RootRotationOptions {
  /** Whether the root is the service's own to change. */
  readonly isOwn: boolean;
  readonly secrets: Pick<SecretStore, 'read' | 'write'>;
  readonly trustDomain: string;
  readonly facts: () => RotationFacts;
  /** Has the authority taken up, and told, what the Secret holds. */
  readonly takeUp: () => Promise<void>;
  readonly log: Logger;
}

/** Changes the service's own root step by step. Where it stands is in the Secret and nowhere else: a service that is started anew goes on from there. */
export class RootRotation {
  readonly #options: RootRotationOptions;

  constructor(options: RootRotationOptions) {
    this.#options = options;
  }

  /** @throws LandbridgeError `ca-not-own`, `bad-ca`, and what the store throws */
  async status(): Promise<RotationStatus> {
    const { own } = await this.#read();
    return this.#statusOf(own);
  }

  /** Makes the next step, once nothing stands in its way; `force`: whatever does. @throws LandbridgeError `rotation-not-ready`, and as {@link status} */
  async step({ force }: { readonly force: boolean }): Promise<RotationStatus> {
    const { secrets, facts, trustDomain, takeUp, log } = this.#options;
    const { own, secret } = await this.#read();
    const known = facts();
    const found = obstacles(own, known);
    const step = nextStepOf(own);
    if (found.length > 0 && !force) throw new LandbridgeError('rotation-not-ready', found.join(' '), { hint: 'Try again later. With --force the step is made at once, and whoever does not have the root yet is cut off.' });
    const after = afterStep(own, known.nowMs, () => makeRoot(trustDomain, known.nowMs));
    // Exactly the version that was looked at: two commands at once make one step.
    await secrets.write(OWN_SECRET, encodeOwnRoots(after), secret.resourceVersion);
    log.info({ step, forced: found.length > 0 ? found : undefined }, 'the change of the root goes on');
    await takeUp();
    return this.#statusOf(after);
  }

  async #read(): Promise<{ readonly own: OwnRoots; readonly secret: StoredSecret }> {
    const { isOwn, secrets } = this.#options;
    if (!isOwn) throw new LandbridgeError('ca-not-own', 'The root of this cluster is not the service’s own.', { hint: 'It is changed where it comes from: docs/certificates.md#changing-an-authority-that-you-plug-in.' });
    const secret = await secrets.read(OWN_SECRET);
    if (secret === undefined) throw secretConflict(OWN_SECRET);
    const own = parseOwnRoots(secret.values);
    if (!own.ok) throw new LandbridgeError('bad-ca', `The Secret ${OWN_SECRET} can not be used: ${own.error}.`);
    return { own: own.value, secret };
  }

  #statusOf(own: OwnRoots): RotationStatus {
    const { rotation } = own;
    return { phase: rotation.kind, ...(rotation.kind === 'none' ? {} : { since: rotation.sinceMs }), next: nextStepOf(own), obstacles: [...obstacles(own, this.#options.facts())] };
  }
}
