import { formatPrefix, type IpPrefix } from '@landbridge/core/ip-address.ts';
import { AddressRanges, readPrefixes } from './address-ranges.ts';

/** What a cluster has said of where its endpoints are. */
export interface Declaration {
  readonly cluster: string;
  readonly network: string;
  /** Milliseconds since 1970, signed by the founder. */
  readonly joinedAt: number;
  /** As in its `meta` record; undefined where it has none, as versions before 0.2 have not. */
  readonly ranges: readonly string[] | undefined;
}

export interface Claim {
  /** Undefined: not declared. */
  readonly declared: AddressRanges | undefined;
  /** Where others of the same network have the better claim. */
  readonly others: AddressRanges;
  /** One sentence for each cluster with which it collides, or about ranges that are not believed. */
  readonly faults: readonly string[];
}

/** A wider one is no claim but a try: no cluster has so many pods. */
const MIN_BITS = { 4: 8, 16: 32 } as const;
/** Ranges that a sentence names. */
const MAX_NAMED = 3;

/**
 * What clusters claim, and what of it holds against each other: of two that claim the same addresses of one network, the one
 * that joined first has them. A cluster without a declaration has no claim, and is kept out of those of all others.
 */
export function judgeClaims(declarations: readonly Declaration[]): ReadonlyMap<string, Claim> {
  const read = declarations.map((declaration) => ({ ...declaration, ...readRanges(declaration) })).sort(bySeniority);
  return new Map(read.map(({ cluster, network, declared, faults: own }, at) => {
    const faults = [...own];
    const others: IpPrefix[] = [];
    for (const [i, other] of read.entries()) {
      if (i === at || other.network !== network || other.declared === undefined) continue;
      const shared = declared === undefined ? [] : other.declared.sharedWith(declared);
      if (shared.length > 0) faults.push(`it declares addresses of ${other.cluster}, which joined ${i < at ? 'before' : 'later'}: ${shared.slice(0, MAX_NAMED).map(formatPrefix).join(', ')}`);
      others.push(...(i < at ? other.declared.prefixes : other.declared.prefixes.filter((prefix) => !shared.includes(prefix))));
    }
    return [cluster, { declared, others: new AddressRanges(others), faults }];
  }));
}

/** Who joined first comes first. */
export function bySeniority(a: Pick<Declaration, 'joinedAt' | 'cluster'>, b: Pick<Declaration, 'joinedAt' | 'cluster'>): number {
  return a.joinedAt - b.joinedAt || (a.cluster < b.cluster ? -1 : 1);
}

/** What of a declaration is believed. */
export function readRanges({ ranges }: Pick<Declaration, 'ranges'>): { readonly declared: AddressRanges | undefined; readonly faults: readonly string[] } {
  if (ranges === undefined) return { declared: undefined, faults: [] };
  const believed = readPrefixes(ranges).filter(({ bytes, bits }) => bits >= MIN_BITS[bytes.length as 4 | 16]);
  const refused = ranges.length - believed.length;
  return { declared: new AddressRanges(believed), faults: refused === 0 ? [] : [`${refused} of its declared ranges are none, or wider than any cluster's`] };
}
