/** A pod of this node that wants to be captured. */
export interface LocalPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  /** IPv4. */
  readonly address: string;
  /** Whether its annotation already says that it is captured. */
  readonly announced: boolean;
}

/**
 * Tells which pods of this node are to be captured. Contract: yields the whole set at once and after each change;
 * changes that come while a set is handled are one set; ends when the signal aborts.
 */
export interface PodSource {
  watch(signal: AbortSignal): AsyncIterable<readonly LocalPod[]>;
  /** Tells everyone that the pod's traffic now passes through the agent, or does so no more. */
  announce(pod: LocalPod, captured: boolean, signal: AbortSignal): Promise<void>;
}
