/** The table of direct routes for tests, and a clock. */
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { type DirectCounts, NO_DIRECT_COUNTS } from '@landbridge/ebpf/direct-layout.ts';
import type { DirectRoute } from '../capture/direct-routes.ts';
import { DirectTraffic } from './direct-traffic.ts';
import type { SeriesDelta } from './thread-messages.ts';
import { KERNEL } from './traffic-metrics.ts';

/** A kernel whose connections the test makes. */
export function fakeKernel() {
  const routes = new Map<bigint, { isLive: boolean; isRetired: boolean; readonly at: string; counts: DirectCounts[] }>();
  const deltas: SeriesDelta[] = [];
  let nowMs = 0;
  let nextId = 1n;
  const of = (route: DirectRoute) => routes.get(route.id) ?? { isLive: false, isRetired: false, at: '', counts: [] };
  const table = {
    add: (netns: bigint, destination: SocketAddress, backends: readonly unknown[]): DirectRoute => {
      const at = `${netns} ${destination.ip} ${destination.port}`;
      for (const other of routes.values()) if (other.at === at) other.isLive = other.isRetired = false;
      const route = { id: nextId++, key: Buffer.alloc(0), backends: backends.length };
      routes.set(route.id, { isLive: true, isRetired: false, at, counts: backends.map(() => NO_DIRECT_COUNTS) });
      return route;
    },
    retire: (route: DirectRoute) => void Object.assign(of(route), { isLive: false, isRetired: true }),
    withdraw: (route: DirectRoute) => void Object.assign(of(route), { isLive: false, isRetired: false }),
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
    /** Not chosen any more; connections that were begun go on. */
    retired: () => [...routes].flatMap(([id, { isRetired }]) => (isRetired ? [id] : [])),
    known: () => [...routes.keys()],
    /** As another agent does that begins. */
    clear: () => routes.clear(),
  };
}
