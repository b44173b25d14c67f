/** Times of the federation's bus side: the real ones, and others that are short enough for tests, a fortieth or so of them. */
import { DEFAULT_DIGEST_TIMES, type DigestTimes } from '@landbridge/federation/peers/digest-watch.ts';
import { DEFAULT_GUARD_TIMES, type GuardTimes } from '@landbridge/federation/peers/export-guard.ts';
import { DEFAULT_TIMES, type PeerTimes } from '@landbridge/federation/peers/peer-times.ts';

export interface FaultTimes {
  readonly peers: PeerTimes;
  readonly digests: DigestTimes;
  readonly guard: GuardTimes;
  /** What a federation service has where left out. */
  readonly publisher?: { readonly minAuditMs: number; readonly syncMs: number };
  readonly heartbeatMs?: number;
}

export const TIMES: PeerTimes = { beatMs: 250, suspectMs: 1000, staleMs: 3000, dropMs: 0, holdMs: 1500, isolatedMs: 1000, echoMs: 250 };
export const DIGEST_TIMES: DigestTimes = { graceMs: 1000, rereadMs: 1000, againMs: 4000 };
export const GUARD_TIMES: GuardTimes = { settleMs: 100, holdMs: 4000 };
export const SHORT_TIMES: FaultTimes = { peers: TIMES, digests: DIGEST_TIMES, guard: GUARD_TIMES, publisher: { minAuditMs: 500, syncMs: 25 }, heartbeatMs: 500 };
export const REAL_TIMES: FaultTimes = { peers: DEFAULT_TIMES, digests: DEFAULT_DIGEST_TIMES, guard: DEFAULT_GUARD_TIMES };
/** All clusters must agree again so soon after a fault is over. */
export const CONVERGED_MS = 10_000;
