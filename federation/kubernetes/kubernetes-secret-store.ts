import { CoreV1Api, type KubeConfig } from '@kubernetes/client-node';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { secretConflict, type SecretStore, type StoredSecret } from './secret-store.ts';

const CONFLICT = 409;
const NOT_FOUND = 404;

/** Secrets and ConfigMaps of a namespace of the API server. */
export class KubernetesSecretStore implements SecretStore {
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

  async write(name: string, values: Readonly<Record<string, string>>, resourceVersion: string | undefined): Promise<void> {
    const namespace = this.#namespace;
    const metadata = { name, namespace, labels: { 'app.kubernetes.io/managed-by': 'landbridge' }, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
    const body = { metadata, stringData: { ...values } };
    try {
      if (resourceVersion === undefined) await this.#core.createNamespacedSecret({ namespace, body });
      else await this.#core.replaceNamespacedSecret({ name, namespace, body });
    } catch (thrown) {
      // Of a new Secret it is the namespace that is not found.
      if (codeOf(thrown) === CONFLICT || (codeOf(thrown) === NOT_FOUND && resourceVersion !== undefined)) throw secretConflict(name, thrown);
      throw unreadable(`Secret ${name}`, thrown);
    }
  }

  async readConfigMap(name: string): Promise<Readonly<Record<string, string>> | undefined> {
    try {
      return (await this.#core.readNamespacedConfigMap({ name, namespace: this.#namespace })).data ?? {};
    } catch (thrown) {
      if (codeOf(thrown) === NOT_FOUND) return undefined;
      throw unreadable(`ConfigMap ${name}`, thrown);
    }
  }

  async writeConfigMap(name: string, data: Readonly<Record<string, string>>): Promise<void> {
    const namespace = this.#namespace;
    const body = { metadata: { name, namespace, labels: { 'app.kubernetes.io/managed-by': 'landbridge' } }, data: { ...data } };
    try {
      await this.#core.createNamespacedConfigMap({ namespace, body });
    } catch (thrown) {
      if (codeOf(thrown) !== CONFLICT) throw unreadable(`ConfigMap ${name}`, thrown);
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
