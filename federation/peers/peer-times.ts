import type { PeersConfig } from '../config.ts';

/** Times of the states of peers, in milliseconds. */
export interface PeerTimes {
  /** Between two beats of a clusterset of few. */
  readonly beatMs: number;
  /** Of silence, until a peer is Suspect: three beats at least. */
  readonly suspectMs: number;
  /** Of silence, until a peer is Stale. */
  readonly staleMs: number;
  /** Of silence, until the endpoints of a Stale peer are dropped, where that is the policy. Never, where 0. */
  readonly dropMs: number;
  /** Between two changes of what is said of one peer. */
  readonly holdMs: number;
  /** Without an echo of its own beats, until a cluster calls itself isolated. */
  readonly isolatedMs: number;
  /** How late an echo may be before the silence of others stops to count. */
  readonly echoMs: number;
}

export const DEFAULT_TIMES: PeerTimes = { beatMs: 5000, suspectMs: 15_000, staleMs: 60_000, dropMs: 0, holdMs: 30_000, isolatedMs: 15_000, echoMs: 2500 };

export function peerTimes({ staleAfterSeconds, dropAfterSeconds }: PeersConfig): PeerTimes {
  return { ...DEFAULT_TIMES, staleMs: staleAfterSeconds * 1000, dropMs: dropAfterSeconds * 1000 };
}

/** Beats missed before a peer is Suspect. */
export const MISSED_BEATS = 3;
/** What each member adds to the time between two beats, so that all that one hears in a minute stays within 64 KiB (docs/limits.md). */
const EACH_MEMBER_SHARE = 0.03;

/** Between two beats in a clusterset of so many members: as long as `beatMs` says up to 33, then longer. */
export function beatInterval(members: number, { beatMs }: Pick<PeerTimes, 'beatMs'>): number {
  return Math.max(1, members * EACH_MEMBER_SHARE) * beatMs;
}
