import { create, toBinary } from '@bufbuild/protobuf';
import { TrustBundleSchema } from '@landbridge/wire/gen/trust_pb.js';
import { type Resource, resource } from './resource.ts';

/** The roots of each trust domain, by its name. */
export function trustBundleResources(roots: ReadonlyMap<string, readonly Uint8Array[]>): ReadonlyMap<string, Resource> {
  return new Map([...roots].map(([trustDomain, certificates]) => [trustDomain, resource(toBinary(TrustBundleSchema, create(TrustBundleSchema, { trustDomain, roots: [...certificates] })))]));
}
