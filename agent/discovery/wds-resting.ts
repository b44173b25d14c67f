/** What our control plane tells of a workload's ports for services that send it no new connections; others tell nothing. */
import { fromBinary } from '@bufbuild/protobuf';
import { extensionBytes } from '@landbridge/wire/extensions.ts';
import { type RestingServices, RestingServicesSchema } from '@landbridge/wire/gen/resting_pb.js';
import type { Extension } from '@landbridge/wire/gen/workload_pb.js';
import { RESTING_EXTENSION } from '@landbridge/wire/protocol.ts';

type Ports = ReadonlyMap<string, ReadonlyMap<number, number>>;

const NONE: Ports = new Map();

/** `read` as for the workload's own services. An extension that is none of ours costs the workload nothing: it rests for none. */
export function restingServices(extensions: readonly Extension[], read: (services: RestingServices['services']) => Ports): Ports {
  const bytes = extensionBytes(extensions, RESTING_EXTENSION);
  if (bytes === undefined) return NONE;
  try {
    return read(fromBinary(RestingServicesSchema, bytes, { readUnknownFields: false }).services);
  } catch {
    return NONE;
  }
}
