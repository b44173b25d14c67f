import { LandbridgeError } from '@landbridge/core/errors.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { type ApiServerClient, ApiServerError } from '@landbridge/kubernetes/api-server-client.ts';
import type { Logger } from 'pino';
import { leasesPath } from './kubernetes-lease-store.ts';
import type { Lease } from './lease.ts';
import { encodeReport, type OtherReplica, parseReport, REPORT_ANNOTATION, type ReplicaReport } from './replica-report.ts';

const NOT_FOUND = 404;
/** Between two writes: agents that come and go together make one. */
const SPACING_MS = 1000;
const ECHO_MS = 10_000;
const ATTEMPT_MS = 10_000;

export interface ReplicasOptions {
  readonly client: Pick<ApiServerClient, 'create' | 'mergePatch'>;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly pod: string;
  /** Whoever collects garbage removes the Lease with the pod; without it, it stays. */
  readonly podUid: string | undefined;
  /** Of the Lease by which the replicas elect their leader. */
  readonly electionName: string;
  /** All Leases of the service, by name. */
  readonly leases: () => ReadonlyMap<string, Lease>;
  readonly log: Logger;
  /** A watch has told of a write by then. {@link ECHO_MS} where left out. */
  readonly echoMs?: number;
}

/**
 * What the replicas tell each other: each in a Lease of its own, which is there for as long as its pod, and which it writes
 * when what it says differs. What a replica said counts until its pod is gone, also where it can not be reached.
 */
export class Replicas {
  readonly #options: ReplicasOptions;
  #report: string | undefined;
  #written: string | undefined;
  #writtenMs = 0;
  #changed = Promise.withResolvers<void>();

  constructor(options: ReplicasOptions) {
    this.#options = options;
  }

  /** What this replica says from now on. */
  report(report: ReplicaReport): void {
    const text = encodeReport(report);
    if (text === this.#report) return;
    this.#report = text;
    this.#changed.resolve();
  }

  /** Whether this replica has said anything yet: before, the others do not know that it has agents. */
  get isKnown(): boolean {
    return this.#written !== undefined;
  }

  others(): readonly OtherReplica[] {
    const { leases, pod, electionName } = this.#options;
    return [...leases().values()].filter(({ name }) => name !== pod && name !== electionName).map(({ name, annotations }) => {
      const report = parseReport(annotations[REPORT_ANNOTATION] ?? '');
      return { pod: name, report: report.ok ? report.value : undefined };
    });
  }

  /** A watch told that Leases are others now: perhaps somebody removed this replica's. */
  saw(): void {
    const { leases, pod, echoMs = ECHO_MS } = this.#options;
    if (this.#written === undefined || performance.now() - this.#writtenMs < echoMs || leases().get(pod)?.annotations[REPORT_ANNOTATION] === this.#written) return;
    this.#written = '';
    this.#changed.resolve();
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const wake = (): void => this.#changed.resolve();
    signal.addEventListener('abort', wake, { once: true });
    for (let failures = 0; !signal.aborted; ) {
      const report = this.#report;
      if (report === undefined || report === this.#written) {
        await this.#changed.promise;
        this.#changed = Promise.withResolvers();
        continue;
      }
      try {
        await this.#write(report, AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MS)]));
        this.#written = report;
        this.#writtenMs = performance.now();
        failures = 0;
        await waitFor(SPACING_MS, signal);
      } catch (thrown) {
        if (signal.aborted) return;
        const waitMs = retryDelay(failures++);
        this.#options.log.warn({ error: LandbridgeError.from(thrown).message, retry_ms: Math.round(waitMs) }, 'the other replicas could not be told what agents of this one have');
        await waitFor(waitMs, signal);
      }
    }
  }

  async #write(report: string, signal: AbortSignal): Promise<void> {
    const { client, namespace, labels, pod, podUid } = this.#options;
    const owners = podUid === undefined ? {} : { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: pod, uid: podUid }] };
    const metadata = { name: pod, namespace, labels, annotations: { [REPORT_ANNOTATION]: report }, ...owners };
    const object = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec: { holderIdentity: pod } };
    try {
      await client.mergePatch(`${leasesPath(namespace)}/${pod}`, object, signal);
    } catch (thrown) {
      if (!(thrown instanceof ApiServerError && thrown.status === NOT_FOUND)) throw thrown;
      await client.create(leasesPath(namespace), object, signal);
    }
  }
}
