import type { KubernetesObject } from '@kubernetes/client-node';
import { isOurs, keyOf, MCS_SERVICE_LABEL } from '../kubernetes/types.ts';

/** The objects that this service has written, by the import that they are for: `<namespace>/<name>`. */
export class OwnObjects {
  readonly #byImport = new Map<string, Map<string, KubernetesObject>>();
  /** The import of each, by kind and key. */
  readonly #imports = new Map<string, string>();

  /** What the API server has under a key of a kind now. Returns the imports that this is about: the one before, and the one of now. */
  set(kind: string, key: string, object: KubernetesObject | undefined): readonly string[] {
    const id = `${kind} ${key}`;
    const before = this.#imports.get(id);
    if (before !== undefined) {
      const objects = this.#byImport.get(before);
      objects?.delete(id);
      if (objects?.size === 0) this.#byImport.delete(before);
      this.#imports.delete(id);
    }
    if (object === undefined || !isOurs(object)) return before === undefined ? [] : [before];
    const now = importOf(kind, object);
    const objects = this.#byImport.get(now);
    if (objects === undefined) this.#byImport.set(now, new Map([[id, object]]));
    else objects.set(id, object);
    this.#imports.set(id, now);
    return before === undefined || before === now ? [now] : [before, now];
  }

  /** Forgets a kind that is no longer defined. Returns the imports that this is about. */
  forget(kind: string): readonly string[] {
    return [...this.#imports.keys()].filter((id) => id.startsWith(`${kind} `)).flatMap((id) => this.set(kind, id.slice(kind.length + 1), undefined));
  }

  of(key: string): readonly KubernetesObject[] {
    return [...(this.#byImport.get(key)?.values() ?? [])];
  }

  /** Imports for which there are any. */
  imports(): Iterable<string> {
    return this.#byImport.keys();
  }
}

function importOf(kind: string, object: KubernetesObject): string {
  return kind === 'imports' ? keyOf(object) : `${object.metadata?.namespace ?? ''}/${object.metadata?.labels?.[MCS_SERVICE_LABEL] ?? ''}`;
}
