import type { V1ConfigMap, V1Secret } from '@kubernetes/client-node';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { type ApiServerClient, NEVER, statusOf } from '@landbridge/kubernetes/api-server-client.ts';
import { secretConflict, type SecretStore, type StoredSecret } from './secret-store.ts';

const CONFLICT = 409;
const NOT_FOUND = 404;

/** Secrets and ConfigMaps of a namespace of the API server. */
export class KubernetesSecretStore implements SecretStore {
  readonly #client: ApiServerClient;
  readonly #namespace: string;

  constructor(client: ApiServerClient, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
  }

  async read(name: string): Promise<StoredSecret | undefined> {
    try {
      const { data = {}, metadata } = (await this.#client.get(this.#path('secrets', name), NEVER)) as V1Secret;
      return {
        values: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')])),
        resourceVersion: metadata?.resourceVersion ?? '',
      };
    } catch (thrown) {
      if (statusOf(thrown) === NOT_FOUND) return undefined;
      throw unreadable(`Secret ${name}`, thrown);
    }
  }

  async write(name: string, values: Readonly<Record<string, string>>, resourceVersion: string | undefined): Promise<void> {
    const metadata = { ...this.#metadata(name), ...(resourceVersion === undefined ? {} : { resourceVersion }) };
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata, stringData: values } satisfies V1Secret;
    try {
      if (resourceVersion === undefined) await this.#client.create(this.#path('secrets'), secret, NEVER);
      else await this.#client.replace(this.#path('secrets', name), secret, NEVER);
    } catch (thrown) {
      const status = statusOf(thrown);
      // Of a new Secret it is the namespace that is not found.
      if (status === CONFLICT || (status === NOT_FOUND && resourceVersion !== undefined)) throw secretConflict(name, thrown);
      throw unreadable(`Secret ${name}`, thrown);
    }
  }

  async readConfigMap(name: string): Promise<Readonly<Record<string, string>> | undefined> {
    try {
      return ((await this.#client.get(this.#path('configmaps', name), NEVER)) as V1ConfigMap).data ?? {};
    } catch (thrown) {
      if (statusOf(thrown) === NOT_FOUND) return undefined;
      throw unreadable(`ConfigMap ${name}`, thrown);
    }
  }

  async writeConfigMap(name: string, data: Readonly<Record<string, string>>): Promise<void> {
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: this.#metadata(name), data } satisfies V1ConfigMap;
    try {
      await this.#client.create(this.#path('configmaps'), map, NEVER);
    } catch (thrown) {
      if (statusOf(thrown) !== CONFLICT) throw unreadable(`ConfigMap ${name}`, thrown);
      await this.#client.replace(this.#path('configmaps', name), map, NEVER);
    }
  }

  #metadata(name: string) {
    return { name, namespace: this.#namespace, labels: { 'app.kubernetes.io/managed-by': 'landbridge' } };
  }

  #path(plural: 'secrets' | 'configmaps', name?: string): string {
    return `/api/v1/namespaces/${encodeURIComponent(this.#namespace)}/${plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
  }
}

/** What the API server says may hold what it was told, and that a Secret's content. */
function unreadable(what: string, thrown: unknown): LandbridgeError {
  const status = statusOf(thrown) ?? 0;
  return new LandbridgeError('kubernetes', `${what}: ${status === 0 ? 'the API server could not be reached' : `the API server answered ${status}`}`, { retryable: true });
}
