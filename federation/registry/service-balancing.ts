import type { V1Service } from '@kubernetes/client-node';
import type { LoadBalancing, LoadBalancingScope } from '@landbridge/core/load-balancing.ts';

/** Istio's way to say what spec.trafficDistribution says; it wins, so that a Service of an older API server can say it. */
export const DISTRIBUTION_ANNOTATION = 'networking.istio.io/traffic-distribution';

/** From the widest to the nearest, as KEP-4444 and KEP-3015 mean them. The network comes first: another one costs a gateway. */
const DISTRIBUTIONS: Readonly<Record<string, readonly LoadBalancingScope[]>> = {
  PreferClose: ['network', 'region', 'zone'],
  PreferSameZone: ['network', 'region', 'zone'],
  PreferSameNode: ['network', 'region', 'zone', 'subzone', 'node'],
};

/**
 * Which endpoints of a Service its clients prefer; undefined where it does not say. Session affinity has no form in the
 * workload API, and is not among it.
 */
export function serviceBalancing({ metadata, spec }: V1Service): LoadBalancing | undefined {
  const health = spec?.publishNotReadyAddresses === true ? 'allow-all' : 'only-healthy';
  if (spec?.internalTrafficPolicy === 'Local') return { mode: 'strict', preferences: ['node'], health };
  const distribution = metadata?.annotations?.[DISTRIBUTION_ANNOTATION] ?? spec?.trafficDistribution ?? '';
  const preferences = Object.hasOwn(DISTRIBUTIONS, distribution) ? DISTRIBUTIONS[distribution] : undefined;
  if (preferences !== undefined) return { mode: 'failover', preferences, health };
  return health === 'allow-all' ? { mode: 'unspecified', preferences: [], health } : undefined;
}
