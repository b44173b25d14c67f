import type { Membership } from '../hub/membership.ts';
import type { ImportedService } from '../merge/merge.ts';
import { metrics } from '../metrics.ts';
import { countPeers } from '../peers/peer-metrics.ts';

/** What metrics say of the clusterset after each pass. */
export class ClustersetMetrics {
  /** The imports that were counted last. */
  #counted: ReadonlyMap<string, ImportedService> | undefined;
  /** Ready endpoints by cluster: an import that stays the same object is counted once. */
  readonly #readyOf = new WeakMap<ImportedService, readonly (readonly [cluster: string, ready: number])[]>();

  set(membership: Membership, exportCount: number, imports: ReadonlyMap<string, ImportedService>): void {
    metrics.exports.set(exportCount);
    metrics.imports.set(imports.size);
    metrics.recordsPublished.set(membership.publishedRecords());
    metrics.hubConnected.set(membership.hubState().kind === 'connected' ? 1 : 0);
    const { leaf } = membership;
    metrics.leafConnected.set(leaf?.isConnected === true ? 1 : 0);
    metrics.mirrorLag.set(leaf?.lag ?? 0);
    metrics.mirrorRead.set(leaf?.readingSince === undefined ? 0 : 1);
    const all = [...membership.views().values()];
    for (const { cluster, overflow } of all) metrics.recordsOverflow.set({ cluster }, overflow);
    for (const complete of [true, false]) metrics.members.set({ complete: String(complete) }, all.filter((view) => view.complete === complete).length);
    countPeers(membership);
    if (imports === this.#counted) return;
    this.#counted = imports;
    const ready = new Map<string, number>();
    let conflicting = 0;
    for (const imported of imports.values()) {
      if (imported.conflicts.length > 0) conflicting += 1;
      let counts = this.#readyOf.get(imported);
      if (counts === undefined) this.#readyOf.set(imported, (counts = imported.clusters.map(({ cluster, endpoints }) => [cluster, endpoints.filter((endpoint) => endpoint.ready).length] as const)));
      for (const [cluster, count] of counts) ready.set(cluster, (ready.get(cluster) ?? 0) + count);
    }
    metrics.importConflicts.set(conflicting);
    metrics.importEndpoints.reset();
    for (const [cluster, count] of ready) metrics.importEndpoints.set({ cluster }, count);
  }
}
