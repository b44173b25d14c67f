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

/** A list of roots that stays the same is encoded once. */
const encoded = new WeakMap<readonly Uint8Array[], { readonly trustDomain: string; readonly resource: Resource }>();

function encode(trustDomain: string, roots: readonly Uint8Array[]): Resource {
  const known = encoded.get(roots);
  if (known?.trustDomain === trustDomain) return known.resource;
  const made = resource(toBinary(TrustBundleSchema, create(TrustBundleSchema, { trustDomain, roots: [...roots] })));
  encoded.set(roots, { trustDomain, resource: made });
  return made;
}

/** The roots of each trust domain, by its name. */
export function trustBundleResources(bundles: Iterable<TrustBundle>): ReadonlyMap<string, Resource> {
  return new Map([...bundles].map(({ trustDomain, roots, isProvisional = false }) => [trustDomain, { ...encode(trustDomain, roots), isProvisional }]));
}
