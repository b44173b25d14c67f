/**
 * How the other clusters are, concluded from their heartbeats: a pure reducer. Silence counts only while this cluster
 * hears its own beats come back over the hub: who hears nobody knows of nobody else that they are silent.
 */
import { compareVersions, type Version } from '@landbridge/wire/record.ts';
import { MISSED_BEATS, type PeerTimes } from './peer-times.ts';

/**
 * `syncing`: not all of its records are known, and nothing of it is deleted. `suspect`: some beats are missing, nothing
 * changes. `stale`: the policy for stale peers holds. `removed`: it is no member any more.
 */
export type PeerPhase = 'syncing' | 'ready' | 'suspect' | 'stale' | 'removed';

export interface PeerHealth {
  /** What is said of it: follows what is known with {@link PeerTimes.holdMs} between two changes. */
  readonly phase: PeerPhase;
  /** When the phase changed last, by the reducer's clock; undefined while it is the first one. */
  readonly changedMs: number | undefined;
  /** Silence that counted, since its last beat. */
  readonly silentMs: number;
  /** The newest beat, `gen` being its sequence; undefined before the first one in this life of the process. */
  readonly beat: Version | undefined;
  readonly intervalMs: number;
}

export interface Health {
  readonly atMs: number;
  /** Since this cluster heard itself, or began to listen. */
  readonly echoAgeMs: number;
  /** Whether it has heard itself at all. */
  readonly heardItself: boolean;
  /** Nothing is concluded of anybody. */
  readonly isolated: boolean;
  /** Without this cluster itself. */
  readonly peers: ReadonlyMap<string, PeerHealth>;
}

/** What is known of a member besides its beats. */
export interface MemberFacts {
  readonly complete: boolean;
  readonly revoked: boolean;
  /** Whether its records say that it beats: a version that does not is not silent. */
  readonly beats: boolean;
}

export type HealthEvent =
  /** A beat whose signature holds, of this cluster itself or of a peer. */
  | { readonly kind: 'beat'; readonly cluster: string; readonly version: Version; readonly intervalMs: number }
  /** Time passes. `members` are all others. */
  | { readonly kind: 'tick'; readonly connected: boolean; readonly members: ReadonlyMap<string, MemberFacts> };

export interface HealthContext {
  readonly cluster: string;
  readonly times: PeerTimes;
  /** Between two beats of this cluster. */
  readonly intervalMs: number;
}

/** A process that was stopped for longer than that did not listen meanwhile. */
const MAX_STEP_MS = 2000;

export function noHealth(nowMs: number): Health {
  return { atMs: nowMs, echoAgeMs: 0, heardItself: false, isolated: false, peers: new Map() };
}

/** `nowMs` by a clock that does not go back. */
export function reduceHealth(health: Health, event: HealthEvent, nowMs: number, context: HealthContext): Health {
  return event.kind === 'beat' ? takeBeat(health, event, context) : takeTick(health, event, nowMs, context);
}

function takeBeat(health: Health, { cluster, version, intervalMs }: Extract<HealthEvent, { kind: 'beat' }>, context: HealthContext): Health {
  if (cluster === context.cluster) return { ...health, echoAgeMs: 0, heardItself: true, isolated: false };
  const known = health.peers.get(cluster);
  // One that is no member, or not known to be one yet. The next tick looks.
  if (known === undefined || known.phase === 'removed') return health;
  // Sent before one that was heard: a copy, or late. It shows nothing of now.
  if (known.beat !== undefined && compareVersions(version, known.beat) <= 0) return health;
  return { ...health, peers: new Map(health.peers).set(cluster, { ...known, beat: version, intervalMs, silentMs: 0 }) };
}

function takeTick(health: Health, { connected, members }: Extract<HealthEvent, { kind: 'tick' }>, nowMs: number, context: HealthContext): Health {
  const { times, intervalMs } = context;
  const stepMs = Math.min(Math.max(0, nowMs - health.atMs), MAX_STEP_MS);
  const echoAgeMs = health.echoAgeMs + stepMs;
  const hearsItself = connected && health.heardItself && echoAgeMs <= intervalMs + times.echoMs;
  const isolated = echoAgeMs > Math.max(times.isolatedMs, MISSED_BEATS * intervalMs);
  const peers = new Map<string, PeerHealth>();
  for (const [cluster, facts] of members) peers.set(cluster, nextPeer(health.peers.get(cluster), facts, { countedMs: hearsItself ? stepMs : 0, nowMs, times, intervalMs }));
  return { atMs: nowMs, echoAgeMs, heardItself: health.heardItself, isolated, peers };
}

interface Step {
  /** Of the time that passed, what counts as silence. */
  readonly countedMs: number;
  readonly nowMs: number;
  readonly times: PeerTimes;
  readonly intervalMs: number;
}

function nextPeer(known: PeerHealth | undefined, facts: MemberFacts, { countedMs, nowMs, times, intervalMs }: Step): PeerHealth {
  const before = known ?? { phase: facts.revoked ? 'removed' : facts.complete ? 'ready' : 'syncing', changedMs: undefined, silentMs: 0, beat: undefined, intervalMs } satisfies PeerHealth;
  const judged = facts.beats || before.beat !== undefined;
  const peer: PeerHealth = { ...before, silentMs: judged ? before.silentMs + countedMs : 0 };
  const phase = phaseOf(peer, facts, times);
  if (phase === peer.phase || (isHeld(peer, phase) && peer.changedMs !== undefined && nowMs - peer.changedMs < times.holdMs)) return peer;
  // The end of the first synchronisation begins nothing that could swing.
  return { ...peer, phase, changedMs: peer.phase === 'syncing' ? undefined : nowMs };
}

function phaseOf({ silentMs, intervalMs }: PeerHealth, facts: MemberFacts, times: PeerTimes): PeerPhase {
  if (facts.revoked) return 'removed';
  if (!facts.complete) return 'syncing';
  const suspectMs = suspectAfter(intervalMs, times);
  if (silentMs < suspectMs) return 'ready';
  // Of one that beats seldom, silence means less.
  return silentMs < Math.max(times.staleMs, suspectMs + intervalMs) ? 'suspect' : 'stale';
}

export function suspectAfter(intervalMs: number, { suspectMs }: PeerTimes): number {
  return Math.max(suspectMs, MISSED_BEATS * intervalMs);
}

/** Whether a change may have to wait: those that its beats cause. */
function isHeld(peer: PeerHealth, next: PeerPhase): boolean {
  return peer.phase !== 'syncing' && next !== 'syncing' && next !== 'removed' && peer.phase !== 'removed';
}
