/** Sends this cluster's heartbeats and hears those of the others: time and the bus become events of the pure parts. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import { TokenBucket } from '@landbridge/core/token-bucket.ts';
import { INTERVAL_STEP_MS, MAX_ASKS, MAX_INTERVAL_MS, NO_DIGEST } from '@landbridge/wire/beat.ts';
import type { Logger } from 'pino';
import type { BeatChannel } from '../bus/beat-channel.ts';
import type { Bus } from '../bus/bus.ts';
import type { Leadership } from '../leadership/leadership.ts';
import { metrics } from '../metrics.ts';
import { type ClusterTable, isAheadOfSync, matchesSync } from '../records/cluster-table.ts';
import type { PeerState } from '../records/peer-table.ts';
import { views } from '../records/peer-table.ts';
import type { Publisher } from '../records/publisher.ts';
import { openBeat, signBeat } from './beat-signature.ts';
import { DEFAULT_DIGEST_TIMES, type Differences, type DigestTimes, differs, nextDifferences } from './digest-watch.ts';
import { EpochReminders, isReminder, openReminder } from './epoch-reminder.ts';
import { type Health, type MemberFacts, noHealth, type PeerPhase, reduceHealth } from './peer-health.ts';
import type { OwnState, PeerStatus } from './peer-status.ts';
import { beatInterval, MISSED_BEATS, type PeerTimes } from './peer-times.ts';
import { reread } from './reread.ts';
import { type StalePolicy, type Standing, standingOf } from './standing.ts';

export interface PeerWatchOptions {
  readonly cluster: string;
  readonly privateKey: KeyObject;
  readonly channel: BeatChannel;
  readonly bus: Bus;
  readonly publisher: Pick<Publisher, 'summary' | 'ask' | 'remind'>;
  /** All that the bus has said, of this moment. */
  readonly peers: () => PeerState;
  /** Whether a peer has written something that has come and was not looked at: what is known of it is not what it had written by then. */
  readonly isBehind: (cluster: string) => boolean;
  /** Takes what another reading of a peer's records found. */
  readonly take: (key: string, value: Uint8Array) => void;
  readonly leadership: Pick<Leadership, 'isLeading'>;
  readonly times: PeerTimes;
  readonly stalePolicy: StalePolicy;
  readonly digestTimes?: DigestTimes;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Called when the phase or the standing of a peer changed, or this cluster's own state. */
  readonly onChange: () => void;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** Beats of one cluster that are looked at; more say nothing that these do not. */
const EACH_CLUSTER = { burst: 5, perSecond: 2 };
const TICKS_PER_BEAT = 5;
const DIGESTS_PER_TICK = 4;
/** A look costs a hash of all records of the peer. */
const LOOKS_IN_GRACE = 5;
/** One that never heard itself for so long sends no more often than that. */
const UNHEARD_MS = 60_000;
/** Six bytes of a beat. */
const MAX_COUNTER = 2 ** 48 - 1;

export class PeerWatch {
  readonly #options: PeerWatchOptions;
  readonly #digestTimes: DigestTimes;
  readonly #publicKey: KeyObject;
  readonly #reminders = new EpochReminders();
  #health: Health;
  #differences: Differences = new Map();
  #asks: readonly string[] = [];
  #ownSinceMs: number;
  /** The digest in each peer's newest beat. */
  readonly #digests = new Map<string, string>();
  readonly #heardMs = new Map<string, number>();
  readonly #sinceMs = new Map<string, number>();
  readonly #budgets = new Map<string, TokenBucket>();
  readonly #rereading = new Set<string>();
  /** Whether each peer's records were those that its `sync` names, and the table that was looked at. */
  readonly #verdicts = new Map<string, { readonly table: ClusterTable; readonly matches: boolean | undefined }>();
  /** Peers whose records seem to be others than their `sync` names, or are further on. */
  readonly #inDoubt = new Set<string>();
  /** What {@link sawSync} found when it looked at a peer that is in doubt. */
  readonly #seen = new Map<string, { readonly atMs: number; readonly matches: boolean }>();
  /** When the newest `sync` of each peer was taken. */
  readonly #syncMs = new Map<string, number>();
  /** Of this cluster's own beats, whichever replica sent them. */
  #sequence = 0;
  #sentMs = Number.NEGATIVE_INFINITY;

  constructor(options: PeerWatchOptions) {
    this.#options = options;
    this.#publicKey = createPublicKey(options.privateKey);
    this.#digestTimes = options.digestTimes ?? DEFAULT_DIGEST_TIMES;
    this.#health = noHealth(performance.now());
    this.#ownSinceMs = options.clock();
  }

  /** Undefined for this cluster itself, and for one that is not known. */
  statusOf(cluster: string): PeerStatus | undefined {
    const peer = this.#health.peers.get(cluster);
    if (peer === undefined) return undefined;
    return { phase: peer.phase, sinceMs: this.#sinceMs.get(cluster) ?? this.#options.clock(), heardMs: this.#heardMs.get(cluster), differs: differs(this.#differences, cluster, performance.now(), this.#digestTimes) };
  }

  phaseOf(cluster: string): PeerPhase | undefined {
    return this.#health.peers.get(cluster)?.phase;
  }

  standingOf(cluster: string): Standing {
    return this.#standingIn(this.#health, cluster);
  }

  get ownState(): OwnState {
    const { isolated, heardItself } = this.#health;
    return isolated ? 'isolated' : heardItself ? 'connected' : 'joining';
  }

  /** Since when the own state is what it is, milliseconds since 1970. */
  get ownSinceMs(): number {
    return this.#ownSinceMs;
  }

  /** Whether the others may take this cluster's silence for one. */
  get hasHeardItself(): boolean {
    return this.#health.heardItself;
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#options.channel.listen((cluster, bytes) => this.#hear(cluster, bytes), signal), this.#tickOn(signal)]);
  }

  get #intervalMs(): number {
    const { peers, times } = this.#options;
    let live = 0;
    for (const { member } of peers().members.values()) if (!member.revoked) live += 1;
    return Math.min(beatInterval(live, times), MAX_INTERVAL_MS);
  }

  #hear(cluster: string, bytes: Uint8Array): void {
    const { peers, clock, publisher, cluster: own } = this.#options;
    const { members, tables } = peers();
    const member = members.get(cluster)?.member;
    if (isReminder(bytes)) {
      // Who has just begun may not know yet who sends it. All whom it does not know have one budget.
      if (member?.revoked === true || !this.#budgetOf(member === undefined ? '' : cluster).take(performance.now())) return;
      const version = openReminder(bytes, own, this.#publicKey);
      if (version !== undefined) publisher.remind(version);
      return;
    }
    if (member === undefined || member.revoked || !this.#budgetOf(cluster).take(performance.now())) return;
    const beat = openBeat(bytes, cluster, member.recordPublicKey);
    // Of an epoch that has ended it is a copy, or its cluster does not know that the epoch has ended.
    if (!beat.ok || beat.value.epoch < (tables.get(cluster)?.head.epoch ?? 0)) {
      metrics.beatsRefused.inc();
      if (beat.ok) this.#remind(cluster, beat.value.epoch, tables.get(cluster));
      return;
    }
    const { epoch, sequence, intervalMs, digest, asks } = beat.value;
    if (cluster === own) this.#sequence = Math.max(this.#sequence, sequence);
    else if (asks.includes(own)) publisher.ask();
    const before = this.#health;
    this.#reduce({ kind: 'beat', cluster, version: { epoch, gen: sequence }, intervalMs });
    if (this.#health.peers.get(cluster) === before.peers.get(cluster)) return;
    this.#heardMs.set(cluster, clock());
    this.#digests.set(cluster, digest);
  }

  #remind(cluster: string, epoch: number, table: ClusterTable | undefined): void {
    const reminder = this.#reminders.reminderFor(cluster, epoch, table, performance.now());
    if (reminder === undefined) return;
    this.#options.channel.send(reminder);
    metrics.reminders.inc();
  }

  #budgetOf(cluster: string): TokenBucket {
    let budget = this.#budgets.get(cluster);
    if (budget === undefined) this.#budgets.set(cluster, (budget = new TokenBucket(EACH_CLUSTER, performance.now())));
    return budget;
  }

  /**
   * A `sync` of a peer was taken. Records of one that writes all the time are those that it names at this moment and soon are
   * further on: this is looked at where they are in doubt, a few times in the time that records may be under way. Where later
   * values have overtaken it on their way here, nothing is to be seen.
   */
  sawSync(cluster: string): void {
    const { peers, isBehind } = this.#options;
    const table = peers().tables.get(cluster);
    const nowMs = performance.now();
    this.#syncMs.set(cluster, nowMs);
    if (table === undefined || !this.#inDoubt.has(cluster) || isBehind(cluster) || isAheadOfSync(table)) return;
    if (nowMs - (this.#seen.get(cluster)?.atMs ?? Number.NEGATIVE_INFINITY) < this.#digestTimes.graceMs / LOOKS_IN_GRACE) return;
    this.#seen.set(cluster, { atMs: nowMs, matches: matchesSync(table) === true });
  }

  async #tickOn(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#send();
      this.#reduce({ kind: 'tick', connected: this.#options.channel.connected, members: this.#facts() });
      this.#compareDigests(signal);
      await waitFor(this.#options.times.beatMs / TICKS_PER_BEAT, signal);
    }
  }

  /** One replica is enough. Where none leads, as without the API server, the first that misses the beats sends them. */
  #send(): void {
    const { channel, cluster, leadership, privateKey, publisher, clock } = this.#options;
    const nowMs = performance.now();
    const intervalMs = this.#intervalMs;
    // A hub that does not let this cluster send says so each time.
    const everyMs = this.#health.heardItself || this.#health.echoAgeMs < UNHEARD_MS ? intervalMs : Math.max(intervalMs, UNHEARD_MS);
    // Two ticks may be a little more than an interval apart.
    if (!channel.connected || nowMs - this.#sentMs < everyMs * 0.95) return;
    if (!leadership.isLeading && this.#health.echoAgeMs < (MISSED_BEATS - 1) * intervalMs) return;
    const { epoch, digest } = publisher.summary;
    this.#sequence = Math.min(MAX_COUNTER, Math.max(this.#sequence + 1, clock()));
    this.#sentMs = nowMs;
    channel.send(signBeat(privateKey, cluster, { epoch: Math.min(epoch, MAX_COUNTER), sequence: this.#sequence, intervalMs: Math.ceil(intervalMs / INTERVAL_STEP_MS) * INTERVAL_STEP_MS, digest: digest?.slice(0, NO_DIGEST.length) ?? NO_DIGEST, asks: this.#asks.slice(0, MAX_ASKS) }));
  }

  #facts(): ReadonlyMap<string, MemberFacts> {
    const { peers, cluster: own } = this.#options;
    const state = peers();
    const seen = views(state);
    const facts = new Map<string, MemberFacts>();
    for (const [cluster, { member }] of state.members) if (cluster !== own) facts.set(cluster, { complete: seen.get(cluster)?.complete === true, revoked: member.revoked, beats: seen.get(cluster)?.meta?.beats === true });
    return facts;
  }

  #reduce(event: Parameters<typeof reduceHealth>[1]): void {
    const { cluster, times, onChange, log, clock } = this.#options;
    const before = this.#health;
    const own = this.ownState;
    this.#health = reduceHealth(before, event, performance.now(), { cluster, times, intervalMs: this.#intervalMs });
    let isChanged = this.ownState !== own;
    if (isChanged) this.#ownSinceMs = clock();
    if (isChanged) log.info({ from: own, to: this.ownState }, 'whether this cluster hears itself over the hub changed');
    for (const [peer, { phase }] of this.#health.peers) {
      const was = before.peers.get(peer)?.phase;
      if (this.#standingIn(before, peer) !== this.standingOf(peer)) isChanged = true;
      if (was === phase) continue;
      this.#sinceMs.set(peer, clock());
      isChanged = true;
      if (was !== undefined) {
        log.info({ peer, from: was, to: phase }, 'the state of a peer changed');
        metrics.peerTransitions.inc({ to: phase });
      }
    }
    if (isChanged) onChange();
  }

  #standingIn({ peers }: Health, cluster: string): Standing {
    const { times, stalePolicy } = this.#options;
    const peer = peers.get(cluster);
    return standingOf(peer?.phase, peer?.silentMs ?? 0, { policy: stalePolicy, dropMs: times.dropMs });
  }

  #compareDigests(signal: AbortSignal): void {
    const { peers, log } = this.#options;
    const agrees = new Map<string, boolean | undefined>();
    const nowMs = performance.now();
    for (const { cluster, table, matches } of this.#judgeTables(peers().tables)) {
      const heard = this.#digests.get(cluster) ?? NO_DIGEST;
      if (matches === undefined && heard === NO_DIGEST) continue;
      // Its beats mean a `sync` that may not have arrived.
      const isSame = matches === true && (heard === NO_DIGEST || table.sync?.body?.digest.startsWith(heard) === true);
      if (isSame) {
        this.#inDoubt.delete(cluster);
        this.#seen.delete(cluster);
      } else this.#inDoubt.add(cluster);
      agrees.set(cluster, isSame || this.#agreesInDoubt(cluster, table, nowMs));
    }
    const { differences, reread: again, asks } = nextDifferences(this.#differences, agrees, nowMs, this.#digestTimes);
    this.#differences = differences;
    this.#asks = asks;
    for (const cluster of again) {
      log.warn({ peer: cluster }, 'the records of a peer are not those that its digest names, reading them again');
      metrics.rereads.inc();
      void this.#reread(cluster, signal);
    }
  }

  /** Of one whose records of this moment are not those that its newest `sync` names; undefined where that says nothing. */
  #agreesInDoubt(cluster: string, table: ClusterTable, nowMs: number): boolean | undefined {
    const { graceMs } = this.#digestTimes;
    const isRecent = (atMs = Number.NEGATIVE_INFINITY): boolean => nowMs - atMs < graceMs;
    const seen = this.#seen.get(cluster);
    if (seen?.matches === true && isRecent(seen.atMs)) return true;
    if (this.#options.isBehind(cluster)) return undefined;
    const saysNothing = isAheadOfSync(table) && isRecent(this.#syncMs.get(cluster)) && seen?.matches !== false;
    return saysNothing ? undefined : false;
  }

  /** What is known of each table. Those that changed are looked at a few at a time, first those that did not match: it costs a hash of all that is in them. */
  *#judgeTables(tables: ReadonlyMap<string, ClusterTable>): Generator<{ readonly cluster: string; readonly table: ClusterTable; readonly matches: boolean | undefined }> {
    const live = [...tables].filter(([cluster]) => this.#health.peers.has(cluster) && this.phaseOf(cluster) !== 'removed');
    const changed = live.filter(([cluster, table]) => this.#verdicts.get(cluster)?.table !== table);
    changed.sort(([a], [b]) => Number(this.#verdicts.get(a)?.matches ?? true) - Number(this.#verdicts.get(b)?.matches ?? true));
    for (const [cluster, table] of changed.slice(0, DIGESTS_PER_TICK)) {
      // At the end, so that the next ones have their turn.
      this.#verdicts.delete(cluster);
      this.#verdicts.set(cluster, { table, matches: matchesSync(table) });
    }
    for (const [cluster] of live) {
      const verdict = this.#verdicts.get(cluster);
      if (verdict !== undefined) yield { cluster, ...verdict };
    }
  }

  async #reread(cluster: string, signal: AbortSignal): Promise<void> {
    if (this.#rereading.has(cluster)) return;
    this.#rereading.add(cluster);
    try {
      await reread(this.#options.bus, cluster, this.#options.take, signal);
    } finally {
      this.#rereading.delete(cluster);
    }
  }
}
