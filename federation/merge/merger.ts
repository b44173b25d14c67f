import { type Standing, withStanding } from '../peers/standing.ts';
import { type Constituent, type ImportedService, mergeService, sightings } from './merge.ts';
import { ExportIndex } from './export-index.ts';
import { keptPrecedence, precedence } from './precedence.ts';

interface Merged {
  /** What clusters said. */
  readonly parts: readonly unknown[];
  /** What was known of the order: whether all clusters, and what was written. */
  readonly isSettled: boolean;
  readonly written: readonly string[];
  /** Who decides, and what is kept of that. */
  readonly order: string;
  readonly imported: ImportedService;
}

/** What decides, besides the exports themselves. */
export interface MergeMoment {
  readonly nowMs: number;
  /** The order of clusters that stands in a service's import in this cluster, where all replicas and those that come after find it. */
  readonly written: (key: string) => readonly string[];
  readonly isComplete: (cluster: string) => boolean;
  /** Whether every cluster that may have exported something before is listed. */
  readonly isSettled: boolean;
  /** Services of which `written` may answer something else than in the pass before; any may where it is left out. */
  readonly rewritten?: ReadonlySet<string>;
}

/**
 * Merges each service again only where what a cluster says of it is another object than before, stands elsewhere, or another
 * cluster decides: records that do not change stay the same. Services about which nothing can be different are not looked at.
 */
export class Merger {
  readonly #known = new Map<string, Merged>();
  readonly #exports = new ExportIndex();
  /** Services whose order is not settled: time and what is known of others may change it. */
  readonly #open = new Set<string>();
  /** Since a pass came to its end. */
  #changed = new Set<string>();
  #imports: ReadonlyMap<string, ImportedService> = new Map();
  #isSettled: boolean | undefined;

  /** Yields between services. `imports` is the same map as before where nothing of it changed. */
  *merge(constituents: readonly Constituent[], moment: MergeMoment): Generator<void, { readonly imports: ReadonlyMap<string, ImportedService>; readonly changed: ReadonlySet<string> }> {
    const changed = this.#changed;
    const standings = new Map(constituents.map(({ cluster, standing = 'first' }) => [cluster, standing]));
    const touched = this.#exports.update(constituents);
    const all = moment.rewritten === undefined || moment.isSettled !== this.#isSettled;
    for (const keys of [touched, all ? this.#exports.keys() : (moment.rewritten ?? [])]) for (const key of keys) this.#open.add(key);
    this.#isSettled = moment.isSettled;
    for (const key of [...this.#open].sort()) {
      const exporting = this.#exports.of(key);
      const before = this.#known.get(key);
      if (exporting.length === 0) {
        this.#open.delete(key);
        if (this.#known.delete(key)) changed.add(key);
        continue;
      }
      const merged = this.#mergeOne(key, exporting, standings, moment, before);
      if (merged !== before) this.#known.set(key, merged);
      if (merged.imported !== before?.imported) changed.add(key);
      if (isFinal(merged, exporting)) this.#open.delete(key);
      yield;
    }
    this.#imports = this.#withChanged(changed);
    this.#changed = new Set();
    return { imports: this.#imports, changed };
  }

  /** Sorted by key. */
  #withChanged(changed: ReadonlySet<string>): ReadonlyMap<string, ImportedService> {
    if (changed.size === 0 && this.#imports.size === this.#known.size) return this.#imports;
    const isSameSet = this.#imports.size === this.#known.size && [...changed].every((key) => this.#imports.has(key) && this.#known.has(key));
    if (!isSameSet) return new Map([...this.#known].map(([key, { imported }]) => [key, imported] as const).sort(([a], [b]) => (a < b ? -1 : 1)));
    const imports = new Map(this.#imports);
    for (const key of changed) imports.set(key, (this.#known.get(key) as Merged).imported);
    return imports;
  }

  #mergeOne(key: string, exporting: readonly Constituent[], standings: ReadonlyMap<string, Standing>, moment: MergeMoment, before: Merged | undefined): Merged {
    const { isSettled } = moment;
    const parts = partsOf(key, exporting);
    const written = moment.written(key);
    const saysTheSame = before !== undefined && areSame(before.parts, parts);
    if (saysTheSame && before.isSettled === isSettled && isFinal(before, exporting) && areSame(before.written, written)) return before;
    const remembered = [...new Set([...written, ...(before?.imported.precedence ?? [])])];
    const order = precedence(remembered, sightings(key, exporting), moment.nowMs);
    const kept = keptPrecedence(remembered, order, moment);
    const text = `${order.join()} ${kept.join()}`;
    const imported = saysTheSame && before.order === text ? before.imported : withStanding(mergeService(key, exporting, { order, kept }), standings);
    return { parts, isSettled, written, order: text, imported };
  }
}

/** Where each that exports has its place, and nobody else one, nothing but what they say, or what is written, can change the order. */
const isFinal = ({ imported }: Merged, exporting: readonly Constituent[]): boolean => imported.precedence.length === exporting.length;

function partsOf(key: string, constituents: readonly Constituent[]): readonly unknown[] {
  const parts: unknown[] = [];
  for (const { cluster, trustDomain, network, reach, services, endpoints, maxShares, standing } of constituents) {
    const record = services.get(key);
    if (record !== undefined) parts.push(cluster, trustDomain, network, reach, record, endpoints.get(key), maxShares?.get(key), standing);
  }
  return parts;
}

const areSame = (a: readonly unknown[], b: readonly unknown[]): boolean => a.length === b.length && a.every((each, i) => each === b[i]);
