import { create, toBinary } from '@bufbuild/protobuf';
import { TrustBundleSchema } from '@landbridge/wire/gen/trust_pb.js';
import { type Resource, resource } from './resource.ts';

export interface TrustBundle {
  readonly trustDomain: string;
  /** DER. */
  readonly roots: readonly Uint8Array[];
  /** Whether there may be other roots by now. */
  readonly isProvisional?: boolean;
}

/** The roots of each trust domain, by its name. */
export function trustBundleResources(bundles: Iterable<TrustBundle>): ReadonlyMap<string, Resource> {
  return new Map([...bundles].map(({ trustDomain, roots, isProvisional = false }) => [trustDomain, { ...resource(toBinary(TrustBundleSchema, create(TrustBundleSchema, { trustDomain, roots: [...roots] }))), isProvisional }]));
}
