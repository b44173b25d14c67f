import { setTimeout as delay } from 'node:timers/promises';
import { type KubeConfig, type KubernetesListObject, KubernetesObjectApi, type KubernetesObject, ListWatch, Watch } from '@kubernetes/client-node';
import { retryDelay } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import type { ObjectSource, ResourceKind } from './object-source.ts';

const RETRY = { firstMs: 100, mostMs: 5000 };

/** Objects of an API server, by list and watch. */
export class Reflector<T extends KubernetesObject> implements ObjectSource<T> {
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

  get synced(): boolean {
    return this.#synced;
  }

  list(): readonly T[] {
    return this.#listWatch.list();
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#listWatch.get(name, namespace);
  }

  start(onChange: () => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    const onError = (error: unknown): void => {
      if (signal.aborted) return;
      const waitMs = retryDelay(this.#failures++, RETRY);
      this.#log.warn({ kind: this.#kind.kind, error: String(error).slice(0, 300), retry_ms: Math.round(waitMs) }, 'watching the API server failed');
      // Aborting ends the wait, and with it the attempts.
      delay(waitMs, undefined, { signal }).then(attempt, () => {});
    };
    const attempt = async (): Promise<void> => {
      const failures = this.#failures;
      // Failures of the API server are told as errors; this is a kubeconfig that can not be used.
      await this.#listWatch.start().catch(onError);
      // Stopping does not end a start that is under way.
      if (signal.aborted) return await this.#listWatch.stop();
      if (this.#failures === failures) this.#failures = 0;
      // There is a version once there was a list, also where the watch after it failed.
      if (this.#synced || this.#listWatch.latestResourceVersion() === '') return;
      this.#synced = true;
      onChange();
    };
    this.#listWatch.on('change', () => {
      if (!signal.aborted) onChange();
    });
    this.#listWatch.on('error', onError);
    signal.addEventListener('abort', () => void this.#listWatch.stop(), { once: true });
    void attempt();
  }
}
