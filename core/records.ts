/** What clusters tell each other over the bus. Schemas, limits and keys; signatures and bytes are in wire/record.ts. */
import Type, { type Static, type TString } from 'typebox';

/** RFC 1123 label. */
const Label = Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' });
const PortNumber = Type.Integer({ minimum: 1, maximum: 65535 });
const Protocol = Type.Union([Type.Literal('TCP'), Type.Literal('UDP'), Type.Literal('SCTP')]);
const IpText = Type.String({ minLength: 2, maxLength: 45 });

/** Most endpoints in one `eps` record; more go to further shards. */
export const MAX_ENDPOINTS_PER_SHARD = 500;
/** Most bytes of one encoded record. */
export const MAX_RECORD_BYTES = 256 * 1024;

export const ServicePortSchema = Type.Object({
  /** Empty for a service's only, unnamed port. */
  name: Type.String({ maxLength: 63 }),
  protocol: Protocol,
  port: PortNumber,
  appProtocol: Type.Optional(Type.String({ maxLength: 63 })),
});

/** Most labels, and most annotations, that an export gives to the import. With their lengths they fit into a record, and with all else into an object's annotations. */
export const MAX_EXPORTED_LABELS = 64;
export const MAX_EXPORTED_ANNOTATIONS = 16;

/** Kubernetes' qualified name: a DNS subdomain and a slash may stand before it. */
const QUALIFIED_NAME = '^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$';
const named = (value: TString, maxProperties: number) => Type.Record(Type.String({ pattern: QUALIFIED_NAME }), value, { maxProperties, additionalProperties: false });

export const ExportedLabelsSchema = named(Type.String({ pattern: '^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$' }), MAX_EXPORTED_LABELS);
export const ExportedAnnotationsSchema = named(Type.String({ maxLength: 1024 }), MAX_EXPORTED_ANNOTATIONS);

/** One exported service of one cluster (MCS API v1beta1: what the constituent contributes to the import). */
export const ServiceRecordSchema = Type.Object({
  kind: Type.Literal('svc'),
  namespace: Label,
  name: Label,
  /** creationTimestamp of the ServiceExport, milliseconds since the epoch: of exports that are first seen together the older one wins a conflict (KEP-1645). */
  exportedAt: Type.Integer({ minimum: 0 }),
  type: Type.Union([Type.Literal('ClusterSetIP'), Type.Literal('Headless')]),
  ports: Type.Array(ServicePortSchema, { maxItems: 256 }),
  sessionAffinity: Type.Union([Type.Literal('None'), Type.Literal('ClientIP')]),
  sessionAffinityTimeoutSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86400 })),
  ipFamilies: Type.Array(Type.Union([Type.Literal('IPv4'), Type.Literal('IPv6')]), { maxItems: 2 }),
  internalTrafficPolicy: Type.Optional(Type.Union([Type.Literal('Cluster'), Type.Literal('Local')])),
  trafficDistribution: Type.Optional(Type.String({ maxLength: 63 })),
  /** `spec.exportedLabels` and `spec.exportedAnnotations` of the ServiceExport. */
  exportedLabels: Type.Optional(ExportedLabelsSchema),
  exportedAnnotations: Type.Optional(ExportedAnnotationsSchema),
});

export const EndpointSchema = Type.Object({
  /** The pod's (or other workload's) name; with cluster and namespace it names the workload. */
  workload: Type.String({ minLength: 1, maxLength: 253 }),
  /** One per IP family; textual, canonical. */
  addresses: Type.Array(IpText, { minItems: 1, maxItems: 2 }),
  /** Target ports, by the service port's name. */
  ports: Type.Array(Type.Object({ name: Type.String({ maxLength: 63 }), protocol: Protocol, port: PortNumber }), { maxItems: 256 }),
  ready: Type.Boolean(),
  serving: Type.Boolean(),
  terminating: Type.Boolean(),
  serviceAccount: Type.String({ maxLength: 253 }),
  /** How the owner's agent takes this workload's traffic. */
  tunnel: Type.Union([Type.Literal('hbone'), Type.Literal('none')]),
  node: Type.String({ maxLength: 253 }),
  region: Type.String({ maxLength: 63 }),
  zone: Type.String({ maxLength: 63 }),
  hostname: Type.Optional(Type.String({ maxLength: 63 })),
});

export const EndpointsRecordSchema = Type.Object({
  kind: Type.Literal('eps'),
  namespace: Label,
  name: Label,
  shard: Type.Integer({ minimum: 0, maximum: 999 }),
  endpoints: Type.Array(EndpointSchema, { maxItems: MAX_ENDPOINTS_PER_SHARD }),
});

/** As many roots as a member record may have. */
const MAX_ROOTS = 8;
/** More members than the largest clusterset that is tried. */
const MAX_TRUSTED = 1000;

/** Of one cluster: its owner joins ranges where it has more. */
export const MAX_RANGES = 256;

/** That all agents of the record's owner have the roots of a cluster. */
export const TrustedBundleSchema = Type.Object({
  cluster: Label,
  /** SHA-256, hex, over the SHA-256 fingerprints of the roots in the order of their bytes. */
  digest: Type.String({ pattern: '^[0-9a-f]{64}$' }),
});

/** More than a network has doors. */
export const MAX_GATEWAYS = 16;

/** Where an east-west gateway of the record's owner takes tunnels (HBONE) of other networks. */
export const GatewaySchema = Type.Object({
  /** An IP, textual and canonical, or a hostname that clients look up. */
  address: Type.String({ minLength: 1, maxLength: 253 }),
  port: PortNumber,
  region: Type.String({ maxLength: 63 }),
  zone: Type.String({ maxLength: 63 }),
  /** Whom, in the trust domain of the record's owner, its certificate must name. */
  namespace: Label,
  serviceAccount: Type.String({ minLength: 1, maxLength: 253 }),
});

export const MetaRecordSchema = Type.Object({
  kind: Type.Literal('meta'),
  trustDomain: Type.String({ pattern: '^[a-z0-9._-]{1,255}$' }),
  network: Type.String({ maxLength: 63 }),
  version: Type.String({ maxLength: 63 }),
  /** Certificates in DER, base64: the roots of the cluster's own trust domain, of now. Those of its join where left out. */
  roots: Type.Optional(Type.Array(Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$', maxLength: 8 * 1024 }), { maxItems: MAX_ROOTS })),
  trusted: Type.Optional(Type.Array(TrustedBundleSchema, { maxItems: MAX_TRUSTED })),
  /** Into the owner's network. Without any, no other network reaches its pods. */
  gateways: Type.Optional(Type.Array(GatewaySchema, { maxItems: MAX_GATEWAYS })),
  /** `ADDRESS/BITS`: where the cluster's endpoints are. It may be anywhere in the network where left out. */
  ranges: Type.Optional(Type.Array(Type.String({ minLength: 3, maxLength: 49 }), { maxItems: MAX_RANGES })),
  /** Whether the cluster sends heartbeats, and has heard its own come back: then its silence means something. */
  beats: Type.Optional(Type.Boolean()),
});

/** Closes a snapshot: a peer's table is complete when its count and digest are these. */
export const SyncRecordSchema = Type.Object({
  kind: Type.Literal('sync'),
  /** Live records of the cluster besides this one. */
  count: Type.Integer({ minimum: 0 }),
  /** SHA-256, hex, over the sorted lines `<key> <epoch> <gen>` of those records. */
  digest: Type.String({ pattern: '^[0-9a-f]{64}$' }),
});

export const RecordBodySchema = Type.Union([ServiceRecordSchema, EndpointsRecordSchema, MetaRecordSchema, SyncRecordSchema]);

export type ServicePort = Static<typeof ServicePortSchema>;
export type ServiceRecord = Static<typeof ServiceRecordSchema>;
export type Endpoint = Static<typeof EndpointSchema>;
export type EndpointsRecord = Static<typeof EndpointsRecordSchema>;
export type TrustedBundle = Static<typeof TrustedBundleSchema>;
export type Gateway = Static<typeof GatewaySchema>;
export type MetaRecord = Static<typeof MetaRecordSchema>;
export type SyncRecord = Static<typeof SyncRecordSchema>;
export type RecordBody = Static<typeof RecordBodySchema>;

/** The key of a record under its cluster's prefix: `svc.<ns>.<svc>`, `eps.<ns>.<svc>.<shard>`, `meta`, `sync`. */
export function recordKey(body: RecordBody): string {
  switch (body.kind) {
    case 'svc':
      return `svc.${body.namespace}.${body.name}`;
    case 'eps':
      return `eps.${body.namespace}.${body.name}.${body.shard}`;
    case 'meta':
    case 'sync':
      return body.kind;
    default:
      return body satisfies never;
  }
}
