/** A pod's network namespace, as the container runtime has just made it: no container of the pod runs in it yet. */
export interface Sandbox {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** One of each family that it has. The API server does not know them yet. */
  readonly addresses: readonly string[];
  /** A file of the network namespace, as the runtime names it, such as /var/run/netns/cni-UUID. */
  readonly namespacePath: string;
}

/** What the runtime may do: start the pod's containers, or not. */
export type Admission =
  | { readonly kind: 'captured' }
  /** Its labels do not ask for capture. */
  | { readonly kind: 'not-in-mesh' }
  /** It is not known whether the pod is to be captured, or it could not be: it must not start. The runtime will ask again. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Where runtimes ask before they start a pod. Any number may ask, for the same pod as well: what is captured is told by its network namespace. */
export interface PodGate {
  /** Never throws; refuses once the signal aborts. */
  admit(sandbox: Sandbox, signal: AbortSignal): Promise<Admission>;
  /** The sandbox stops. Resolves once nothing of its capture is left; a later sandbox of the same pod is left alone. */
  end(sandbox: Pick<Sandbox, 'uid' | 'namespacePath'>): Promise<void>;
  isCaptured(uid: string): boolean;
}
