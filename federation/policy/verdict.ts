/** What became of a policy, for its conditions. */
export type Verdict =
  | { readonly kind: 'accepted'; readonly message: string }
  /** In force, but stricter than it says. */
  | { readonly kind: 'partial'; readonly reason: 'UnsupportedValue' | 'PartiallyInvalid'; readonly message: string }
  /** `Invalid`: it can not be read, and refuses what it selects. `UnsupportedValue`: it is for another kind of proxy, and decides nothing. */
  | { readonly kind: 'refused'; readonly reason: 'Invalid' | 'UnsupportedValue'; readonly message: string }
  /** For waypoints, of which others say whether they have it. */
  | { readonly kind: 'elsewhere' };

/** Of one condition; Kubernetes allows 32 KiB. */
const MAX_MESSAGE_LENGTH = 1000;
const MAX_FAULTS = 5;

/** The first of many, in one text. */
export function listed(faults: readonly string[]): string {
  const more = faults.length - MAX_FAULTS;
  return [...faults.slice(0, MAX_FAULTS), ...(more > 0 ? [`and ${more} more`] : [])].join('; ').slice(0, MAX_MESSAGE_LENGTH);
}
