import type { DialReport, Dials } from '@landbridge/wire/dial-report.ts';

/** What data threads counted of dials by cluster, between two reports. */
export class DialTally {
  readonly #cluster: string;
  readonly #dials = new Map<string, Dials>();

  /** `cluster`: the agent's own, of which nothing is told. */
  constructor(cluster: string) {
    this.#cluster = cluster;
  }

  add(dials: readonly (readonly [cluster: string, opened: number, failed: number])[]): void {
    for (const [cluster, opened, failed] of dials) {
      if (cluster === '' || cluster === this.#cluster) continue;
      const known = this.#dials.get(cluster) ?? { opened: 0, failed: 0 };
      this.#dials.set(cluster, { opened: known.opened + opened, failed: known.failed + failed });
    }
  }

  take(): DialReport {
    const taken = new Map(this.#dials);
    this.#dials.clear();
    return taken;
  }
}
