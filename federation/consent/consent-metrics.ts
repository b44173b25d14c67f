import { metrics } from '../metrics.ts';
import type { ClusterConsent, ConsentReport } from './consent-report.ts';
import { DROP_REASONS } from './endpoint-confinement.ts';
import { REFUSAL_REASONS } from './import-decision.ts';
import type { JudgedImportPolicy } from './import-policies.ts';

/** Shows in the metrics what became of policies and of what others say, where it is something else than before. */
export class ConsentMetrics {
  #judged: readonly JudgedImportPolicy[] | undefined;
  #report: ConsentReport | undefined;
  /** What is shown of each cluster, which stays the same object while nothing of it changes. */
  readonly #counted = new Map<string, ClusterConsent>();

  set(judged: readonly JudgedImportPolicy[], report: ConsentReport): void {
    if (judged !== this.#judged) {
      this.#judged = judged;
      const refused = judged.filter(({ policy }) => policy.fault !== undefined).length;
      metrics.importPolicies.set({ verdict: 'accepted' }, judged.length - refused);
      metrics.importPolicies.set({ verdict: 'refused' }, refused);
    }
    if (report === this.#report) return;
    this.#report = report;
    // A cluster that is gone leaves nothing behind.
    if ([...this.#counted.keys()].some((cluster) => !report.has(cluster))) {
      this.#counted.clear();
      for (const metric of [metrics.importsRefused, metrics.endpointsDropped, metrics.exportsHeld]) metric.reset();
    }
    for (const [cluster, consent] of report) {
      if (this.#counted.get(cluster) === consent) continue;
      this.#counted.set(cluster, consent);
      const { refused, dropped, held } = consent;
      for (const reason of REFUSAL_REASONS) metrics.importsRefused.set({ cluster, reason }, refused.get(reason) ?? 0);
      for (const reason of DROP_REASONS) metrics.endpointsDropped.set({ cluster, reason }, dropped.get(reason) ?? 0);
      metrics.exportsHeld.set({ cluster }, held);
    }
  }
}
