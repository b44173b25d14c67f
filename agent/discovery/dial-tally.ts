import type { DialReport, Dials } from '@landbridge/wire/dial-report.ts';

/** What data threads counted of dials by cluster, between two reports. */
export class DialTally {
  readonly #cluster: string;
  readonly #dials = new Map<string, Dials>();
  /** Of what was taken last. */
  #failedBefore: ReadonlySet<string> = new Set();
  #newFailure = Promise.withResolvers<void>();

  /** `cluster`: the agent's own, of which nothing is told. */
  constructor(cluster: string) {
    this.#cluster = cluster;
  }

  add(dials: readonly (readonly [cluster: string, opened: number, failed: number])[]): void {
    for (const [cluster, opened, failed] of dials) {
      if (cluster === '' || cluster === this.#cluster) continue;
      const known = this.#dials.get(cluster) ?? { opened: 0, failed: 0 };
      this.#dials.set(cluster, { opened: known.opened + opened, failed: known.failed + failed });
      if (failed > 0 && !this.#failedBefore.has(cluster)) this.#newFailure.resolve();
    }
  }

  /** Resolves once dials of a cluster fail of which none has in what was taken last. */
  get newFailure(): Promise<void> {
    return this.#newFailure.promise;
  }

  take(): DialReport {
    const taken = new Map(this.#dials);
    this.#dials.clear();
    this.#failedBefore = new Set([...taken].flatMap(([cluster, { failed }]) => (failed > 0 ? [cluster] : [])));
    this.#newFailure = Promise.withResolvers();
    return taken;
  }
}
