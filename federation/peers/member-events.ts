import { randomBytes } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { TokenBucket } from '@landbridge/core/token-bucket.ts';
import type { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import type { Logger } from 'pino';
import { MEMBER_VERSION } from './member-object.ts';
import type { MemberReport } from './member-report.ts';

/** Of all members: a hub that comes and goes changes the state of many. */
const LIMIT = { burst: 100, perSecond: 0.2 };
/** Where events of objects go that are in no namespace (kube-apiserver, event validation). */
const NAMESPACE = 'default';
const TIMEOUT_MS = 10_000;

export interface Telling {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** What is worth an event in the change from one report to the next; nothing of the first one, which may be of old things. */
export function tellings(report: MemberReport, before: MemberReport | undefined): readonly Telling[] {
  if (before === undefined) return [];
  const told: Telling[] = [];
  const ready = report.conditions.find(({ type }) => type === 'Ready');
  if (report.state !== before.state) {
    const message = [`${before.state} → ${report.state}.`, report.conditions.find(({ type, status }) => type === 'Degraded' && status === 'True')?.message ?? ready?.message ?? ''].join(' ').trimEnd();
    told.push({ type: report.state === 'Ready' || report.state === 'Syncing' ? 'Normal' : 'Warning', reason: report.state, message });
  }
  for (const type of ['ImportsHeld', 'Synced'] as const) {
    const [now, then] = [report, before].map(({ conditions }) => conditions.find((each) => each.type === type));
    const wrong = type === 'ImportsHeld' ? 'True' : 'False';
    if (now !== undefined && now.status === wrong && now.reason !== then?.reason && now.reason !== 'Incomplete') told.push({ type: 'Warning', reason: now.reason, message: now.message });
  }
  return told;
}

/** Tells in Events of a Member object what changed. An event is a courtesy: one that can not be made is not made later. */
export class MemberEvents {
  readonly #client: Pick<ApiServerClient, 'create'>;
  readonly #pod: string;
  readonly #log: Pick<Logger, 'warn'>;
  readonly #budget = new TokenBucket(LIMIT, performance.now());

  constructor(client: Pick<ApiServerClient, 'create'>, pod: string, log: Pick<Logger, 'warn'>) {
    this.#client = client;
    this.#pod = pod;
    this.#log = log;
  }

  tell(report: MemberReport, before: MemberReport | undefined, uid: string | undefined): void {
    for (const telling of tellings(report, before)) {
      if (!this.#budget.take(performance.now())) return;
      const { type, reason, message } = telling;
      const now = new Date().toISOString();
      const event = {
        metadata: { namespace: NAMESPACE, name: `${report.cluster}.${randomBytes(8).toString('hex')}` },
        involvedObject: { apiVersion: MEMBER_VERSION, kind: 'Member', name: report.cluster, ...(uid === undefined ? {} : { uid }) },
        type,
        reason,
        message,
        source: { component: 'landbridge-federation' },
        reportingComponent: 'landbridge.dev/federation',
        reportingInstance: this.#pod,
        action: 'Watch',
        firstTimestamp: now,
        lastTimestamp: now,
        count: 1,
      };
      this.#client.create(`/api/v1/namespaces/${NAMESPACE}/events`, event, AbortSignal.timeout(TIMEOUT_MS)).catch((thrown: unknown) => {
        this.#log.warn({ member: report.cluster, error: LandbridgeError.from(thrown).message }, 'an event could not be made');
      });
    }
  }
}
