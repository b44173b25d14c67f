import type { PeerPhase } from './peer-health.ts';

/** What is known of one peer, for people. Times in milliseconds since 1970. */
export interface PeerStatus {
  readonly phase: PeerPhase;
  /** Since when it is in the phase, as far as this process knows. */
  readonly sinceMs: number;
  /** Undefined before its first beat in this life of the process. */
  readonly heardMs: number | undefined;
  /** Whether its records are other ones than its digest names, for longer than they are under way. */
  readonly differs: boolean;
}

/** Whether the other clusters can be judged; `isolated` where this one does not hear itself, and all stays as it is. */
export type OwnState = 'joining' | 'connected' | 'isolated';
