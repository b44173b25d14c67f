/** How one member is, in words: for its object, for `landbridge status` and for `landbridge check`. Pure. */
import type { Member } from '../records/members.ts';
import type { ClusterView } from '../records/cluster-view.ts';
import type { PeerPhase } from './peer-health.ts';
import type { OwnState, PeerStatus } from './peer-status.ts';
import type { Standing } from './standing.ts';

export type MemberState = 'Syncing' | 'Ready' | 'Suspect' | 'Stale' | 'Removed' | 'Degraded';

export interface MemberCondition {
  readonly type: 'Ready' | 'Synced' | 'Stale' | 'ImportsHeld' | 'Degraded';
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

export interface MemberReport {
  readonly cluster: string;
  readonly state: MemberState;
  /** Milliseconds since 1970, as the next one. */
  readonly sinceMs: number;
  readonly heardMs: number | undefined;
  readonly records: number;
  readonly exports: number;
  readonly network: string;
  readonly trustDomain: string;
  readonly version: string;
  readonly conditions: readonly MemberCondition[];
}

/** What is known of a peer. */
export interface PeerFacts {
  readonly member: Member;
  /** Undefined for one that was revoked. */
  readonly view: ClusterView | undefined;
  readonly status: PeerStatus | undefined;
  readonly standing: Standing;
  /** Exports that are held because many vanished at once. */
  readonly held: number;
  /** Of this cluster itself. */
  readonly ownState: OwnState;
  readonly nowMs: number;
}

const STATES = { syncing: 'Syncing', ready: 'Ready', suspect: 'Suspect', stale: 'Stale', removed: 'Removed' } as const satisfies Record<PeerPhase, MemberState>;
const REASONS = {
  Syncing: 'Not all of its records have been read yet; nothing of it is deleted.',
  Ready: '',
  Suspect: 'Some of its heartbeats are missing; nothing changes yet.',
  Stale: 'It has been silent for so long that the policy for stale clusters holds.',
  Removed: 'It is no member any more.',
} as const;
const STANDINGS = { first: 'Its endpoints are used as ever.', last: 'Its endpoints are used where no other one of the service is ready.', gone: 'Its endpoints are not used, unless a service has no others.' } as const satisfies Record<Standing, string>;

export function peerReport({ member, view, status, standing, held, ownState, nowMs }: PeerFacts): MemberReport {
  const phase = status?.phase ?? (member.revoked ? 'removed' : view?.complete === true ? 'ready' : 'syncing');
  const state = STATES[phase];
  const conditions: MemberCondition[] = [
    ownState === 'isolated'
      ? { type: 'Ready', status: 'Unknown', reason: 'Isolated', message: 'This cluster does not hear itself over the hub, and judges nobody. All stays as it was.' }
      : { type: 'Ready', status: state === 'Ready' ? 'True' : 'False', reason: state, message: REASONS[state] },
    syncedCondition(view?.complete === true, status?.differs === true),
    { type: 'Stale', status: state === 'Stale' ? 'True' : 'False', reason: state === 'Stale' ? 'Silent' : 'NotStale', message: state === 'Stale' ? STANDINGS[standing] : '' },
    { type: 'ImportsHeld', status: held > 0 ? 'True' : 'False', reason: held > 0 ? 'ManyVanished' : 'NoneHeld', message: held > 0 ? `${held} of its exports vanished at once; they are kept for a minute.` : '' },
  ];
  return {
    cluster: member.cluster,
    state,
    sinceMs: status?.sinceMs ?? nowMs,
    heardMs: status?.heardMs,
    records: view?.records ?? 0,
    exports: view?.services.size ?? 0,
    network: member.network,
    trustDomain: member.trustDomain,
    version: view?.meta?.version ?? '',
    conditions,
  };
}

function syncedCondition(isComplete: boolean, differs: boolean): MemberCondition {
  if (!isComplete) return { type: 'Synced', status: 'False', reason: 'Incomplete', message: 'Not all of its records have been read.' };
  if (differs) return { type: 'Synced', status: 'False', reason: 'DigestMismatch', message: 'Its records are other ones than its digest names; they are read again, and it is asked to write them again.' };
  return { type: 'Synced', status: 'True', reason: 'Synced', message: '' };
}

/** What is known of this cluster itself. */
export interface OwnFacts {
  readonly cluster: string;
  readonly network: string;
  readonly trustDomain: string;
  readonly version: string;
  readonly records: number;
  readonly exports: number;
  readonly state: OwnState;
  /** Since when, milliseconds since 1970. */
  readonly sinceMs: number;
  readonly isConnected: boolean;
}

export function ownReport({ cluster, network, trustDomain, version, records, exports, state, sinceMs, isConnected }: OwnFacts): MemberReport {
  const isDegraded = state === 'isolated';
  const degraded: MemberCondition = isDegraded
    ? { type: 'Degraded', status: 'True', reason: isConnected ? 'NotHeard' : 'NoHub', message: isConnected ? 'The hub does not bring back the heartbeats of this cluster: it is stuck, or the credentials do not allow them. Nobody is judged.' : 'The hub can not be reached. All imports stay as they are, and nobody is judged.' }
    : { type: 'Degraded', status: 'False', reason: 'Connected', message: '' };
  const ready: MemberCondition = { type: 'Ready', status: isDegraded ? 'False' : 'True', reason: isDegraded ? 'Degraded' : 'Ready', message: '' };
  return { cluster, state: isDegraded ? 'Degraded' : state === 'joining' ? 'Syncing' : 'Ready', sinceMs, heardMs: undefined, records, exports, network, trustDomain, version, conditions: [ready, degraded] };
}
