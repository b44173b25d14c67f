import type { KubernetesObject } from '@kubernetes/client-node';
import { type ListAndWatch, type OnChange, Reflector } from '@landbridge/kubernetes/reflector.ts';
import type { Logger } from 'pino';
import { objectParser } from './object-shapes.ts';
import type { ObjectSource, ResourceKind } from './object-source.ts';
import { keyOf } from './types.ts';

/** Above the 150,000 pods that Kubernetes says a cluster may have. */
export const MAX_OBJECTS = 500_000;

/** Objects of an API server, trimmed to what is read of them. */
export class KubernetesObjectSource<T extends KubernetesObject> implements ObjectSource<T> {
  readonly #reflector: Reflector<T>;

  constructor(client: ListAndWatch, kind: ResourceKind, log: Logger, options: { readonly listSpacingMs?: number } = {}) {
    const prefix = kind.apiVersion.includes('/') ? `/apis/${kind.apiVersion}` : `/api/${kind.apiVersion}`;
    this.#reflector = new Reflector<T>(client, {
      path: `${prefix}/${kind.plural}`,
      query: kind.labelSelector === undefined ? {} : { labelSelector: kind.labelSelector },
      parse: objectParser<T>(kind),
      keyOf,
      maxObjects: MAX_OBJECTS,
    }, log, { ...options, initialEvents: true });
  }

  get synced(): boolean {
    return this.#reflector.isSynced;
  }

  list(): readonly T[] {
    return [...this.#reflector.objects.values()];
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.at(`${namespace ?? ''}/${name}`);
  }

  at(key: string): T | undefined {
    return this.#reflector.objects.get(key);
  }

  start(onChange: OnChange, signal: AbortSignal): void {
    // It survives whatever the server does; what it throws is a fault of ours, and ends the process.
    void this.#reflector.run(onChange, signal);
  }
}
