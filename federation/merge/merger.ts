import { type Constituent, type ImportedService, mergeService } from './merge.ts';

interface Merged {
  readonly parts: readonly unknown[];
  readonly imported: ImportedService;
}

/** Merges as {@link merge} does, each service again only where what a cluster says of it is another object than before: records that do not change stay the same. */
export class Merger {
  readonly #known = new Map<string, Merged>();

  /** Yields between services. */
  *merge(constituents: readonly Constituent[]): Generator<void, { readonly imports: ReadonlyMap<string, ImportedService>; readonly changed: ReadonlySet<string> }> {
    const changed = new Set<string>();
    const keys = new Set<string>();
    for (const { services } of constituents) for (const key of services.keys()) keys.add(key);
    const imports = new Map<string, ImportedService>();
    for (const key of [...keys].sort()) {
      const parts = partsOf(key, constituents);
      let merged = this.#known.get(key);
      if (merged === undefined || !areSame(merged.parts, parts)) {
        merged = { parts, imported: mergeService(key, constituents) };
        this.#known.set(key, merged);
        changed.add(key);
      }
      imports.set(key, merged.imported);
      yield;
    }
    for (const key of this.#known.keys()) {
      if (keys.has(key)) continue;
      this.#known.delete(key);
      changed.add(key);
    }
    return { imports, changed };
  }
}

function partsOf(key: string, constituents: readonly Constituent[]): readonly unknown[] {
  const parts: unknown[] = [];
  for (const { cluster, trustDomain, network, services, endpoints } of constituents) {
    const record = services.get(key);
    if (record !== undefined) parts.push(cluster, trustDomain, network, record, endpoints.get(key));
  }
  return parts;
}

const areSame = (a: readonly unknown[], b: readonly unknown[]): boolean => a.length === b.length && a.every((each, i) => each === b[i]);
