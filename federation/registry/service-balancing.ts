import type { V1Service } from '@kubernetes/client-node';
import type { LoadBalancing, LoadBalancingScope } from '@landbridge/core/load-balancing.ts';
import { NO_TRAFFIC_POLICY, type TrafficPolicy } from '@landbridge/core/route-plan.ts';

/** Istio's way to say what spec.trafficDistribution says; it wins, so that a Service of an older API server can say it. */
export const DISTRIBUTION_ANNOTATION = 'networking.istio.io/traffic-distribution';

/** From the widest to the nearest, as KEP-4444 and KEP-3015 mean them. The network comes first: another one costs a gateway. */
const DISTRIBUTIONS: Readonly<Record<string, readonly LoadBalancingScope[]>> = {
  PreferClose: ['network', 'region', 'zone'],
  PreferSameZone: ['network', 'region', 'zone'],
  PreferSameNode: ['network', 'region', 'zone', 'subzone', 'node'],
};

/** Kubernetes has no other affinity than by the client's address (`spec.sessionAffinity: ClientIP`). */
export const affinityPolicy = (sessionAffinity: string | undefined): TrafficPolicy => ({ ...NO_TRAFFIC_POLICY, affinity: sessionAffinity === 'ClientIP' ? 'client-address' : 'none' });

/** Which endpoints of a Service its clients prefer; undefined where it does not say. */
export function serviceBalancing({ metadata, spec }: V1Service): LoadBalancing | undefined {
  const health = spec?.publishNotReadyAddresses === true ? 'allow-all' : 'only-healthy';
  if (spec?.internalTrafficPolicy === 'Local') return { mode: 'strict', preferences: ['node'], health };
  const distribution = metadata?.annotations?.[DISTRIBUTION_ANNOTATION] ?? spec?.trafficDistribution ?? '';
  const balancing = distributionBalancing(distribution);
  if (balancing !== undefined) return { ...balancing, health };
  return health === 'allow-all' ? { mode: 'unspecified', preferences: [], health } : undefined;
}

/** Undefined for what is no distribution. */
export function distributionBalancing(distribution = ''): LoadBalancing | undefined {
  const preferences = Object.hasOwn(DISTRIBUTIONS, distribution) ? DISTRIBUTIONS[distribution] : undefined;
  return preferences === undefined ? undefined : { mode: 'failover', preferences, health: 'only-healthy' };
}
