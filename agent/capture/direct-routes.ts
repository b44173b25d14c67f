import { type AliasColumn, aliasTable } from '@landbridge/core/alias-table.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { DIRECT_BACKEND_KEY_BYTES, DIRECT_COUNTS_BYTES, DIRECT_LEASE_KEY, DIRECT_ROUTE_KEY_BYTES, directBackendKey, directBackendValue, type DirectCounts, directLeaseValue, type DirectMap, directRouteKey, directRouteValue, firstIdOf, sumDirectCounts } from '@landbridge/ebpf/direct-layout.ts';
import type { BpfMap } from '@landbridge/native/bpf-map.ts';
import { SystemCallError } from '@landbridge/native/errno.ts';
import { possibleCpus } from '@landbridge/native/libbpf.ts';

/** How long the kernel goes by what the agent last knew, once the agent is gone or stands still. */
export const LEASE_MS = 3000;

/** The map is full (bpf(2)), or the node's memory is. */
const NO_ROOM: ReadonlySet<string> = new Set(['E2BIG', 'ENOMEM', 'ENOSPC']);

/** Where the kernel may send connections to one destination of one pod. */
export interface DirectBackend {
  readonly address: SocketAddress;
  /** Share of connections, more than 0. */
  readonly weight: number;
}

/** A route that is, or was, in the kernel. */
export interface DirectRoute {
  readonly id: bigint;
  readonly key: Buffer;
  readonly backends: number;
}

/**
 * The kernel's table of destinations that need no agent (ebpf/programs/direct.h). It is one agent's at a time: the last
 * one that began, which removes what there is. Routes hold only while {@link renew} is called: without an agent nothing
 * of the table is believed.
 */
export class DirectRoutes {
  readonly #routes: BpfMap;
  readonly #backends: BpfMap;
  readonly #counts: BpfMap;
  readonly #lease: BpfMap;
  readonly #noCounts: Buffer;
  /** The time since the machine started: those of every agent before are smaller. */
  readonly #firstId = process.hrtime.bigint();
  #nextId = this.#firstId;

  /** @throws SystemCallError */
  constructor(map: (name: DirectMap, values?: number) => BpfMap) {
    const cpus = possibleCpus();
    this.#routes = map('direct_routes');
    this.#backends = map('direct_backends');
    this.#counts = map('direct_counts', cpus);
    this.#lease = map('direct_lease');
    this.#noCounts = Buffer.alloc(DIRECT_COUNTS_BYTES * cpus);
    this.#setLease(0n);
    this.#empty();
  }

  /** Whether no other agent has begun since. What this one knows does not count any more otherwise. @throws SystemCallError */
  get #isOurs(): boolean {
    const lease = this.#lease.get(DIRECT_LEASE_KEY);
    return lease !== undefined && firstIdOf(lease) === this.#firstId;
  }

  /** In the place of what there is for the destination. Undefined where there is no room, or the table is another agent's. @throws SystemCallError */
  add(netnsCookie: bigint, destination: SocketAddress, backends: readonly DirectBackend[]): DirectRoute | undefined {
    if (!this.#isOurs) return undefined;
    const route: DirectRoute = { id: this.#nextId++, key: directRouteKey(netnsCookie, destination), backends: backends.length };
    const columns = aliasTable(backends.map(({ weight }) => weight));
    try {
      for (const [index, { address }] of backends.entries()) {
        const { threshold, alias } = columns[index] as AliasColumn;
        this.#counts.set(directBackendKey(route.id, index), this.#noCounts);
        this.#backends.set(directBackendKey(route.id, index), directBackendValue(address, threshold, alias));
      }
      // Last: what it refers to is there.
      this.#routes.set(route.key, directRouteValue(route.id, route.backends));
      return route;
    } catch (thrown) {
      this.forget(route);
      if (thrown instanceof SystemCallError && NO_ROOM.has(thrown.errno)) return undefined;
      throw thrown;
    }
  }

  /** From the return on no connection begins by the route, not even one whose connect() was under way. @throws SystemCallError */
  withdraw(route: DirectRoute): void {
    if (this.#isOurs) this.#routes.delete(route.key);
  }

  /** What happened to the connections of a backend since the route was added; undefined where another agent has removed it. @throws SystemCallError */
  counts(route: DirectRoute, index: number): DirectCounts | undefined {
    const values = this.#counts.get(directBackendKey(route.id, index));
    return values === undefined ? undefined : sumDirectCounts(values);
  }

  /** Of a route that was withdrawn: those of its connections that are still open are not counted any more. @throws SystemCallError */
  forget(route: DirectRoute): void {
    for (let index = 0; index < route.backends; index++) for (const map of [this.#backends, this.#counts]) map.delete(directBackendKey(route.id, index));
  }

  /** Lets the routes hold for {@link LEASE_MS} from now. @throws SystemCallError */
  renew(): void {
    if (this.#isOurs) this.#setLease(process.hrtime.bigint() + BigInt(LEASE_MS) * 1_000_000n);
  }

  /** Withdraws and forgets everything. @throws SystemCallError */
  clear(): void {
    if (!this.#isOurs) return;
    this.#setLease(0n);
    this.#empty();
  }

  #empty(): void {
    for (const key of this.#routes.keys(DIRECT_ROUTE_KEY_BYTES)) this.#routes.delete(key);
    for (const map of [this.#backends, this.#counts]) for (const key of map.keys(DIRECT_BACKEND_KEY_BYTES)) map.delete(key);
  }

  /** By bpf_ktime_get_ns(), which is the clock of process.hrtime(): CLOCK_MONOTONIC. */
  #setLease(untilNs: bigint): void {
    this.#lease.set(DIRECT_LEASE_KEY, directLeaseValue(this.#firstId, untilNs));
  }
}
