/** What our control plane tells of bounds and affinity in the extensions of a service; others tell nothing. */
import { fromBinary } from '@bufbuild/protobuf';
import { NO_TRAFFIC_POLICY, type TrafficPolicy } from '@landbridge/core/route-plan.ts';
import { extensionBytes } from '@landbridge/wire/extensions.ts';
import { ServiceTraffic_Affinity, ServiceTrafficSchema } from '@landbridge/wire/gen/traffic_pb.js';
import type { Extension } from '@landbridge/wire/gen/workload_pb.js';
import { TRAFFIC_EXTENSION } from '@landbridge/wire/protocol.ts';

/** An extension that is none of ours costs the service nothing: it has no bounds. */
export function serviceTraffic(extensions: readonly Extension[]): TrafficPolicy {
  const bytes = extensionBytes(extensions, TRAFFIC_EXTENSION);
  if (bytes === undefined) return NO_TRAFFIC_POLICY;
  try {
    const { affinity, maxConnections, maxPending } = fromBinary(ServiceTrafficSchema, bytes, { readUnknownFields: false });
    return { limits: { maxConnections: maxConnections || undefined, maxPending: maxPending || undefined }, affinity: affinity === ServiceTraffic_Affinity.CLIENT_ADDRESS ? 'client-address' : 'none' };
  } catch {
    return NO_TRAFFIC_POLICY;
  }
}
