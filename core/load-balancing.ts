/** Which endpoints of a service are preferred for a client, by Istio's workload API (LoadBalancing), exactly as ztunnel ranks them. */

export type LoadBalancingScope = 'region' | 'zone' | 'subzone' | 'node' | 'cluster' | 'network';

/** `unspecified`: all are alike. `strict`: only what matches all. `passthrough`: no endpoint is needed, the original destination is. */
export type LoadBalancingMode = 'unspecified' | 'strict' | 'failover' | 'passthrough';

/** Whether endpoints that are not healthy are taken as well. */
export type HealthPolicy = 'only-healthy' | 'allow-all';

export interface LoadBalancing {
  readonly preferences: readonly LoadBalancingScope[];
  readonly mode: LoadBalancingMode;
  readonly health: HealthPolicy;
}

/** Of a service that says nothing. */
export const DEFAULT_LOAD_BALANCING: LoadBalancing = { preferences: [], mode: 'unspecified', health: 'only-healthy' };

/** Where a workload is. Empty where it is not known; unknown equals unknown. */
export interface Place {
  readonly network: string;
  readonly cluster: string;
  readonly node: string;
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

export interface Placed extends Place {
  readonly healthy: boolean;
}

export interface Ranked<T> {
  readonly endpoint: T;
  /** 0 is the best that there is; no number is left out. */
  readonly rank: number;
}

/** The endpoints that a client may use, the best first; those of equal rank in the order given. */
export function rankEndpoints<T extends Placed>(client: Place, endpoints: readonly T[], { preferences, mode, health }: LoadBalancing): Ranked<T>[] {
  const usable = health === 'allow-all' ? endpoints : endpoints.filter(({ healthy }) => healthy);
  switch (mode) {
    case 'unspecified':
      return usable.map((endpoint) => ({ endpoint, rank: 0 }));
    case 'strict':
      return usable.filter((endpoint) => matchedPreferences(client, endpoint, preferences) === preferences.length).map((endpoint) => ({ endpoint, rank: 0 }));
    case 'failover':
      return byScore(usable.map((endpoint) => ({ endpoint, score: score(client, endpoint, preferences) })));
    case 'passthrough':
      return [];
    default:
      return mode satisfies never;
  }
}

function byScore<T>(scored: readonly { readonly endpoint: T; readonly score: number }[]): Ranked<T>[] {
  const scores = [...new Set(scored.map((each) => each.score))].sort((a, b) => b - a);
  const ranks = new Map(scores.map((each, rank) => [each, rank]));
  return scored.map(({ endpoint, score: of }) => ({ endpoint, rank: ranks.get(of) ?? 0 })).sort((a, b) => a.rank - b.rank);
}

/**
 * How many leading preferences match. Where the network is the first one, an endpoint of another network is measured by
 * the others alone, and any endpoint of the client's network is better than it.
 */
function score(client: Place, place: Place, preferences: readonly LoadBalancingScope[]): number {
  const matched = matchedPreferences(client, place, preferences);
  return preferences[0] === 'network' && place.network === client.network ? matched + preferences.length - 1 : matched;
}

function matchedPreferences(client: Place, place: Place, preferences: readonly LoadBalancingScope[]): number {
  const isSkipped = (scope: LoadBalancingScope): boolean => scope === 'network' && preferences[0] === 'network' && place.network !== client.network;
  let matched = 0;
  for (const scope of preferences) {
    if (isSkipped(scope)) continue;
    if (place[scope] !== client[scope]) break;
    matched++;
  }
  return matched;
}
