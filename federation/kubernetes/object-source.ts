import type { KubernetesObject } from '@kubernetes/client-node';
import type { OnChange } from '@landbridge/kubernetes/reflector.ts';

export interface ResourceKind {
  readonly apiVersion: string;
  readonly kind: string;
  /** Lower-case plural, as in the API's paths. */
  readonly plural: string;
  /** `label=value`. */
  readonly labelSelector?: string;
}

/** A local copy of all objects of one kind, each with its apiVersion and kind. What it holds stays when the API server is away. */
export interface ObjectSource<T extends KubernetesObject = KubernetesObject> {
  /** Whether the objects were listed completely once. */
  readonly synced: boolean;
  list(): readonly T[];
  get(namespace: string | undefined, name: string): T | undefined;
  /** By the key that changes are told with: `<namespace>/<name>`, the namespace empty where the kind has none. */
  at(key: string): T | undefined;
  /** Begins to follow; `onChange` is called after each change, with the keys of what was added, changed or removed, and once when the first list is there. */
  start(onChange: OnChange, signal: AbortSignal): void;
}
