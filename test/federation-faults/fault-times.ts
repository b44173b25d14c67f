/** Times of the federation's bus side, short enough for tests: a fortieth or so of the real ones. */
import type { DigestTimes } from '@landbridge/federation/peers/digest-watch.ts';
import type { GuardTimes } from '@landbridge/federation/peers/export-guard.ts';
import type { PeerTimes } from '@landbridge/federation/peers/peer-times.ts';

export const TIMES: PeerTimes = { beatMs: 250, suspectMs: 1000, staleMs: 3000, dropMs: 0, holdMs: 1500, isolatedMs: 1000, echoMs: 250 };
export const DIGEST_TIMES: DigestTimes = { graceMs: 1000, rereadMs: 1000, againMs: 4000 };
export const GUARD_TIMES: GuardTimes = { settleMs: 100, holdMs: 4000 };
export const MIN_AUDIT_MS = 500;
export const SYNC_MS = 25;
/** All clusters must agree again so soon after a fault is over. */
export const CONVERGED_MS = 10_000;
