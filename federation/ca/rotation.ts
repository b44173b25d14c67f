import { MAX_LIFETIME_SECONDS } from './authority.ts';
import type { RootMaterial } from './own-root.ts';
import type { OwnRoots } from './own-roots.ts';

/** Agents read the roots for the federation service itself from a ConfigMap, which the kubelet brings within about two minutes. */
export const DISTRIBUTION_MS = 5 * 60_000;
/** The longest that a certificate of the old root may live, and what clocks may differ. */
export const RETIREMENT_MS = MAX_LIFETIME_SECONDS * 1000 + 10 * 60_000;

/** What of the world a step depends on. */
export interface RotationFacts {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** Agents of this cluster that follow discovery, and those of them that have confirmed the roots of now; pods of replicas of the service that have not told these roots yet. */
  readonly agents: { readonly connected: number; readonly confirmed: number; readonly replicasBehind: readonly string[] };
  /** Members whose agents do not all have the roots of now, as far as is known. */
  readonly membersBehind: readonly string[];
  /** Whether all members are known. */
  readonly allListed: boolean;
  /** Why the authority that is in place can not be used. */
  readonly fault: string | undefined;
}

/** What the next step does: makes a further root and tells it, has it sign, or drops the one before. */
export type RotationStep = 'add' | 'sign' | 'remove';

export function nextStepOf({ rotation }: OwnRoots): RotationStep {
  return ({ none: 'add', distributing: 'sign', retiring: 'remove' } as const)[rotation.kind];
}

/** Why the next step may not be made yet, each a sentence; none: it may. */
export function obstacles(own: OwnRoots, facts: RotationFacts): readonly string[] {
  const { rotation } = own;
  const found = facts.fault === undefined ? [] : [`The authority in its place can not be used: ${facts.fault}.`];
  switch (rotation.kind) {
    case 'none':
      return found;
    case 'distributing':
      return [...found, ...tooEarly(rotation.sinceMs + DISTRIBUTION_MS, facts.nowMs, 'the new root is on all nodes'), ...notEverywhere(facts)];
    case 'retiring':
      return [...found, ...tooEarly(rotation.sinceMs + RETIREMENT_MS, facts.nowMs, 'no certificate of the old root is valid any more')];
    default:
      return rotation satisfies never;
  }
}

function tooEarly(atMs: number, nowMs: number, what: string): readonly string[] {
  return nowMs >= atMs ? [] : [`It is certain only from ${new Date(atMs).toISOString()} on that ${what}.`];
}

function notEverywhere({ agents, membersBehind, allListed }: RotationFacts): readonly string[] {
  return [
    ...(agents.confirmed < agents.connected ? [`${agents.connected - agents.confirmed} of ${agents.connected} agents of this cluster do not have the new root yet.`] : []),
    ...(agents.replicasBehind.length === 0 ? [] : [`Not told yet by all replicas of the federation service: ${agents.replicasBehind.join(', ')}.`]),
    ...(allListed ? [] : ['It is not known yet which clusters there are: the hub was not read.']),
    ...(membersBehind.length === 0 ? [] : [`Not all agents have the new root in: ${membersBehind.join(', ')}.`]),
  ];
}

/** The state after the next step. */
export function afterStep(own: OwnRoots, nowMs: number, make: () => RootMaterial): OwnRoots {
  const { current, rotation } = own;
  switch (rotation.kind) {
    case 'none':
      return { current, rotation: { kind: 'distributing', sinceMs: nowMs, next: make() } };
    case 'distributing':
      return { current: rotation.next, rotation: { kind: 'retiring', sinceMs: nowMs, previousPem: current.certificatePem } };
    case 'retiring':
      return { current, rotation: { kind: 'none' } };
    default:
      return rotation satisfies never;
  }
}
