import type { LoadBalancing } from '@landbridge/core/load-balancing.ts';
import type { ImportedService } from '../merge/merge.ts';

/**
 * A place where no client is. WDS has no word for an endpoint that comes after all others, but clients that fall back by
 * subzone, as ztunnel does it too, find every other endpoint nearer: subzones are empty unless a node has Istio's label.
 */
const STALE_SUBZONE = 'landbridge-stale';

/** Of the workloads of a cluster. */
export function subzoneOf({ isLast }: Pick<ImportedService['clusters'][number], 'isLast'>): string {
  return isLast === true ? STALE_SUBZONE : '';
}

/** Of a service that prefers endpoints of clusters that are not last, and of those, what it prefers anyway. */
export function othersFirst(balancing: LoadBalancing | undefined): LoadBalancing {
  if (balancing === undefined || balancing.mode === 'unspecified') return { preferences: ['subzone'], mode: 'failover', health: balancing?.health ?? 'only-healthy' };
  // One that takes no others than the nearest falls back to nobody.
  return balancing.mode === 'failover' ? { ...balancing, preferences: ['subzone', ...balancing.preferences.filter((scope) => scope !== 'subzone')] } : balancing;
}
