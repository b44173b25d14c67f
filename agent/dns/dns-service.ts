import { waitFor } from '@landbridge/core/retry-delay.ts';
import type { CapturedPod } from '../capture/capture.ts';
import type { LocalPod } from '../pods/local-pod.ts';
import { DatagramServer } from './datagram-server.ts';
import type { DnsResolver } from './dns-resolver.ts';
import type { DnsLimits, DnsObserver } from './pod-names.ts';
import { QueryBudget, type QueryLimits } from './query-budget.ts';
import { StreamServer } from './stream-server.ts';

/** Queries by UDP that wait for their servers; each has a descriptor. What is over them is answered with SERVFAIL. */
export const QUERY_LIMITS: QueryLimits = { ofPod: 256, ofNode: 2048 };
/** Connections of pods to port 53; each has up to two descriptors. What is over them is closed. */
export const CONNECTION_LIMITS: QueryLimits = { ofPod: 64, ofNode: 512 };
/** RFC 7766, section 6.2.3: some seconds. */
const IDLE_MS = 10_000;
const LOOK_MS = 20;

interface Servers {
  readonly stop: AbortController;
  readonly datagrams: DatagramServer;
  readonly streams: readonly StreamServer[];
}

const NOBODY: DnsObserver = { forwarded: () => () => {}, refused: () => {} };

/**
 * Answers the queries for names of captured pods, or passes them on to whom they were for. All of it is done on the main
 * thread, where the resolver has what discovery told. A query that is forwarded takes that thread 0.1 ms, one that is
 * answered 16 µs and what the resolver takes (measured on Linux 6.18): thousands of them a second hold up what else it
 * does, but no connection of pods, which the data threads carry.
 */
export class DnsService implements AsyncDisposable {
  readonly #resolver: DnsResolver;
  readonly #observer: DnsObserver;
  readonly #limits: DnsLimits = { queries: new QueryBudget(QUERY_LIMITS), connections: new QueryBudget(CONNECTION_LIMITS), idleMs: IDLE_MS };
  readonly #pods = new Map<string, Servers>();

  constructor(resolver: DnsResolver, observer: DnsObserver = NOBODY) {
    this.#resolver = resolver;
    this.#observer = observer;
  }

  /** Serves at the listeners of a captured pod; at none where its queries are not captured. */
  add({ uid, namespace, name, serviceAccount, addresses, dns: completion }: LocalPod, pod: CapturedPod): void {
    const { dns, dnsDatagrams } = pod.listeners;
    if (dnsDatagrams.length === 0) return;
    const stop = new AbortController();
    const names = { pod, client: { uid, namespace, name, serviceAccount, addresses, ...(completion === undefined ? {} : { dns: completion }) }, resolver: this.#resolver, limits: this.#limits, observer: this.#observer, signal: stop.signal };
    this.#pods.set(uid, { stop, datagrams: new DatagramServer(names, dnsDatagrams), streams: dns.map((fd) => new StreamServer(names, fd)) });
  }

  /** Resolves once nothing of the pod is used any more. */
  async remove(uid: string): Promise<void> {
    const servers = this.#pods.get(uid);
    if (servers === undefined) return;
    this.#pods.delete(uid);
    servers.stop.abort();
    await Promise.all([servers.datagrams, ...servers.streams].map(async (server) => await server[Symbol.asyncDispose]()));
  }

  /** Whether no query waits for its server. */
  isIdle(): boolean {
    return this.#limits.queries.total === 0 && ![...this.#pods.values()].some(({ streams }) => streams.some(({ isWaiting }) => isWaiting));
  }

  /** Once another agent has the pods: what is under way is answered, or has had its time. */
  async drain(grace: AbortSignal): Promise<void> {
    for (const { streams } of this.#pods.values()) for (const stream of streams) stream.finish();
    while (!this.isIdle() && !grace.aborted) await waitFor(LOOK_MS, grace);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#pods.keys()].map(async (uid) => await this.remove(uid)));
  }
}
