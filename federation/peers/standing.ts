/** Where the endpoints of a cluster stand beside those of others, as its state and the policy for stale peers have it. */
import type { ImportedService } from '../merge/merge.ts';
import type { PeerPhase } from './peer-health.ts';

/** What becomes of the endpoints of a Stale peer: nothing; they come after all others; or, after a time, they go. */
export type StalePolicy = 'keep' | 'deprioritize' | 'drop';

/** `last`: used where no other endpoint of the service is ready. `gone`: not even then, unless there is no other at all. */
export type Standing = 'first' | 'last' | 'gone';

/** `dropMs` of 0: never. */
export function standingOf(phase: PeerPhase | undefined, silentMs: number, { policy, dropMs }: { readonly policy: StalePolicy; readonly dropMs: number }): Standing {
  if (phase !== 'stale' || policy === 'keep') return 'first';
  return policy === 'drop' && dropMs > 0 && silentMs >= dropMs ? 'gone' : 'last';
}

/**
 * The import with the standing of its clusters. A service whose only ready endpoints are those of stale peers keeps them
 * as they are: a connection that may fail is better than one that must. Pods of a headless service are called by their
 * names, and none can stand in for another.
 */
export function withStanding(imported: ImportedService, standings: ReadonlyMap<string, Standing>): ImportedService {
  const standing = (cluster: string): Standing => standings.get(cluster) ?? 'first';
  if (imported.clusters.every(({ cluster }) => standing(cluster) === 'first')) return imported;
  const hasOthers = imported.type !== 'Headless' && imported.clusters.some(({ cluster, reach, endpoints }) => standing(cluster) === 'first' && reach !== 'none' && endpoints.some(({ ready }) => ready));
  const clusters = imported.clusters.map((part) => {
    const stands = standing(part.cluster);
    return stands === 'first' ? part : { ...part, isLast: true, endpoints: stands === 'gone' && hasOthers ? [] : part.endpoints };
  });
  return { ...imported, clusters, prefersOthers: hasOthers };
}

/** Whether an endpoint of the part is to be passed over, where that can only be said of endpoints one by one. */
export function isPassedOver({ prefersOthers }: ImportedService, { isLast }: ImportedService['clusters'][number]): boolean {
  return prefersOthers === true && isLast === true;
}

/** Likewise, where no way leads through gateways: others count only where their addresses can be reached. */
export function isPassedOverDirectly(imported: ImportedService, part: ImportedService['clusters'][number]): boolean {
  return isPassedOver(imported, part) && imported.clusters.some(({ isLast, reach = 'direct', endpoints }) => isLast !== true && reach === 'direct' && endpoints.some(({ ready }) => ready));
}
