import { type TrustedBundle, TrustedBundleSchema } from '@landbridge/core/records.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';

/** Of the Lease that each replica has of its own, by the name of its pod. */
export const REPORT_ANNOTATION = 'landbridge.dev/replica-report';
/** Annotations of an object have 256 KiB together (Kubernetes documentation, "Annotations"). */
export const MAX_REPORT_LENGTH = 200 * 1024;
/** As in a `meta` record. */
const MAX_TRUSTED = 1000;

/** What the others can not know of a replica: what its agents have confirmed. */
export const ReplicaReportSchema = Type.Object({
  v: Type.Literal(1),
  /** Digest of this cluster's own roots, as the replica tells them. */
  roots: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  /** Its agents, and those of them that have these roots. */
  connected: Type.Integer({ minimum: 0 }),
  confirmed: Type.Integer({ minimum: 0 }),
  /** The roots of other clusters that all of its agents have. */
  trusted: Type.Array(TrustedBundleSchema, { maxItems: MAX_TRUSTED }),
});
export type ReplicaReport = Static<typeof ReplicaReportSchema>;

/** What another replica says; undefined of one that says nothing that can be read, such as one of another version. */
export interface OtherReplica {
  readonly pod: string;
  readonly report: ReplicaReport | undefined;
}

export const encodeReport = (report: ReplicaReport): string => JSON.stringify(report);

export function parseReport(text: string): Result<ReplicaReport> {
  if (text.length > MAX_REPORT_LENGTH) return err(`longer than ${MAX_REPORT_LENGTH} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err('not JSON');
  }
  return Value.Check(ReplicaReportSchema, value) ? ok(value) : err('not the report of a replica');
}

/** Roots of others that the agents of all replicas have: of those that say nothing it is not known. */
export function trustedByAll(own: readonly TrustedBundle[], others: readonly OtherReplica[]): readonly TrustedBundle[] {
  const said = others.map(({ report }) => new Set(report?.trusted.map(keyOf)));
  return own.filter((bundle) => said.every((each) => each.has(keyOf(bundle))));
}

const keyOf = ({ cluster, digest }: TrustedBundle): string => `${cluster} ${digest}`;

export interface AgentsOfAll {
  readonly connected: number;
  readonly confirmed: number;
  /** Pods of replicas that do not tell these roots, as far as they say. */
  readonly replicasBehind: readonly string[];
}

/** How far roots with this digest have come at the agents of all replicas. */
export function agentsOfAll(own: { readonly connected: number; readonly confirmed: number }, digest: string, others: readonly OtherReplica[]): AgentsOfAll {
  let { connected, confirmed } = own;
  const replicasBehind: string[] = [];
  for (const { pod, report } of others) {
    connected += report?.connected ?? 0;
    if (report?.roots === digest) confirmed += report.confirmed;
    else replicasBehind.push(pod);
  }
  return { connected, confirmed, replicasBehind: replicasBehind.sort() };
}
