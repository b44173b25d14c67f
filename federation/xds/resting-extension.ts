import { create } from '@bufbuild/protobuf';
import { extensionOf } from '@landbridge/wire/extensions.ts';
import { RestingServicesSchema } from '@landbridge/wire/gen/resting_pb.js';
import type { Extension, PortList } from '@landbridge/wire/gen/workload_pb.js';
import { RESTING_EXTENSION } from '@landbridge/wire/protocol.ts';

/** What agents are told of a workload's ports for services that send it no new connections; nothing where there are none. */
export function restingExtension(services: Record<string, PortList>): Extension[] {
  if (Object.keys(services).length === 0) return [];
  return [extensionOf(RESTING_EXTENSION, RestingServicesSchema, create(RestingServicesSchema, { services }))];
}
