import type { Constituent } from './merge.ts';

/** Who exports each service, kept from one look to the next, so that only what differs is looked at. */
export class ExportIndex {
  readonly #constituents = new Map<string, Constituent>();
  /** By service, then by cluster. */
  readonly #exporters = new Map<string, Map<string, Constituent>>();

  /** Takes note of what clusters say now. Returns the services of which one may say something else than before. */
  update(constituents: readonly Constituent[]): ReadonlySet<string> {
    const touched = new Set<string>();
    const present = new Set(constituents.map(({ cluster }) => cluster));
    for (const [cluster, before] of this.#constituents) {
      if (present.has(cluster)) continue;
      for (const key of before.services.keys()) this.#withdraw(key, cluster, touched);
      this.#constituents.delete(cluster);
    }
    for (const constituent of constituents) this.#take(constituent, touched);
    return touched;
  }

  /** Clusters that export the service, sorted by name. */
  of(key: string): readonly Constituent[] {
    return [...(this.#exporters.get(key)?.values() ?? [])].sort((a, b) => (a.cluster < b.cluster ? -1 : 1));
  }

  keys(): Iterable<string> {
    return this.#exporters.keys();
  }

  #take(constituent: Constituent, touched: Set<string>): void {
    const { cluster, services } = constituent;
    const before = this.#constituents.get(cluster);
    if (before !== undefined && isSameAtAll(before, constituent)) return;
    this.#constituents.set(cluster, constituent);
    for (const key of before?.services.keys() ?? []) if (!services.has(key)) this.#withdraw(key, cluster, touched);
    const isSameCluster = before !== undefined && isSameBesides(before, constituent);
    for (const key of services.keys()) {
      let exporters = this.#exporters.get(key);
      if (exporters === undefined) this.#exporters.set(key, (exporters = new Map()));
      exporters.set(cluster, constituent);
      if (!isSameCluster || !saysTheSame(before, constituent, key)) touched.add(key);
    }
  }

  #withdraw(key: string, cluster: string, touched: Set<string>): void {
    const exporters = this.#exporters.get(key);
    exporters?.delete(cluster);
    if (exporters?.size === 0) this.#exporters.delete(key);
    touched.add(key);
  }
}

const isSameAtAll = (a: Constituent, b: Constituent): boolean => a.services === b.services && a.endpoints === b.endpoints && a.maxShares === b.maxShares && isSameBesides(a, b);

/** All that is not said of a single service. */
const isSameBesides = (a: Constituent, b: Constituent): boolean => a.trustDomain === b.trustDomain && a.network === b.network && a.reach === b.reach && a.joinedAt === b.joinedAt && a.standing === b.standing;

const saysTheSame = (a: Constituent, b: Constituent, key: string): boolean => a.services.get(key) === b.services.get(key) && a.endpoints.get(key) === b.endpoints.get(key) && a.maxShares?.get(key) === b.maxShares?.get(key);
