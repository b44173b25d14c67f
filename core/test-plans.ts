/** Plans for tests. */
import type { BalancePlan } from './endpoint-chooser.ts';
import type { Affinity, Candidate } from './route-plan.ts';

export function candidateOf(id: string, over: Partial<Candidate> = {}): Candidate {
  return {
    id, hop: 'plain', address: '10.0.0.1', port: 80, authority: '', identities: [], innerIdentities: [], localPod: undefined, target: undefined, weight: 1, rank: 0,
    labels: { workload: id, namespace: '', canonicalName: '', canonicalRevision: '', cluster: '', region: '', zone: '', principal: '' }, ...over,
  };
}

export function planOf(...parts: readonly (Affinity | Candidate)[]): BalancePlan {
  const affinity = parts.find((part): part is Affinity => typeof part === 'string') ?? 'none';
  return { kind: 'balance', service: undefined, candidates: parts.filter((part): part is Candidate => typeof part !== 'string'), limits: { maxConnections: undefined, maxPending: undefined }, affinity };
}

/** Numbers from 0 to less than 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
