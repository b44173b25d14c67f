import { type IpPrefix, parsePrefix, prefixContainsBytes, prefixFromBytes } from '@landbridge/core/ip-address.ts';

/** Ranges of both families that are asked about many addresses. */
export class AddressRanges {
  /** Sorted, none inside another. */
  readonly prefixes: readonly IpPrefix[];

  constructor(prefixes: Iterable<IpPrefix>) {
    this.prefixes = aggregate(prefixes);
  }

  /** An address as its 4 or 16 bytes. */
  has(address: Uint8Array): boolean {
    let [low, high] = [0, this.prefixes.length];
    // The last prefix that begins at the address or before it: all before that one end before it begins.
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareBytes((this.prefixes[middle] as IpPrefix).bytes, address) <= 0) low = middle + 1;
      else high = middle;
    }
    const before = this.prefixes[low - 1];
    return before !== undefined && prefixContainsBytes(before, address);
  }

  /** Those of its prefixes that have an address in common with one of the others. */
  sharedWith(others: AddressRanges): readonly IpPrefix[] {
    return this.prefixes.filter((prefix) => others.has(prefix.bytes) || others.prefixes.some(({ bits, bytes }) => bits >= prefix.bits && prefixContainsBytes(prefix, bytes)));
  }
}

/** As few prefixes as say the same: none inside another, no two that are the halves of one. Sorted, so that the same addresses are the same text. */
export function aggregate(prefixes: Iterable<IpPrefix>): readonly IpPrefix[] {
  const joined: IpPrefix[] = [];
  for (let next of [...prefixes].sort(compare)) {
    const before = joined.at(-1);
    if (before !== undefined && before.bits <= next.bits && prefixContainsBytes(before, next.bytes)) continue;
    for (let last = joined.at(-1); last !== undefined && areHalves(last, next); last = joined.at(-1)) {
      joined.pop();
      next = shorter(next);
    }
    joined.push(next);
  }
  return joined;
}

/** At most `max` prefixes, and two, that contain all of these: the longest ones of each family give way first. */
export function aggregateTo(prefixes: Iterable<IpPrefix>, max: number): readonly IpPrefix[] {
  let result = aggregate(prefixes);
  while (result.length > Math.max(2, max)) {
    const hostBits = ({ bytes, bits }: IpPrefix): number => bytes.length * 8 - bits;
    const fewest = Math.min(...result.filter(({ bits }) => bits > 0).map(hostBits));
    result = aggregate(result.map((prefix) => (prefix.bits > 0 && hostBits(prefix) === fewest ? shorter(prefix) : prefix)));
  }
  return result;
}

/** Those of the texts that are prefixes; the others say nothing. */
export function readPrefixes(texts: readonly string[]): readonly IpPrefix[] {
  return texts.flatMap((text) => {
    const prefix = parsePrefix(text);
    return prefix.ok ? [prefix.value] : [];
  });
}

/** By address, the wider one first. */
function compare(a: IpPrefix, b: IpPrefix): number {
  return compareBytes(a.bytes, b.bytes) || a.bits - b.bits;
}

/** IPv4 before IPv6. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return a.length - b.length || Buffer.compare(a, b);
}

function areHalves(a: IpPrefix, b: IpPrefix): boolean {
  return a.bits === b.bits && a.bits > 0 && compareBytes(a.bytes, b.bytes) !== 0 && compare(shorter(a), shorter(b)) === 0;
}

function shorter({ bytes, bits }: IpPrefix): IpPrefix {
  const prefix = prefixFromBytes(bytes, Math.max(0, bits - 1));
  if (!prefix.ok) throw new RangeError(prefix.error);
  return prefix.value;
}
