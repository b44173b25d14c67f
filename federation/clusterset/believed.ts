import type { Knowledge } from '../outputs/changes.ts';
import type { ExportGuards } from '../peers/export-guards.ts';
import type { KnownClusters } from '../records/known-clusters.ts';

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

  /** The same where the same deletions are allowed. */
  get text(): string {
    return JSON.stringify([this.#known.allListed, this.all, [...this.#known.views.keys()].filter(this.isComplete).sort()]);
  }
}
