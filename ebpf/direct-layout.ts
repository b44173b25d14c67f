/** Elements of the maps of programs/direct.h, by the layouts of the skeleton. */
import { decode, encode } from 'bpf-linker-node/codec';
import { addressBytes, type SocketAddress } from './capture-layout.ts';
import { maps } from './capture-skeleton.ts';

export type DirectMap = Extract<keyof typeof maps, `direct_${string}`>;

export const DIRECT_ROUTE_KEY_BYTES = maps.direct_routes.keyBytes;
export const DIRECT_BACKEND_KEY_BYTES = maps.direct_backends.keyBytes;
export const DIRECT_COUNTS_BYTES = maps.direct_counts.valueBytes;

/** struct direct_destination. */
export const directRouteKey = (netnsCookie: bigint, destination: SocketAddress): Buffer => Buffer.from(encode(maps.direct_routes.key, { netns: netnsCookie, address: endpoint(destination), pad: 0 }));

/** struct direct_route. */
export const directRouteValue = (id: bigint, backends: number, { isRetired = false } = {}): Buffer => Buffer.from(encode(maps.direct_routes.value, { id, backends, is_retired: isRetired ? 1 : 0 }));
export const idOfRoute = (value: Buffer): bigint => decode(maps.direct_routes.value, value).id;

/** struct direct_backend_key. */
export const directBackendKey = (route: bigint, index: number): Buffer => Buffer.from(encode(maps.direct_backends.key, { route, index, pad: 0 }));
export const routeOfBackend = (key: Buffer): bigint => decode(maps.direct_backends.key, key).route;

/** struct direct_backend. */
export const directBackendValue = (address: SocketAddress, threshold: number, alias: number): Buffer => Buffer.from(encode(maps.direct_backends.value, { address: endpoint(address), threshold, alias }));

/** The one element of `direct_lease`. */
export const DIRECT_LEASE_KEY = Buffer.from(encode(maps.direct_lease.key, 0));
export const directLeaseValue = (firstId: bigint, untilNs: bigint): Buffer => Buffer.from(encode(maps.direct_lease.value, { first_id: firstId, until_ns: untilNs }));
export const firstIdOf = (lease: Buffer): bigint => decode(maps.direct_lease.value, lease).first_id;
export const leasedUntil = (lease: Buffer): bigint => decode(maps.direct_lease.value, lease).until_ns;

/** The one element of `direct_grace`, by the key of the lease. */
export const directGraceValue = (untilNs: bigint): Buffer => Buffer.from(encode(maps.direct_grace.value, untilNs));

/** What happened to connections: struct direct_counts. */
export interface DirectCounts {
  readonly opened: number;
  /** Ended by both sides. */
  readonly completed: number;
  /** Ended otherwise. */
  readonly broken: number;
  /** Not opened at all. */
  readonly failed: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export const NO_DIRECT_COUNTS: DirectCounts = { opened: 0, completed: 0, broken: 0, failed: 0, sentBytes: 0, receivedBytes: 0 };

/** An element of `direct_counts` with a value of each processor: their sums. There are many of both: read by hand. */
export function sumDirectCounts(values: Buffer): DirectCounts {
  const sum = (field: number): number => {
    let total = 0;
    for (let at = field * 8; at < values.length; at += DIRECT_COUNTS_BYTES) total += values.readUInt32LE(at) + values.readUInt32LE(at + 4) * 2 ** 32;
    return total;
  };
  return { opened: sum(0), completed: sum(1), broken: sum(2), failed: sum(3), sentBytes: sum(4), receivedBytes: sum(5) };
}

const endpoint = ({ ip, port }: SocketAddress) => ({ ip: wordsOf(addressBytes(ip)), port, pad: 0 });
const wordsOf = (ip: Buffer): readonly number[] => [0, 4, 8, 12].map((at) => ip.readUInt32BE(at));
