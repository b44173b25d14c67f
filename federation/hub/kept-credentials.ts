/** The Secret with a cluster's own place at the hub: what it has, and what it is about to change. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { type HubCredentials, parseHubCredentials } from '../join/credentials.ts';
import { encodeJoinKeys, type JoinKeys, parseJoinKeys } from '../join/join-keys.ts';
import type { SecretStore } from '../kubernetes/secret-store.ts';

export const CREDENTIALS_SECRET = 'landbridge-hub-credentials';

export interface KeptCredentials {
  readonly credentials: HubCredentials;
  /** Keys that the founder is asked to bind to this cluster; it may have done so already. */
  readonly next: JoinKeys | undefined;
  /** Whether the founder is asked to let this cluster go; it may have done so already. */
  readonly isLeaving: boolean;
}

/** `left`: it had a place, and gave it back. */
export type Kept = { readonly kind: 'none' } | { readonly kind: 'left'; readonly version: string } | { readonly kind: 'member'; readonly kept: KeptCredentials; readonly version: string };

export class CredentialsSecret {
  readonly #secrets: SecretStore;
  readonly #cluster: string;

  constructor(secrets: SecretStore, cluster: string) {
    this.#secrets = secrets;
    this.#cluster = cluster;
  }

  /** @throws LandbridgeError `bad-credentials` */
  async read(): Promise<Kept> {
    const secret = await this.#secrets.read(CREDENTIALS_SECRET);
    if (secret === undefined) return { kind: 'none' };
    const { values, resourceVersion: version } = secret;
    if (values['credentials.json'] === undefined && values['left'] !== undefined) return { kind: 'left', version };
    const credentials = parseHubCredentials(values['credentials.json'] ?? '');
    if (!credentials.ok) throw new LandbridgeError('bad-credentials', `the Secret ${CREDENTIALS_SECRET} can not be used: ${credentials.error}`, { hint: 'Delete it and join again.' });
    if (credentials.value.cluster !== this.#cluster) {
      throw new LandbridgeError('bad-credentials', `the Secret ${CREDENTIALS_SECRET} is of cluster ${credentials.value.cluster}, this one is called ${this.#cluster}`, { hint: 'A cluster can not be renamed after it joined: set cluster.name back.' });
    }
    const next = values['next.json'] === undefined ? undefined : parseJoinKeys(values['next.json']);
    return { kind: 'member', version, kept: { credentials: credentials.value, next: next?.ok === true ? next.value.keys : undefined, isLeaving: values['leaving'] !== undefined } };
  }

  /** @param version that was read; undefined where there was no Secret. @throws LandbridgeError `conflict` */
  async write({ credentials, next, isLeaving }: KeptCredentials, version: string | undefined): Promise<void> {
    const values = {
      'credentials.json': JSON.stringify(credentials),
      ...(next === undefined ? {} : { 'next.json': encodeJoinKeys({ authorityPublicKey: credentials.authorityPublicKey, keys: next }) }),
      ...(isLeaving ? { leaving: 'true' } : {}),
    };
    await this.#secrets.write(CREDENTIALS_SECRET, values, version);
  }

  /** The service may remove no Secret; this one has no key any more. */
  async writeLeft(version: string): Promise<void> {
    await this.#secrets.write(CREDENTIALS_SECRET, { left: 'true' }, version);
  }
}
