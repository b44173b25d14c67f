import type { Gateway } from '@landbridge/core/records.ts';

/** How pods of this cluster reach those of another one: by their addresses, through gateways, or not at all. */
export type Reach = 'direct' | 'gateway' | 'none';

/** `network`: of this cluster. */
export function reachOf(network: string, theirs: { readonly network: string; readonly gateways: readonly Gateway[] }): Reach {
  if (theirs.network === network) return 'direct';
  return theirs.gateways.length > 0 ? 'gateway' : 'none';
}
