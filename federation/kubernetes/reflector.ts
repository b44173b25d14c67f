import { setTimeout as delay } from 'node:timers/promises';
import { type KubeConfig, type KubernetesListObject, KubernetesObjectApi, type KubernetesObject, ListWatch, Watch } from '@kubernetes/client-node';
import type { Logger } from 'pino';

const RETRY_CAP_MS = 5000;

export interface ResourceKind {
  readonly apiVersion: string;
  readonly kind: string;
  /** Lower-case plural, as in the API's paths. */
  readonly plural: string;
  readonly labelSelector?: string;
}

/** A local copy of all objects of one kind, kept by list and watch. What it holds stays when the API server is away. */
export class Reflector<T extends KubernetesObject> {
  readonly #listWatch: ListWatch<T>;
  readonly #log: Logger;
  readonly #kind: ResourceKind;
  #synced = false;
  #failures = 0;

  constructor(config: KubeConfig, kind: ResourceKind, log: Logger) {
    this.#kind = kind;
    this.#log = log;
    const prefix = kind.apiVersion.includes('/') ? `/apis/${kind.apiVersion}` : `/api/${kind.apiVersion}`;
    const client = KubernetesObjectApi.makeApiClient(config);
    const list = async (): Promise<KubernetesListObject<T>> => {
      const found = await client.list<T>(kind.apiVersion, kind.kind, undefined, undefined, undefined, undefined, undefined, kind.labelSelector);
      // Items of a list come without the type that watched objects have.
      for (const item of found.items) Object.assign(item, { apiVersion: kind.apiVersion, kind: kind.kind });
      return found;
    };
    this.#listWatch = new ListWatch<T>(`${prefix}/${kind.plural}`, new Watch(config), list, false, kind.labelSelector);
  }

  /** Whether the objects were listed completely once. */
  get synced(): boolean {
    return this.#synced;
  }

  list(): readonly T[] {
    return this.#listWatch.list();
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#listWatch.get(name, namespace);
  }

  /** Begins to follow; `onChange` is called after each change and once when the first list is there. */
  start(onChange: () => void, signal: AbortSignal): void {
    this.#listWatch.on('change', onChange);
    this.#listWatch.on('error', (error: unknown) => {
      if (signal.aborted) return;
      const waitMs = Math.random() * Math.min(RETRY_CAP_MS, 100 * 2 ** Math.min(this.#failures++, 10));
      this.#log.warn({ kind: this.#kind.kind, error: String(error).slice(0, 300), retry_ms: Math.round(waitMs) }, 'watching the API server failed');
      delay(waitMs, undefined, { signal }).then(
        () => this.#attempt(onChange),
        // Stopped meanwhile.
        () => {},
      );
    });
    signal.addEventListener('abort', () => void this.#listWatch.stop(), { once: true });
    void this.#attempt(onChange);
  }

  async #attempt(onChange: () => void): Promise<void> {
    await this.#listWatch.start();
    // A start that fails has reported an error and has no version.
    if (this.#listWatch.latestResourceVersion() === '') return;
    this.#failures = 0;
    if (this.#synced) return;
    this.#synced = true;
    onChange();
  }
}
