/**
 * DestinationRule (networking.istio.io), as far as agents act upon it. Fields beyond are for proxies of requests, or are
 * the agents' own to choose: what is here is in force without them, and the rule's condition names them.
 */
import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';

/** Istio has int32. */
const Count = Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 }));

const TrafficPolicySchema = Type.Object({
  connectionPool: Type.Optional(Type.Object({
    /** To all endpoints of a service together. */
    tcp: Type.Optional(Type.Object({ maxConnections: Count })),
    /** The name is of requests, the bound of whatever waits for a connection. */
    http: Type.Optional(Type.Object({ http1MaxPendingRequests: Count })),
  })),
  loadBalancer: Type.Optional(Type.Object({
    simple: Type.Optional(Type.String()),
    consistentHash: Type.Optional(Type.Object({ useSourceIp: Type.Optional(Type.Boolean()) })),
  })),
});

const DestinationRuleSpecSchema = Type.Object({
  host: Type.String({ minLength: 1, maxLength: 253, pattern: '^(\\*|(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)$' }),
  trafficPolicy: Type.Optional(TrafficPolicySchema),
  exportTo: Type.Optional(Type.Array(Type.String({ maxLength: 253 }), { maxItems: 1024 })),
  workloadSelector: Type.Optional(Type.Unknown()),
});

export type TrafficPolicySpec = Static<typeof TrafficPolicySchema>;

export const destinationRuleSpecValidator = Compile(DestinationRuleSpecSchema);
