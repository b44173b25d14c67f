import { isOurs, keyOf, type ServiceImport } from '../kubernetes/types.ts';
import type { ClusterView } from '../records/cluster-view.ts';
import { DEFAULT_GUARD_TIMES, type GuardState, guardOf, type GuardTimes, HANDFUL, MANY_SHARE, nextGuard, type PeerExports } from './export-guard.ts';

/** The guards of all peers, and what each is known to have exported before this process began. */
export class ExportGuards {
  readonly #times: GuardTimes;
  readonly #guards = new Map<string, GuardState>();
  /** Peers that came back with much less than is imported of them, by when that is believed. */
  readonly #doubted = new Map<string, number>();

  constructor(times: GuardTimes = DEFAULT_GUARD_TIMES) {
    this.#times = times;
  }

  /**
   * What the peers export of which what is known counts, with what is held of them.
   * @param importedOf keys of the imports that the API server has with an export of the cluster
   * @param nowMs by a clock that does not go back
   */
  apply<V extends Pick<ClusterView, 'cluster' | keyof PeerExports>>(views: readonly V[], importedOf: (cluster: string) => ReadonlySet<string>, nowMs: number): readonly V[] {
    const present = new Set(views.map(({ cluster }) => cluster));
    for (const cluster of this.#guards.keys()) if (!present.has(cluster)) this.#guards.delete(cluster);
    for (const cluster of this.#doubted.keys()) if (!present.has(cluster)) this.#doubted.delete(cluster);
    return views.map((view) => {
      const known = this.#guards.get(view.cluster);
      if (known === undefined && isMuchLess(view.services, importedOf(view.cluster))) this.#doubted.set(view.cluster, nowMs + this.#times.holdMs);
      if (nowMs >= (this.#doubted.get(view.cluster) ?? 0)) this.#doubted.delete(view.cluster);
      const guard = known === undefined ? guardOf(view) : nextGuard(known, view, nowMs, this.#times);
      this.#guards.set(view.cluster, guard);
      return guard.exports.services === view.services ? view : { ...view, services: guard.exports.services, endpoints: guard.exports.endpoints };
    });
  }

  /** Whether what the peer does not export any more may be taken for gone: not, right after this process began and found much less than it knew. */
  isBelieved(cluster: string): boolean {
    return !this.#doubted.has(cluster);
  }

  /** How many exports of a peer are held because many vanished at once. */
  heldOf(cluster: string): number {
    const guard = this.#guards.get(cluster);
    return guard?.isHolding === true ? guard.vanished.size : 0;
  }

  /** When to look again, by the same clock; undefined where nothing waits. */
  get dueMs(): number | undefined {
    const due = [...this.#doubted.values(), ...[...this.#guards.values()].flatMap(({ dueMs }) => dueMs ?? [])];
    return due.length === 0 ? undefined : Math.min(...due);
  }
}

/** Keys of our imports that have an export of the cluster. */
export function importedOf(imports: readonly ServiceImport[], cluster: string): ReadonlySet<string> {
  return new Set(imports.filter((object) => isOurs(object) && object.status?.clusters?.some((each) => each.cluster === cluster) === true).map(keyOf));
}

function isMuchLess(services: ReadonlyMap<string, unknown>, imported: ReadonlySet<string>): boolean {
  let missing = 0;
  for (const key of imported) if (!services.has(key)) missing += 1;
  return missing > HANDFUL && missing > MANY_SHARE * imported.size;
}
