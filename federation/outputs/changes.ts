import type { KubernetesObject } from '@kubernetes/client-node';
import { keyOf, MCS_SOURCE_LABEL } from '../kubernetes/types.ts';

/** `create` fails where there is one of the name: it may be somebody else's. */
export type Change = { readonly verb: 'apply' | 'create'; readonly object: KubernetesObject } | { readonly verb: 'delete'; readonly object: KubernetesObject };

/** Says of which sources everything is known: only what such a source no longer has may be deleted. */
export interface Knowledge {
  /** Whether all records of the cluster are known, or it is known to be no member any more. */
  isComplete(cluster: string): boolean;
  /** Whether that holds for all clusters, and no cluster can be unknown. */
  readonly all: boolean;
  /** Whether there may be something newer of the cluster than what is known. Of none where left out. */
  isProvisional?(cluster: string): boolean;
}

/** What to write so that the objects in `existing` (all ours) become those in `desired`. */
export function changes(desired: readonly KubernetesObject[], existing: readonly KubernetesObject[], knowledge: Knowledge): Change[] {
  const have = new Map(existing.map((object) => [identity(object), object]));
  const wanted = new Set(desired.map(identity));
  const applied = desired.filter((object) => {
    const known = have.get(identity(object));
    return known === undefined || (!covers(known, object) && mayChange(object, knowledge));
  });
  const deleted = existing.filter((object) => !wanted.has(identity(object)) && object.metadata?.deletionTimestamp === undefined && mayDelete(object, knowledge));
  return [...applied.map((object) => ({ verb: 'apply', object }) as const), ...deleted.map((object) => ({ verb: 'delete', object }) as const)];
}

/** A slice belongs to one source; everything else to all that may export the service. */
function mayDelete(object: KubernetesObject, knowledge: Knowledge): boolean {
  const source = object.metadata?.labels?.[MCS_SOURCE_LABEL];
  return source === undefined ? knowledge.all : knowledge.isComplete(source);
}

/** What was written of a cluster may be newer than what a mirror says of it. */
function mayChange(object: KubernetesObject, { isProvisional }: Knowledge): boolean {
  const source = object.metadata?.labels?.[MCS_SOURCE_LABEL];
  return source === undefined || isProvisional?.(source) !== true;
}

export const identity = (object: KubernetesObject): string => `${object.apiVersion ?? ''} ${object.kind ?? ''} ${keyOf(object)}`;

/**
 * Whether everything that `wanted` says is in `have`, which the API server has completed with its defaults. A member that
 * is there with the value undefined says that the object must not have it: applying leaves it out, which takes it away.
 */
export function covers(have: unknown, wanted: unknown): boolean {
  if (wanted === undefined) return have === undefined || have === null;
  if (wanted === null || typeof wanted !== 'object') return have === wanted;
  if (have === null || typeof have !== 'object') return isEmpty(wanted) && (have === undefined || have === null);
  if (Array.isArray(wanted)) return Array.isArray(have) && have.length === wanted.length && wanted.every((item, i) => covers(have[i], item));
  return Object.entries(wanted).every(([key, value]) => covers((have as Record<string, unknown>)[key], value));
}

/** The API server leaves empty lists out, or says null where a field has to be there, as for the ports of an EndpointSlice; and what only says what must not be there. */
const isEmpty = (value: object): boolean => (Array.isArray(value) ? value.length === 0 : Object.keys(value).length > 0 && Object.values(value).every((member) => member === undefined));
