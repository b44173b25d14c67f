import { type IpAddress, ipBytes } from '@landbridge/core/ip-address.ts';
import type { AddressRange } from './wds-address.ts';

/** Values by ranges of addresses. A look-up costs one step for each length of prefix that is there, however many ranges have it. */
export class AddressRanges<T> {
  /** By network and family, then by length of prefix, the longest first, then by the prefix' bytes. */
  readonly #families = new Map<string, Map<number, Map<string, Set<T>>>>();

  add(range: AddressRange, value: T): void {
    const family = familyOf(range.network, range.prefix.bytes);
    const lengths = this.#families.get(family) ?? new Map<number, Map<string, Set<T>>>();
    const prefixes = lengths.get(range.prefix.bits) ?? new Map<string, Set<T>>();
    const key = keyOf(range.prefix.bytes, range.prefix.bits);
    prefixes.set(key, (prefixes.get(key) ?? new Set()).add(value));
    if (lengths.has(range.prefix.bits)) return;
    this.#families.set(family, new Map([...lengths, [range.prefix.bits, prefixes] as const].sort(([a], [b]) => b - a)));
  }

  remove(range: AddressRange, value: T): void {
    const family = familyOf(range.network, range.prefix.bytes);
    const lengths = this.#families.get(family);
    const prefixes = lengths?.get(range.prefix.bits);
    const key = keyOf(range.prefix.bytes, range.prefix.bits);
    const values = prefixes?.get(key);
    values?.delete(value);
    if (values?.size === 0) prefixes?.delete(key);
    if (prefixes?.size === 0) lengths?.delete(range.prefix.bits);
    if (lengths?.size === 0) this.#families.delete(family);
  }

  /** What the ranges around an address hold, those of the longest prefix first. */
  *around(network: string, ip: IpAddress): Generator<{ readonly bits: number; readonly values: ReadonlySet<T> }> {
    if (this.#families.size === 0) return;
    const bytes = ipBytes(ip);
    for (const [bits, prefixes] of this.#families.get(familyOf(network, bytes)) ?? []) {
      const values = prefixes.get(keyOf(bytes, bits));
      if (values !== undefined) yield { bits, values };
    }
  }
}

const familyOf = (network: string, bytes: Uint8Array): string => `${bytes.length} ${network}`;

/** The first `bits` bits as text. */
function keyOf(bytes: Uint8Array, bits: number): string {
  const whole = bits >> 3;
  const rest = bits & 7;
  let key = String.fromCharCode(...bytes.subarray(0, whole));
  if (rest > 0) key += String.fromCharCode((bytes[whole] ?? 0) >> (8 - rest));
  return key;
}
