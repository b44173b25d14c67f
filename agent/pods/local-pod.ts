import type { PodDns } from './pod-dns.ts';

/** A pod of this node that wants to be captured. */
export interface LocalPod {
  /** By which the container runtime knows it, and the kernel. */
  readonly uid: string;
  /** By which the API server knows the mirror of a pod that the kubelet has from a file of its own. */
  readonly mirrorUid?: string;
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  /** One of each family that it has; none until its status has them, which is after its containers were started. */
  readonly addresses: readonly string[];
  /** Whether its label asks for acceleration. */
  readonly wantsAcceleration: boolean;
  /** Whether its annotation already says that it is captured. */
  readonly announced: boolean;
  /** Whether its annotation wants its queries for names captured; where it says nothing, the agent's setting holds. */
  readonly capturesDns?: boolean | undefined;
  /** Those that its specification has the kubelet dial; any, where that is not known. */
  readonly probePorts?: readonly number[];
  /** How its own resolver completes names; as most do, where that is not known. */
  readonly dns?: PodDns;
}

/** A pod of this node, in the mesh or not. */
export interface NodePod extends LocalPod {
  /** Whether its labels ask for capture, and it has a network of its own. */
  readonly isInMesh: boolean;
  /** Nothing of it will run any more; something may still, until the kubelet has ended it. */
  readonly hasEnded: boolean;
}

/** Whom the API server is told of. */
export type AnnouncedPod = Pick<LocalPod, 'uid' | 'mirrorUid' | 'namespace' | 'name'>;

/**
 * Tells which pods this node has. Contract: yields the whole set at once and after each change; changes that come while
 * a set is handled are one set; ends when the signal aborts.
 */
export interface PodSource {
  watch(signal: AbortSignal): AsyncIterable<readonly NodePod[]>;
  /** Tells everyone that the pod's traffic now passes through the agent, or does so no more. */
  announce(pod: AnnouncedPod, captured: boolean, signal: AbortSignal): Promise<void>;
}
