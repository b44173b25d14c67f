import { crc32 } from 'node:zlib';
import type { Endpoint } from '@landbridge/core/records.ts';

/** How many ready endpoints a cluster has in a service, and at most how many in a hundred of all it may have. */
export interface Part {
  readonly ready: number;
  readonly maxSharePercent: number | undefined;
}

/**
 * How many of its ready endpoints count of each part, so that no cluster has more of the whole than its cap, and as many
 * count as can. A cap limits a cluster beside others: who is alone serves all, and no cluster is left without any.
 */
export function capShares(parts: readonly Part[]): readonly number[] {
  const some = parts.filter(({ ready }) => ready > 0);
  if (some.length === 0) return parts.map(() => 0);
  const percents = some.map(({ maxSharePercent = 100 }) => maxSharePercent);
  // Caps that can not all hold, such as two of 30, keep their ratio.
  const whole = Math.min(100, percents.reduce((sum, percent) => sum + percent, 0));
  let counts = parts.map(({ ready }) => ready);
  for (;;) {
    const total = counts.reduce((sum, count) => sum + count, 0);
    const next = counts.map((count, i) => Math.min(count, Math.max(1, Math.floor(((parts[i]?.maxSharePercent ?? 100) * total) / whole))));
    if (next.every((count, i) => count === counts[i])) return counts;
    counts = next;
  }
}

interface Shared {
  readonly cluster: string;
  readonly endpoints: readonly Endpoint[];
  readonly maxSharePercent: number | undefined;
}

/**
 * The clusters of a service, each with as many ready endpoints as its cap allows. Fewer endpoints, and not smaller weights,
 * since EndpointSlices have none. Which ones stay depends on each by itself, so that they stay when others come and go.
 */
export function keepShares<T extends Shared>(parts: readonly T[]): readonly (Omit<T, 'maxSharePercent'> & { readonly maxSharePercent?: number })[] {
  const isCapped = parts.some(({ maxSharePercent }) => maxSharePercent !== undefined);
  const counts = isCapped ? capShares(parts.map(({ endpoints, maxSharePercent }) => ({ ready: readyOf(endpoints).length, maxSharePercent }))) : [];
  return parts.map(({ maxSharePercent, ...part }, i) => ({ ...part, ...(maxSharePercent === undefined ? {} : { maxSharePercent }), endpoints: isCapped ? keepReady(part.cluster, part.endpoints, counts[i] ?? 0) : part.endpoints }));
}

const readyOf = (endpoints: readonly Endpoint[]): readonly Endpoint[] => endpoints.filter(({ ready }) => ready);

function keepReady(cluster: string, endpoints: readonly Endpoint[], count: number): readonly Endpoint[] {
  const ready = readyOf(endpoints);
  if (ready.length <= count) return endpoints;
  const order = ready.map((endpoint) => ({ endpoint, at: crc32(`${cluster}/${endpoint.workload}`) })).sort((a, b) => a.at - b.at || (a.endpoint.workload < b.endpoint.workload ? -1 : 1));
  const kept = new Set(order.slice(0, count).map(({ endpoint }) => endpoint));
  return endpoints.filter((endpoint) => !endpoint.ready || kept.has(endpoint));
}
