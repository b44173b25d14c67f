import type { ClusterView } from './cluster-view.ts';

/**
 * What was known of all clusters at one moment. What was worked out from it is acted on with the same knowledge: if a
 * cluster came to be known completely since, what it has would be taken for gone.
 */
export interface KnownClusters {
  /** One for each member that is not revoked, this cluster among them. */
  readonly views: ReadonlyMap<string, ClusterView>;
  /** Whether what a cluster no longer says may be believed to be gone: its whole snapshot was read, or the authority revoked it. */
  readonly isComplete: (cluster: string) => boolean;
  /** Whether every member is known. */
  readonly allListed: boolean;
  /** Whether every member is known and complete. */
  readonly allComplete: boolean;
}

export const NOBODY_KNOWN: KnownClusters = { views: new Map(), isComplete: () => false, allListed: false, allComplete: false };
