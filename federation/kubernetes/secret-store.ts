import { CoreV1Api, type KubeConfig } from '@kubernetes/client-node';
import { LandbridgeError } from '@landbridge/core/errors.ts';

const CONFLICTS: ReadonlySet<unknown> = new Set([409]);
const NOT_FOUND = 404;

export interface StoredSecret {
  readonly values: Readonly<Record<string, string>>;
  readonly resourceVersion: string;
}

/** Secrets and ConfigMaps of the service's own namespace. */
export class SecretStore {
  readonly #core: CoreV1Api;
  readonly #namespace: string;

  constructor(config: KubeConfig, namespace: string) {
    this.#core = config.makeApiClient(CoreV1Api);
    this.#namespace = namespace;
  }

  async read(name: string): Promise<StoredSecret | undefined> {
    try {
      const { data = {}, metadata } = await this.#core.readNamespacedSecret({ name, namespace: this.#namespace });
      return {
        values: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')])),
        resourceVersion: metadata?.resourceVersion ?? '',
      };
    } catch (thrown) {
      if (codeOf(thrown) === NOT_FOUND) return undefined;
      throw unreadable(`Secret ${name}`, thrown);
    }
  }

  /**
   * Writes a Secret: a new one where `resourceVersion` is undefined, else exactly that version.
   * @throws LandbridgeError `conflict` (retryable) where somebody else wrote meanwhile
   */
  async write(name: string, values: Readonly<Record<string, string>>, resourceVersion: string | undefined): Promise<void> {
    const namespace = this.#namespace;
    const metadata = { name, namespace, labels: { 'app.kubernetes.io/managed-by': 'landbridge' }, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
    const body = { metadata, stringData: { ...values } };
    try {
      if (resourceVersion === undefined) await this.#core.createNamespacedSecret({ namespace, body });
      else await this.#core.replaceNamespacedSecret({ name, namespace, body });
    } catch (thrown) {
      if (CONFLICTS.has(codeOf(thrown))) throw new LandbridgeError('conflict', `Secret ${name} was written by somebody else meanwhile`, { retryable: true, cause: thrown });
      throw unreadable(`Secret ${name}`, thrown);
    }
  }

  /** Makes a ConfigMap hold exactly these values. */
  async writeConfigMap(name: string, data: Readonly<Record<string, string>>): Promise<void> {
    const namespace = this.#namespace;
    const body = { metadata: { name, namespace, labels: { 'app.kubernetes.io/managed-by': 'landbridge' } }, data: { ...data } };
    try {
      await this.#core.createNamespacedConfigMap({ namespace, body });
    } catch (thrown) {
      if (!CONFLICTS.has(codeOf(thrown))) throw unreadable(`ConfigMap ${name}`, thrown);
      await this.#core.replaceNamespacedConfigMap({ name, namespace, body });
    }
  }
}

const codeOf = (thrown: unknown): unknown => (thrown as { code?: unknown }).code;

/** The message of the client holds the whole answer, in which a Secret's content could be. */
function unreadable(what: string, thrown: unknown): LandbridgeError {
  const code = codeOf(thrown);
  return new LandbridgeError('kubernetes', `${what}: ${typeof code === 'number' ? `the API server answered ${code}` : 'the API server could not be reached'}`, { retryable: true });
}
