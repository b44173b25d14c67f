import type { Registry } from '../discovery/registry.ts';

/** What answers are made from. */
export interface NameView {
  readonly registry: Pick<Registry, 'serviceByHostname' | 'endpointsOf' | 'namedEndpointsOf' | 'hasHostBelow'>;
  /** Whether discovery has told everything once: before that, what is not known may only be late. */
  readonly isReady: boolean;
}

export interface NameOptions {
  /** The cluster's own, such as `cluster.local`. */
  readonly clusterDomain: string;
  /** Addresses of others lead elsewhere, or nowhere. */
  readonly network: string;
  /** From 0 up to 1. */
  readonly random: () => number;
}

/** What is said of a name, before it is said by whom. */
export type Finding<R> =
  | { readonly kind: 'records'; readonly answers: readonly R[]; readonly additionals: readonly R[] }
  /** The name is there, records of this type are not. */
  | { readonly kind: 'no-data' }
  | { readonly kind: 'no-name' }
  /** Nothing of it was told here. */
  | { readonly kind: 'untold' };
