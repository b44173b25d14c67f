import type { KubernetesObject } from '@kubernetes/client-node';
import type { OnChange } from '@landbridge/kubernetes/reflector.ts';
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
  #onChange: OnChange | undefined;

  constructor(kind: ResourceKind) {
    this.#kind = kind;
  }

  get synced(): boolean {
    return this.#synced;
  }

  get isReachable(): boolean {
    return this.#isReachable;
  }

  list(): readonly T[] {
    return [...this.#seen.values()];
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.at(`${namespace ?? ''}/${name}`);
  }

  at(key: string): T | undefined {
    return this.#seen.get(key);
  }

  /** What the cluster has at this moment, which whoever looks may not have seen yet: a write meets that. */
  stored(namespace: string | undefined, name: string): T | undefined {
    return this.#objects.get(`${namespace ?? ''}/${name}`);
  }

  start(onChange: OnChange, signal: AbortSignal): void {
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
      const keys = new Set([...selected.keys(), ...this.#seen.keys()].filter((key) => selected.get(key) !== this.#seen.get(key)));
      const isFirst = !this.#synced;
      this.#seen = selected;
      this.#synced = true;
      if (isFirst || keys.size > 0) this.#onChange(keys);
    });
  }

  #isSelected(object: T): boolean {
    if (this.#kind.labelSelector === undefined) return true;
    const [label = '', value] = this.#kind.labelSelector.split('=');
    return object.metadata?.labels?.[label] === value;
  }
}
