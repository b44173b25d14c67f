import { type IpAddress, type IpPrefix, ipBytes, prefixFromBytes } from '@landbridge/core/ip-address.ts';

/** As wide as a range of Services can be (kube-apiserver, --service-cluster-ip-range: 20 bits of addresses; 64 of IPv6): addresses further apart are of two ranges. */
const GROUP_BITS = { 4: 12, 16: 64 } as const;

/**
 * What is known of the range that this cluster's Services have their addresses from, which no API says before Kubernetes 1.33:
 * the longest prefix that all of them have. It lies inside the range, so that it never holds another's address, and grows to
 * most of it with a few Services.
 */
export class ServiceRanges {
  readonly #groups = new Map<string, IpPrefix>();

  get ranges(): readonly IpPrefix[] {
    return [...this.#groups.values()];
  }

  /** Whether it has grown. */
  add(ip: IpAddress): boolean {
    const bytes = ipBytes(ip);
    const group = prefix(bytes, GROUP_BITS[bytes.length as 4 | 16]).bytes.join();
    const known = this.#groups.get(group);
    const grown = known === undefined ? prefix(bytes, bytes.length * 8) : prefix(bytes, Math.min(known.bits, commonBits(known.bytes, bytes)));
    if (grown.bits === known?.bits) return false;
    this.#groups.set(group, grown);
    return true;
  }
}

function commonBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] as number) ^ (b[i] as number);
    if (difference !== 0) return i * 8 + Math.clz32(difference) - 24;
  }
  return a.length * 8;
}

function prefix(bytes: Uint8Array, bits: number): IpPrefix {
  const made = prefixFromBytes(bytes, bits);
  if (!made.ok) throw new RangeError(made.error);
  return made.value;
}
