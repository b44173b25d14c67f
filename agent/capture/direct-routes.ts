import { type AliasColumn, aliasTable } from '@landbridge/core/alias-table.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { DIRECT_BACKEND_KEY_BYTES, DIRECT_COUNTS_BYTES, DIRECT_LEASE_KEY, DIRECT_ROUTE_KEY_BYTES, directBackendKey, directBackendValue, type DirectCounts, directGraceValue, directLeaseValue, type DirectMap, directRouteKey, directRouteValue, firstIdOf, idOfRoute, leasedUntil, routeOfBackend, sumDirectCounts } from '@landbridge/ebpf/direct-layout.ts';
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
 * one that began. Routes hold only while {@link renew} is called: without an agent nothing of the table is believed.
 * What the agent before allowed is not chosen any more; connections that had been, and whose SYN has not left or must be
 * sent again, may still leave by it until the lease of that agent ends, or it withdraws something.
 */
export class DirectRoutes {
  readonly #routes: BpfMap;
  readonly #backends: BpfMap;
  readonly #counts: BpfMap;
  readonly #lease: BpfMap;
  readonly #grace: BpfMap;
  readonly #noCounts: Buffer;
  /** The time since the machine started: those of every agent before are smaller. */
  readonly #firstId = process.hrtime.bigint();
  #nextId = this.#firstId;
  /** Until when there are routes of agents before, in ns of the clock; undefined where there are none. */
  #othersUntil: bigint | undefined;

  /** @throws SystemCallError */
  constructor(map: (name: DirectMap, values?: number) => BpfMap) {
    const cpus = possibleCpus();
    this.#routes = map('direct_routes');
    this.#backends = map('direct_backends');
    this.#counts = map('direct_counts', cpus);
    this.#lease = map('direct_lease');
    this.#grace = map('direct_grace');
    this.#noCounts = Buffer.alloc(DIRECT_COUNTS_BYTES * cpus);
    const before = this.#lease.get(DIRECT_LEASE_KEY);
    this.#othersUntil = before === undefined ? 0n : leasedUntil(before);
    // First: once the lease is taken, the agent before ends by it what it would withdraw.
    this.#grace.set(DIRECT_LEASE_KEY, directGraceValue(this.#othersUntil));
    this.#setLease(0n);
    this.#forgetOthers();
  }

  /** Whether no other agent has begun since. What this one knows does not count any more otherwise. @throws SystemCallError */
  get #isOurs(): boolean {
    const lease = this.#lease.get(DIRECT_LEASE_KEY);
    return lease !== undefined && firstIdOf(lease) === this.#firstId;
  }

  /** At once in the place of what there is for the destination. Undefined where there is no room, or the table is another agent's. @throws SystemCallError */
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
    if (this.#isOurs) this.#delete(route);
    else this.#grace.set(DIRECT_LEASE_KEY, directGraceValue(0n));
  }

  /** From the return on no connect() chooses the route; those that were under way go on by it, until it is withdrawn or forgotten. @throws SystemCallError */
  retire(route: DirectRoute): void {
    if (this.#isOurs && this.#holds(route)) this.#routes.set(route.key, directRouteValue(route.id, route.backends, { isRetired: true }));
  }

  #holds({ id, key }: DirectRoute): boolean {
    const value = this.#routes.get(key);
    return value !== undefined && idOfRoute(value) === id;
  }

  /** Another one may have its place. */
  #delete(route: DirectRoute): void {
    if (this.#holds(route)) this.#routes.delete(route.key);
  }

  /** What happened to the connections of a backend since the route was added; undefined where another agent has removed it. @throws SystemCallError */
  counts(route: DirectRoute, index: number): DirectCounts | undefined {
    const values = this.#counts.get(directBackendKey(route.id, index));
    return values === undefined ? undefined : sumDirectCounts(values);
  }

  /** Withdraws it too; those of its connections that are still open are not counted any more. @throws SystemCallError */
  forget(route: DirectRoute): void {
    this.#delete(route);
    for (let index = 0; index < route.backends; index++) for (const map of [this.#backends, this.#counts]) map.delete(directBackendKey(route.id, index));
  }

  /** Lets the routes hold for {@link LEASE_MS} from now. @throws SystemCallError */
  renew(): void {
    if (!this.#isOurs) return;
    this.#forgetOthers();
    this.#setLease(process.hrtime.bigint() + BigInt(LEASE_MS) * 1_000_000n);
  }

  /** Withdraws and forgets everything. @throws SystemCallError */
  clear(): void {
    if (!this.#isOurs) return;
    this.#setLease(0n);
    this.#grace.set(DIRECT_LEASE_KEY, directGraceValue(0n));
    this.#empty(() => true);
  }

  /** Once nothing leaves by them any more. */
  #forgetOthers(): void {
    if (this.#othersUntil === undefined || process.hrtime.bigint() < this.#othersUntil) return;
    this.#othersUntil = undefined;
    this.#empty((id) => id < this.#firstId);
  }

  #empty(isMeant: (id: bigint) => boolean): void {
    for (const key of this.#routes.keys(DIRECT_ROUTE_KEY_BYTES)) {
      const value = this.#routes.get(key);
      if (value !== undefined && isMeant(idOfRoute(value))) this.#routes.delete(key);
    }
    for (const map of [this.#backends, this.#counts]) for (const key of map.keys(DIRECT_BACKEND_KEY_BYTES)) if (isMeant(routeOfBackend(key))) map.delete(key);
  }

  /** By bpf_ktime_get_ns(), which is the clock of process.hrtime(): CLOCK_MONOTONIC. */
  #setLease(untilNs: bigint): void {
    this.#lease.set(DIRECT_LEASE_KEY, directLeaseValue(this.#firstId, untilNs));
  }
}
