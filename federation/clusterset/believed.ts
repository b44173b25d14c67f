import type { Knowledge } from '../outputs/changes.ts';
import type { ExportGuards } from '../peers/export-guards.ts';
import type { KnownClusters } from '../records/known-clusters.ts';

/** Of whom everything is known. */
export interface KnownExtent {
  readonly allListed: boolean;
  readonly all: boolean;
  /** Names of clusters. */
  readonly complete: ReadonlySet<string>;
}

export const NOTHING_KNOWN: KnownExtent = { allListed: false, all: false, complete: new Set() };

export function isSameExtent(a: KnownExtent, b: KnownExtent): boolean {
  return a.allListed === b.allListed && a.all === b.all && a.complete.size === b.complete.size && a.complete.isSubsetOf(b.complete);
}

/** What may be taken for gone: by what was known at one moment, and by what the guards of peers believe. */
export class Believed implements Knowledge {
  readonly #own: string;
  readonly #known: KnownClusters;
  readonly #guards: Pick<ExportGuards, 'isBelieved'>;

  /** `own`: the name of this cluster. */
  constructor(own: string, known: KnownClusters, guards: Pick<ExportGuards, 'isBelieved'>) {
    this.#own = own;
    this.#known = known;
    this.#guards = guards;
  }

  readonly isComplete = (cluster: string): boolean => cluster === this.#own || (this.#known.isComplete(cluster) && this.#guards.isBelieved(cluster));

  readonly isProvisional = (cluster: string): boolean => this.#known.views.get(cluster)?.isProvisional === true;

  get all(): boolean {
    return this.#known.allComplete && [...this.#known.views.keys()].every((cluster) => this.#guards.isBelieved(cluster));
  }

  /** What follows from it for all that was written: the same where the same deletions are allowed. */
  get extent(): KnownExtent {
    return { allListed: this.#known.allListed, all: this.all, complete: new Set([...this.#known.views.keys()].filter(this.isComplete)) };
  }
}
