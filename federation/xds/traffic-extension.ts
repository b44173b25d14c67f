import { create } from '@bufbuild/protobuf';
import type { TrafficPolicy } from '@landbridge/core/route-plan.ts';
import { extensionOf } from '@landbridge/wire/extensions.ts';
import { ServiceTraffic_Affinity, ServiceTrafficSchema } from '@landbridge/wire/gen/traffic_pb.js';
import type { Extension } from '@landbridge/wire/gen/workload_pb.js';
import { TRAFFIC_EXTENSION } from '@landbridge/wire/protocol.ts';

const AFFINITIES = { none: ServiceTraffic_Affinity.NONE, 'client-address': ServiceTraffic_Affinity.CLIENT_ADDRESS } as const satisfies Record<TrafficPolicy['affinity'], ServiceTraffic_Affinity>;

/** What agents are told of bounds and affinity beyond Istio's workload API; nothing where there are none. */
export function trafficExtension({ limits: { maxConnections = 0, maxPending = 0 }, affinity }: TrafficPolicy): Extension[] {
  if (maxConnections === 0 && maxPending === 0 && affinity === 'none') return [];
  return [extensionOf(TRAFFIC_EXTENSION, ServiceTrafficSchema, create(ServiceTrafficSchema, { affinity: AFFINITIES[affinity], maxConnections, maxPending }))];
}
