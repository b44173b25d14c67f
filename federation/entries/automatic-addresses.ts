import { type IpAddress, parseIp } from '@landbridge/core/ip-address.ts';

/** Istio's ranges, 240.240.0.0/16 (reserved, RFC 1112) and 2001:2::/48 (benchmarking, RFC 5180): nothing is reached by them. */
const COUNT = 0xffff - 1;
const OCTET = 256;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** A pair of addresses, one of each family; `index` is from 0 up to {@link COUNT}. */
function pairAt(index: number): readonly [IpAddress, IpAddress] {
  // Neither the first nor the last address of the range.
  const n = (index % COUNT) + 1;
  return [ipOf(`240.240.${Math.floor(n / OCTET)}.${n % OCTET}`), ipOf(`2001:2::f0f0:${n.toString(16)}`)];
}

function ipOf(text: string): IpAddress {
  const ip = parseIp(text);
  if (!ip.ok) throw new RangeError(ip.error);
  return ip.value;
}

/**
 * The first pair that is free, from where a host begins to look: with the same neighbours it finds the same again, so that
 * clients that remember it go on. Undefined where none is left.
 */
export function freePair(host: string, isTaken: (address: IpAddress) => boolean): readonly [IpAddress, IpAddress] | undefined {
  const first = hashOf(host) % COUNT;
  for (let step = 0; step < COUNT; step++) {
    const pair = pairAt(first + step);
    if (!pair.some(isTaken)) return pair;
  }
  return undefined;
}

/** FNV-1a of 32 bits. */
function hashOf(text: string): number {
  let hash = FNV_OFFSET;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, FNV_PRIME) >>> 0;
  return hash;
}
