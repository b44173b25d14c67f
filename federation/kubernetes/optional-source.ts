import type { KubernetesObject } from '@kubernetes/client-node';
import type { OnChange } from '@landbridge/kubernetes/reflector.ts';
import type { ObjectSource, ResourceKind } from './object-source.ts';

/** A kind that others define, and may define later or not at all. */
export interface OptionalKind extends Omit<ResourceKind, 'apiVersion'> {
  readonly group: string;
  /** Those that are understood, the best first. */
  readonly versions: readonly string[];
}

export const CRDS: ResourceKind = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', plural: 'customresourcedefinitions' };

/** Among the categories of definitions that we made ourselves, and that nobody has put his own in place of. */
const OUR_CATEGORY = 'landbridge';

interface Definition extends KubernetesObject {
  readonly spec?: { readonly names?: { readonly categories?: readonly string[] }; readonly versions?: readonly { readonly name: string; readonly served?: boolean }[] };
}

/** Objects of a kind for as long as the API server knows the kind. Without it there are none, which is known as well. */
export class OptionalSource<T extends KubernetesObject = KubernetesObject> {
  readonly #kind: OptionalKind;
  readonly #sourceOf: (kind: ResourceKind) => ObjectSource;
  #isOurs = false;
  #current: { readonly apiVersion: string; readonly source: ObjectSource; readonly stop: AbortController } | undefined;

  constructor(kind: OptionalKind, sourceOf: (kind: ResourceKind) => ObjectSource) {
    this.#kind = kind;
    this.#sourceOf = sourceOf;
  }

  /** Begins, or ends, to follow the kind as definitions have it now; to be called after each change of them. */
  follow(definitions: ObjectSource, onChange: OnChange, signal: AbortSignal): void {
    if (!definitions.synced) return;
    const definition = definitions.get(undefined, `${this.#kind.plural}.${this.#kind.group}`) as Definition | undefined;
    const apiVersion = this.#servedBy(definition);
    this.#isOurs = definition?.spec?.names?.categories?.includes(OUR_CATEGORY) === true;
    if (this.#current?.apiVersion === apiVersion) return;
    this.#current?.stop.abort();
    this.#current = undefined;
    if (apiVersion === undefined) return;
    const { kind, plural, labelSelector } = this.#kind;
    const source = this.#sourceOf({ apiVersion, kind, plural, ...(labelSelector === undefined ? {} : { labelSelector }) });
    const stop = new AbortController();
    this.#current = { apiVersion, source, stop };
    source.start(onChange, AbortSignal.any([signal, stop.signal]));
  }

  #servedBy(definition: Definition | undefined): string | undefined {
    const served = new Set((definition?.spec?.versions ?? []).filter((version) => version.served === true).map(({ name }) => name));
    const version = this.#kind.versions.find((name) => served.has(name));
    return version === undefined ? undefined : `${this.#kind.group}/${version}`;
  }

  /** Undefined while the kind is not defined in a version that is understood. */
  get apiVersion(): string | undefined {
    return this.#current?.apiVersion;
  }

  /** Whether the definition is one that our charts have made, for want of another. */
  get isOurs(): boolean {
    return this.#isOurs;
  }

  /** Whether all objects are known, as far as there can be any. */
  get synced(): boolean {
    return this.#current?.source.synced ?? true;
  }

  at(key: string): T | undefined {
    return this.#current?.source.at(key) as T | undefined;
  }

  list(): readonly T[] {
    return (this.#current?.source.list() ?? []) as readonly T[];
  }
}
