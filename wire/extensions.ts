/** What resources of discovery have beside Istio's workload API, each under a name that others pass over (istio.workload.Extension). */
import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { type Extension, ExtensionSchema } from './gen/workload_pb.js';

export function extensionOf<Desc extends DescMessage>(name: string, schema: Desc, message: MessageShape<Desc>): Extension {
  return create(ExtensionSchema, { name, config: anyPack(schema, message) });
}

/** The encoded message under a name; undefined where there is none. */
export function extensionBytes(extensions: readonly Extension[], wanted: string): Uint8Array | undefined {
  return extensions.find(({ name }) => name === wanted)?.config?.value;
}
