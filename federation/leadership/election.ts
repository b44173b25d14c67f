import { DEFAULT_DURATION_MS, type Lease } from './lease.ts';

/** In milliseconds. */
export interface ElectionTimes {
  /** A holder that has not been seen to renew for this long has lost the Lease. */
  readonly leaseMs: number;
  /** A holder that could not renew for this long stops; the difference is what writes under way have left to end. */
  readonly renewMs: number;
  /** Between two renewals. */
  readonly retryMs: number;
}

/** As the components of Kubernetes have them (client-go, tools/leaderelection). */
export const TIMES: ElectionTimes = { leaseMs: DEFAULT_DURATION_MS, renewMs: 10_000, retryMs: 2000 };

/** One process that may lead. */
export interface Candidate {
  readonly pod: string;
  /** `<pod>_<something that no other process has>`. */
  readonly identity: string;
}

/** What a process knows of the Lease. All times are of its own monotonic clock: what another one has written of its clock is not looked at. */
export type Election =
  | { readonly kind: 'following'; readonly seen: Seen | undefined }
  /** May write until `untilMs`. */
  | { readonly kind: 'leading'; readonly lease: Lease; readonly renewAtMs: number; readonly untilMs: number };

interface Seen {
  /** Undefined where there is none. */
  readonly lease: Lease | undefined;
  /** When it was first seen as it is. */
  readonly sinceMs: number;
}

export type ElectionEvent =
  | { readonly kind: 'saw'; readonly lease: Lease | undefined; readonly nowMs: number }
  /** The API server has taken what was written. It was asked at `askedMs`, and may have done so at once: from then on time runs. */
  | { readonly kind: 'wrote'; readonly lease: Lease; readonly askedMs: number }
  /** The Lease is not the one any more that was to be written over. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'time'; readonly nowMs: number };

export type ElectionAction =
  | { readonly kind: 'read' }
  /** Over exactly this version of it; makes it where there is none. */
  | { readonly kind: 'write'; readonly over: Lease | undefined }
  | { readonly kind: 'wait'; readonly forMs: number };

export const UNKNOWING: Election = { kind: 'following', seen: undefined };

export function reduceElection(state: Election, event: ElectionEvent, times: ElectionTimes = TIMES): Election {
  switch (event.kind) {
    case 'saw':
      // A holder learns by its next renewal that it is none any more: what it sees may be from before the last one.
      if (state.kind === 'leading' || (state.seen !== undefined && state.seen.lease?.version === event.lease?.version)) return state;
      return { kind: 'following', seen: { lease: event.lease, sinceMs: event.nowMs } };
    case 'wrote':
      return { kind: 'leading', lease: event.lease, renewAtMs: event.askedMs + times.retryMs, untilMs: event.askedMs + times.renewMs };
    case 'refused':
      return UNKNOWING;
    case 'time':
      return state.kind === 'leading' && event.nowMs >= state.untilMs ? { kind: 'following', seen: { lease: state.lease, sinceMs: event.nowMs } } : state;
    default:
      return event satisfies never;
  }
}

export function mayWrite(state: Election, nowMs: number): boolean {
  return state.kind === 'leading' && nowMs < state.untilMs;
}

export function planElection(state: Election, me: Candidate, nowMs: number): ElectionAction {
  switch (state.kind) {
    case 'leading':
      return nowMs < state.renewAtMs ? { kind: 'wait', forMs: state.renewAtMs - nowMs } : { kind: 'write', over: state.lease };
    case 'following': {
      if (state.seen === undefined) return { kind: 'read' };
      const { lease, sinceMs } = state.seen;
      const freeAtMs = lease === undefined || isFree(lease, me) ? nowMs : sinceMs + lease.durationMs;
      return nowMs < freeAtMs ? { kind: 'wait', forMs: freeAtMs - nowMs } : { kind: 'write', over: lease };
    }
    default:
      return state satisfies never;
  }
}

/** Nobody's, this process' own, or of a container that was in this pod before: a kubelet starts the next one when the last has ended. */
function isFree({ holder }: Lease, { pod }: Candidate): boolean {
  return holder === '' || podOf(holder) === pod;
}

export function candidate(pod: string, unique: string): Candidate {
  return { pod, identity: `${pod}_${unique}` };
}

/** Names of pods have no underscore. */
export function podOf(identity: string): string {
  const end = identity.indexOf('_');
  return end < 0 ? identity : identity.slice(0, end);
}
