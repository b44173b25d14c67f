/** Elements of the maps of programs/direct.h, by the layouts of the skeleton. */
import { decode, encode } from 'bpf-linker-node/codec';
import { addressBytes, type SocketAddress } from './capture-layout.ts';
import { type DirectCounts, maps } from './capture-skeleton.ts';

export type { DirectCounts } from './capture-skeleton.ts';

export type DirectMap = Extract<keyof typeof maps, `direct_${string}`>;

export const DIRECT_ROUTE_KEY_BYTES = maps.direct_routes.keyBytes;
export const DIRECT_BACKEND_KEY_BYTES = maps.direct_backends.keyBytes;
export const DIRECT_COUNTS_BYTES = maps.direct_counts.valueBytes;

/** struct direct_destination. */
export const directRouteKey = (netnsCookie: bigint, destination: SocketAddress): Buffer => Buffer.from(encode(maps.direct_routes.key, { netns: netnsCookie, address: endpoint(destination), pad: 0 }));

/** struct direct_route. */
export const directRouteValue = (id: bigint, backends: number, usedNs: bigint): Buffer => Buffer.from(encode(maps.direct_routes.value, { id, backends, used_ns: usedNs, pad: 0 }));
export const usedNsOf = (value: Buffer): bigint => decode(maps.direct_routes.value, value).used_ns;

/** struct direct_backend_key. */
export const directBackendKey = (route: bigint, index: number): Buffer => Buffer.from(encode(maps.direct_backends.key, { route, index, pad: 0 }));

/** struct direct_backend. */
export const directBackendValue = (address: SocketAddress, threshold: number, alias: number): Buffer => Buffer.from(encode(maps.direct_backends.value, { address: endpoint(address), threshold, alias }));

/** The one element of `direct_lease`. */
export const DIRECT_LEASE_KEY = Buffer.from(encode(maps.direct_lease.key, 0));
export const directLeaseValue = (untilNs: bigint): Buffer => Buffer.from(encode(maps.direct_lease.value, untilNs));

export const NO_DIRECT_COUNTS: DirectCounts = { opened: 0n, completed: 0n, broken: 0n, failed: 0n, sent_bytes: 0n, received_bytes: 0n };

/** An element of `direct_counts` with a value of each processor: their sum. */
export function sumDirectCounts(values: Buffer): DirectCounts {
  const total = { ...NO_DIRECT_COUNTS };
  for (let at = 0; at < values.length; at += DIRECT_COUNTS_BYTES) {
    const one = decode(maps.direct_counts.value, values.subarray(at, at + DIRECT_COUNTS_BYTES));
    for (const name of Object.keys(total) as (keyof DirectCounts)[]) total[name] += one[name];
  }
  return total;
}

const endpoint = ({ ip, port }: SocketAddress) => ({ ip: wordsOf(addressBytes(ip)), port, pad: 0 });
const wordsOf = (ip: Buffer): readonly number[] => [0, 4, 8, 12].map((at) => ip.readUInt32BE(at));
