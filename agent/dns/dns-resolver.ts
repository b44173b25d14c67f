import type { PodDns } from '../pods/pod-dns.ts';

/** Who asks: a captured pod. */
export interface DnsClient {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  /** One of each family that it has. */
  readonly addresses: readonly string[];
  /** How its own resolver completes names; as most do, where that is not known. */
  readonly dns?: PodDns;
}

/**
 * What becomes of a query: `answer` is a whole message with the query's id, without the length that TCP puts before it;
 * `forward` goes to the server that the pod asked; `drop` is answered by nobody.
 */
export type DnsOutcome = { readonly kind: 'answer'; readonly message: Uint8Array } | { readonly kind: 'forward' } | { readonly kind: 'drop' };

/** Decides on one message of a pod, which may be anything, at once or when it is known. Total; `transport` bounds the answer's size. */
export type DnsResolver = (query: Uint8Array, client: DnsClient, transport: 'udp' | 'tcp') => DnsOutcome | Promise<DnsOutcome>;

/** Knows no name itself. */
export const forwardAll: DnsResolver = () => ({ kind: 'forward' });
