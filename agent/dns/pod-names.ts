import type { CapturedPod } from '../capture/capture.ts';
import type { DnsClient, DnsResolver } from './dns-resolver.ts';
import type { QueryBudget } from './query-budget.ts';

/** Is told what becomes of queries that the agent does not answer itself. */
export interface DnsObserver {
  /** One goes to its server; call back when that is over. */
  forwarded(query: Uint8Array, client: DnsClient, transport: 'udp' | 'tcp'): (isAnswered: boolean) => void;
  /** There was no room for one, or for a connection. */
  refused(transport: 'udp' | 'tcp'): void;
}

/** Of a node. */
export interface DnsLimits {
  readonly queries: QueryBudget;
  readonly connections: QueryBudget;
  /** Of a connection without a byte. */
  readonly idleMs: number;
}

/** All that servers of one pod need. */
export interface PodNames {
  readonly pod: Pick<CapturedPod, 'place' | 'askedServer' | 'originalDestination' | 'datagramSocket' | 'socket'>;
  readonly client: DnsClient;
  readonly resolver: DnsResolver;
  readonly limits: DnsLimits;
  readonly observer: DnsObserver;
  /** Aborts when the pod is released. */
  readonly signal: AbortSignal;
}
