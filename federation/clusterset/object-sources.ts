import type { KubernetesObject } from '@kubernetes/client-node';
import type { ObjectSource, ResourceKind } from '../kubernetes/object-source.ts';
import { CRDS, OptionalSource } from '../kubernetes/optional-source.ts';
import { keyOf } from '../kubernetes/types.ts';
import { type Kind, KINDS, OPTIONAL_KINDS } from './kinds.ts';
import { PendingChanges } from './pending-changes.ts';

type OptionalName = keyof typeof OPTIONAL_KINDS;

export interface TakenChanges {
  readonly keys: Readonly<Record<Kind, ReadonlySet<string>>>;
  /** Kinds that came to be defined, or are not any more. */
  readonly redefined: ReadonlySet<OptionalName>;
}

/** All objects of the cluster that are read, and what of them changed. */
export class ObjectSources {
  readonly #required: { readonly [K in keyof typeof KINDS]: ObjectSource };
  readonly #optional: { readonly [K in OptionalName]: OptionalSource };
  /** Both of them. */
  readonly #sources: Readonly<Record<Kind, Pick<ObjectSource, 'at' | 'list'>>>;
  readonly #definitions: ObjectSource;
  readonly #pending = new PendingChanges<Kind>([...Object.keys(KINDS), ...Object.keys(OPTIONAL_KINDS)] as Kind[]);
  #redefined = new Set<OptionalName>();

  /** `sourceOf` makes a source that was not started yet. */
  constructor(sourceOf: (kind: ResourceKind) => ObjectSource) {
    this.#required = Object.fromEntries(Object.entries(KINDS).map(([name, kind]) => [name, sourceOf(kind)])) as never;
    this.#definitions = sourceOf(CRDS);
    this.#optional = Object.fromEntries(Object.entries(OPTIONAL_KINDS).map(([name, kind]) => [name, new OptionalSource(kind, sourceOf)])) as never;
    this.#sources = { ...this.#required, ...this.#optional };
  }

  get synced(): boolean {
    return this.unlisted.length === 0;
  }

  /** Names of what is not listed completely yet. */
  get unlisted(): readonly string[] {
    return Object.entries({ ...this.#required, definitions: this.#definitions, ...this.#optional }).flatMap(([name, source]) => (source.synced ? [] : [name]));
  }

  start(notify: () => void, signal: AbortSignal): void {
    for (const [name, source] of Object.entries(this.#required) as [keyof typeof KINDS, ObjectSource][]) {
      source.start(this.#noting(name, notify), signal);
      // It may have been followed before.
      if (source.synced) this.#pending.add(name, source.list().map(keyOf));
    }
    this.#definitions.start(notify, signal);
  }

  /** Follows kinds as they are defined now. */
  follow(notify: () => void, signal: AbortSignal): void {
    for (const [name, source] of Object.entries(this.#optional) as [OptionalName, OptionalSource][]) {
      const [before, wasOurs] = [source.apiVersion, source.isOurs];
      source.follow(this.#definitions, this.#noting(name, notify), signal);
      if (source.apiVersion === before && source.isOurs === wasOurs) continue;
      this.#redefined.add(name);
      this.#pending.add(name, source.list().map(keyOf));
    }
  }

  #noting(name: Kind, notify: () => void): (keys: ReadonlySet<string>) => void {
    return (keys) => {
      this.#pending.add(name, keys);
      notify();
    };
  }

  take(): TakenChanges {
    const redefined = this.#redefined;
    this.#redefined = new Set();
    return { keys: this.#pending.take(), redefined };
  }

  giveBack({ keys, redefined }: TakenChanges): void {
    this.#pending.giveBack(keys);
    for (const name of redefined) this.#redefined.add(name);
  }

  at<T extends KubernetesObject>(kind: Kind, key: string): T | undefined {
    return this.#sources[kind].at(key) as T | undefined;
  }

  list<T extends KubernetesObject>(kind: Kind): readonly T[] {
    return this.#sources[kind].list() as readonly T[];
  }

  /** The version in which the kind is read; undefined while it is not defined. */
  versionOf(kind: OptionalName): string | undefined {
    return this.#optional[kind].apiVersion;
  }

  /** Whether the definition is one of ours: then nobody else reads its objects. */
  isOurs(kind: OptionalName): boolean {
    return this.#optional[kind].isOurs;
  }
}
