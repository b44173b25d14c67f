import type { LoadBalancing, LoadBalancingScope } from '@landbridge/core/load-balancing.ts';
import type { ImportedService } from '../merge/merge.ts';
import { distributionBalancing } from '../registry/service-balancing.ts';
import type { ShareRules } from './shares.ts';

/**
 * Which endpoints clients of an import prefer. Its own cluster's before those of others: they are nearest, and what others
 * say of their places or numbers can not draw connections from them. What is said by percent is meant for all clients,
 * wherever they are. Where a cluster has a cap, only the own cluster goes first: among the others nobody may come before
 * the rest by a region that he claims. A traffic distribution goes by zones first, as its service wants it, where this
 * cluster has no rules of its own.
 */
export function importBalancing({ percents, caps }: ShareRules, { internalTrafficPolicy, trafficDistribution }: Partial<Pick<ImportedService, 'internalTrafficPolicy' | 'trafficDistribution'>> = {}): LoadBalancing | undefined {
  // A node is told by its cluster and its name: another cluster may have one of the same name.
  if (internalTrafficPolicy === 'Local') return { mode: 'strict', preferences: ['cluster', 'node'], health: 'only-healthy' };
  if (percents.size > 0) return undefined;
  const distribution = caps.size > 0 ? undefined : distributionBalancing(trafficDistribution);
  const preferences: readonly LoadBalancingScope[] = caps.size > 0 ? ['cluster'] : distribution === undefined ? ['network', 'region', 'cluster'] : withCluster(distribution.preferences);
  return { mode: 'failover', preferences, health: 'only-healthy' };
}

/** With the own cluster before what only it can tell, which is the node, or last. */
function withCluster(preferences: readonly LoadBalancingScope[]): readonly LoadBalancingScope[] {
  return [...preferences.filter((scope) => scope !== 'node'), 'cluster', ...preferences.filter((scope) => scope === 'node')];
}
