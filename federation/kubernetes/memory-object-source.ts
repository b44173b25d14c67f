import type { KubernetesObject } from '@kubernetes/client-node';
import type { ObjectSource, ResourceKind } from './object-source.ts';
import { keyOf } from './types.ts';

/** Objects of one kind of a cluster that is a map; for tests. */
export class MemoryObjectSource<T extends KubernetesObject = KubernetesObject> implements ObjectSource<T> {
  readonly #kind: ResourceKind;
  /** What the cluster has. */
  readonly #objects = new Map<string, T>();
  /** What was seen of it. */
  #seen: ReadonlyMap<string, T> = new Map();
  #synced = false;
  #isReachable = true;
  #onChange: (() => void) | undefined;

  constructor(kind: ResourceKind) {
    this.#kind = kind;
  }

  get synced(): boolean {
    return this.#synced;
  }

  list(): readonly T[] {
    return [...this.#seen.values()];
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#seen.get(`${namespace ?? ''}/${name}`);
  }

  start(onChange: () => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#onChange = onChange;
    signal.addEventListener('abort', () => (this.#onChange = undefined), { once: true });
    this.#look();
  }

  put(object: T): void {
    const { apiVersion, kind } = this.#kind;
    this.#objects.set(keyOf(object), { ...object, apiVersion, kind });
    this.#look();
  }

  remove(namespace: string | undefined, name: string): void {
    this.#objects.delete(`${namespace ?? ''}/${name}`);
    this.#look();
  }

  setReachable(isReachable: boolean): void {
    this.#isReachable = isReachable;
    this.#look();
  }

  /** Later, as from a server. */
  #look(): void {
    setImmediate(() => {
      if (this.#onChange === undefined || !this.#isReachable) return;
      const selected = new Map([...this.#objects].filter(([, object]) => this.#isSelected(object)));
      const isSame = this.#synced && selected.size === this.#seen.size && [...selected].every(([key, object]) => this.#seen.get(key) === object);
      this.#seen = selected;
      this.#synced = true;
      if (!isSame) this.#onChange();
    });
  }

  #isSelected(object: T): boolean {
    if (this.#kind.labelSelector === undefined) return true;
    const [label = '', value] = this.#kind.labelSelector.split('=');
    return object.metadata?.labels?.[label] === value;
  }
}
