/** What a cluster would find in the clusterset, told for a token that is not spent by it; as JSON, read by a total function. */
import { EndpointSchema, ServiceRecordSchema, type Endpoint } from '@landbridge/core/records.ts';
import type { Result } from '@landbridge/core/result.ts';
import type { LandbridgeError } from '@landbridge/core/errors.ts';
import Type, { type Static } from 'typebox';
import type { ClusterView } from '../records/cluster-view.ts';
import { ClusterLabelSchema } from './credentials.ts';
import { MAX_ANSWER_BYTES, NetworkSchema, parseAnswer, RefusalSchema, TrustDomainSchema } from './redeem-messages.ts';

/** Kinds of endpoints of one service that are told: one of each set of ports and families stands for all. */
const MAX_KINDS = 16;
const MAX_CLUSTERS = 1000;
const MAX_SERVICES = 50_000;

export const PreviewedClusterSchema = Type.Object({
  cluster: ClusterLabelSchema,
  trustDomain: TrustDomainSchema,
  network: NetworkSchema,
  joinedAt: Type.Integer({ minimum: 0 }),
  services: Type.Array(Type.Object({ record: ServiceRecordSchema, endpoints: Type.Array(EndpointSchema, { maxItems: MAX_KINDS }) }), { maxItems: MAX_SERVICES }),
});

const AnswerSchema = Type.Union([
  Type.Object({ ok: Type.Literal(true), preview: Type.Object({ clusters: Type.Array(PreviewedClusterSchema, { maxItems: MAX_CLUSTERS }), isWhole: Type.Boolean() }) }),
  RefusalSchema,
]);

export type PreviewedCluster = Static<typeof PreviewedClusterSchema>;

export interface JoinPreview {
  readonly clusters: readonly PreviewedCluster[];
  /** Whether all services found room in the answer. */
  readonly isWhole: boolean;
}

export function encodeJoinPreview(views: Iterable<ClusterView>): Uint8Array {
  const clusters: PreviewedCluster[] = [];
  let room = MAX_ANSWER_BYTES - 200;
  let isWhole = true;
  for (const { cluster, member: { trustDomain, network, joinedAt }, services, endpoints } of views) {
    const told: PreviewedCluster['services'] = [];
    room -= 300 + trustDomain.length;
    for (const [key, record] of services) {
      const service = { record, endpoints: kindsOf(endpoints.get(key) ?? []) };
      room -= Buffer.byteLength(JSON.stringify(service)) + 1;
      if (room < 0) isWhole = false;
      else told.push(service);
    }
    clusters.push({ cluster, trustDomain, network, joinedAt, services: told });
  }
  return Buffer.from(JSON.stringify({ ok: true, preview: { clusters, isWhole } }));
}

/** Names of pods and addresses are nobody's business before a join: what decides about objects is told. */
function kindsOf(endpoints: readonly Endpoint[]): Endpoint[] {
  const kinds = new Map<string, Endpoint>();
  for (const { addresses, ports, tunnel } of endpoints) {
    const examples = [...new Set(addresses.map((address) => (address.includes(':') ? '2001:db8::1' : '192.0.2.1')))];
    const kind = { workload: 'any', addresses: examples, ports, ready: true, serving: true, terminating: false, serviceAccount: '', tunnel, node: '', region: '', zone: '' };
    if (kinds.size < MAX_KINDS) kinds.set(JSON.stringify(kind), kind);
  }
  return [...kinds.values()];
}

/** A refusal by the founder comes back as the error that the founder made. */
export function parseJoinPreview(bytes: Uint8Array): Result<Result<JoinPreview, LandbridgeError>> {
  return parseAnswer(AnswerSchema, bytes, MAX_ANSWER_BYTES, ({ preview }) => preview);
}
