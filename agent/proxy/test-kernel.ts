/** The table of direct routes for tests, and a clock. */
import { type DirectCounts, NO_DIRECT_COUNTS } from '@landbridge/ebpf/direct-layout.ts';
import type { DirectRoute } from '../capture/direct-routes.ts';
import { DirectTraffic } from './direct-traffic.ts';
import type { SeriesDelta } from './thread-messages.ts';
import { KERNEL } from './traffic-metrics.ts';

/** A kernel whose connections the test makes. */
export function fakeKernel() {
  const routes = new Map<bigint, { isLive: boolean; counts: DirectCounts[] }>();
  const deltas: SeriesDelta[] = [];
  let nowMs = 0;
  let nextId = 1n;
  const of = (route: DirectRoute) => routes.get(route.id) ?? { isLive: false, counts: [] };
  const table = {
    add: (_: bigint, __: unknown, backends: readonly unknown[]): DirectRoute => {
      const route = { id: nextId++, key: Buffer.alloc(0), backends: backends.length };
      routes.set(route.id, { isLive: true, counts: backends.map(() => NO_DIRECT_COUNTS) });
      return route;
    },
    withdraw: (route: DirectRoute) => void (of(route).isLive = false),
    counts: (route: DirectRoute, index: number) => of(route).counts[index],
    forget: (route: DirectRoute) => void routes.delete(route.id),
    renew: () => {},
    clear: () => {},
  };
  const metrics = {
    count: (source: number, some: readonly SeriesDelta[]) => {
      if (source === KERNEL) deltas.push(...some);
    },
  };
  return {
    traffic: new DirectTraffic(table, metrics, () => nowMs),
    deltas,
    pass: (ms: number) => void (nowMs += ms),
    happens: (id: bigint, index: number, counts: Partial<DirectCounts>) => void ((routes.get(id) as { counts: DirectCounts[] }).counts[index] = { ...NO_DIRECT_COUNTS, ...counts }),
    counts: (id: bigint): readonly DirectCounts[] => routes.get(id)?.counts ?? [],
    live: () => [...routes].flatMap(([id, { isLive }]) => (isLive ? [id] : [])),
    known: () => [...routes.keys()],
    /** As another agent does that begins. */
    clear: () => routes.clear(),
  };
}
