import type { Membership } from '../hub/membership.ts';
import { metrics } from '../metrics.ts';
import type { PeerPhase } from './peer-health.ts';

const PHASES = ['syncing', 'ready', 'suspect', 'stale', 'removed'] as const satisfies readonly PeerPhase[];

export function countPeers(membership: Pick<Membership, 'peers' | 'members'>): void {
  const { peers } = membership;
  metrics.isolated.set(peers?.ownState === 'isolated' ? 1 : 0);
  const counts = new Map<PeerPhase, number>(PHASES.map((phase) => [phase, 0]));
  if (peers !== undefined) {
    for (const { cluster } of membership.members()) {
      const phase = peers.phaseOf(cluster);
      if (phase !== undefined) counts.set(phase, (counts.get(phase) ?? 0) + 1);
    }
  }
  for (const [state, count] of counts) metrics.peers.set({ state }, count);
}
