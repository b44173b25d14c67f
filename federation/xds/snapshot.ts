import { AUTHORIZATION_TYPE, TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import type { Resource } from './resource.ts';
import { sourceOf } from './resource-names.ts';

/** What agents are told at one moment. */
export interface Snapshot {
  /** Resources by name, by type URL. */
  readonly types: ReadonlyMap<string, ReadonlyMap<string, Resource>>;
  /** Names of a type's resources that differ from the snapshot before; of a type that is not in it all may. */
  readonly changed?: ReadonlyMap<string, ReadonlySet<string>>;
  /** Whether everything of a cluster is known; names of other clusters are not taken away from agents that have them. */
  readonly isComplete: (cluster: string) => boolean;
  readonly allComplete: boolean;
  /** Whether there may be something newer of a cluster than what is known here: agents that have anything of it keep that. Of none where left out. */
  readonly isProvisional?: (cluster: string) => boolean;
  /** Whether no member can be unknown: only then is a trust domain gone that none has. */
  readonly allListed: boolean;
}

export interface Delta {
  readonly updated: readonly (readonly [string, Resource])[];
  readonly removed: readonly string[];
  /** Other names by which a client may have asked for a resource, and waits for it. */
  readonly aliases?: (name: string) => readonly string[];
}

/** What a client with these versions must be told to have the snapshot. */
export function delta(snapshot: Snapshot, typeUrl: string, known: ReadonlyMap<string, string>): Delta {
  const resources = snapshot.types.get(typeUrl) ?? new Map<string, Resource>();
  return {
    updated: [...resources].filter(([name, { version, isProvisional }]) => (isProvisional === true ? !known.has(name) : known.get(name) !== version)),
    removed: [...known.keys()].filter((name) => !resources.has(name) && mayRemove(snapshot, typeUrl, name)),
  };
}

export function mayRemove(snapshot: Snapshot, typeUrl: string, name: string): boolean {
  if (typeUrl === TRUST_BUNDLE_TYPE) return snapshot.allListed;
  // Policies are this cluster's own, whatever their names look like.
  if (typeUrl === AUTHORIZATION_TYPE) return true;
  const source = sourceOf(name);
  if (source === undefined) return true;
  return source === '*' ? snapshot.allComplete : snapshot.isComplete(source);
}

/** Whether what an agent came with may be replaced by what is known here. */
export function mayReplace({ isProvisional }: Snapshot, name: string): boolean {
  const source = sourceOf(name);
  return source === undefined || source === '*' || isProvisional?.(source) !== true;
}
