/** The object `Member`, cluster-scoped, by which a cluster shows how it sees itself and the others. Only its status says anything. */
import type { KubernetesObject } from '@kubernetes/client-node';
import Type, { type Static } from 'typebox';
import { MANAGED_BY, MANAGED_BY_LABEL } from '../kubernetes/types.ts';
import type { MemberReport } from './member-report.ts';

export const MEMBER_GROUP = 'landbridge.dev';
export const MEMBER_VERSION = `${MEMBER_GROUP}/v1alpha1`;

/** As metav1.Condition. */
const ConditionSchema = Type.Object({
  type: Type.String({ maxLength: 316 }),
  status: Type.Union([Type.Literal('True'), Type.Literal('False'), Type.Literal('Unknown')]),
  reason: Type.String({ minLength: 1, maxLength: 1024 }),
  message: Type.String({ maxLength: 32_768 }),
  lastTransitionTime: Type.String({ format: 'date-time' }),
});

export const MemberStatusSchema = Type.Object({
  state: Type.Union([Type.Literal('Syncing'), Type.Literal('Ready'), Type.Literal('Suspect'), Type.Literal('Stale'), Type.Literal('Removed'), Type.Literal('Degraded')]),
  /** Since when, as far as the service that writes it knows. */
  since: Type.String({ format: 'date-time' }),
  /** Its newest heartbeat, to about a minute; not there before the first one. */
  lastHeard: Type.Optional(Type.String({ format: 'date-time' })),
  /** On the bus. */
  records: Type.Integer({ minimum: 0 }),
  /** Services. */
  exports: Type.Integer({ minimum: 0 }),
  network: Type.String({ maxLength: 63 }),
  trustDomain: Type.String({ maxLength: 255 }),
  version: Type.String({ maxLength: 63 }),
  conditions: Type.Array(ConditionSchema, { maxItems: 16 }),
});

export type MemberStatus = Static<typeof MemberStatusSchema>;

export interface MemberObject extends KubernetesObject {
  readonly status?: MemberStatus;
}

/** Beats come all the time; what is written of them need not. */
const HEARD_STEP_MS = 60_000;

export function memberObject(cluster: string): KubernetesObject {
  return { apiVersion: MEMBER_VERSION, kind: 'Member', metadata: { name: cluster, labels: { [MANAGED_BY_LABEL]: MANAGED_BY } } };
}

/** What the status is to be, with what it says already where that may stay. */
export function memberStatus(report: MemberReport, known: MemberStatus | undefined, now: Date): MemberStatus {
  const lastHeard = heardText(report.heardMs, known?.lastHeard);
  const conditions = report.conditions.map(({ type, status, reason, message }) => {
    const before = known?.conditions.find((each) => each.type === type);
    // The time is that of the status, whatever else is said of it (API conventions, "typical status properties").
    return { type, status, reason, message, lastTransitionTime: before?.status === status ? before.lastTransitionTime : toSecond(now.getTime()) };
  });
  return {
    state: report.state,
    since: known?.state === report.state ? known.since : toSecond(report.sinceMs),
    ...(lastHeard === undefined ? {} : { lastHeard }),
    records: report.records,
    exports: report.exports,
    network: report.network,
    trustDomain: report.trustDomain,
    version: report.version,
    conditions,
  };
}

function heardText(heardMs: number | undefined, known: string | undefined): string | undefined {
  if (heardMs === undefined) return known;
  const isClose = known !== undefined && Math.abs(heardMs - Date.parse(known)) < HEARD_STEP_MS;
  return isClose ? known : toSecond(heardMs);
}

/** As the API server keeps times: without milliseconds. */
function toSecond(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}
