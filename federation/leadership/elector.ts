import { LandbridgeError } from '@landbridge/core/errors.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import { metrics } from '../metrics.ts';
import { type Candidate, type Election, type ElectionEvent, type ElectionTimes, mayWrite, planElection, reduceElection, TIMES, UNKNOWING } from './election.ts';
import type { Leadership } from './leadership.ts';
import type { Lease } from './lease.ts';
import type { LeaseStore } from './lease-store.ts';

/** One question or write: two have room before the lead is lost. */
const ATTEMPT_MS = 4000;
/** The one who ends does not wait longer for the API server. */
const RELEASE_MS = 2000;
const RETRY = { firstMs: 200, mostMs: 2000 };

export interface ElectorOptions {
  readonly store: LeaseStore;
  readonly me: Candidate;
  readonly log: Logger;
  readonly times?: ElectionTimes;
}

/** Seeks the lead from {@link Elector.begin} on until it is disposed of, and releases it then: whoever relies on it has to have ended before. */
export class Elector implements Leadership, AsyncDisposable {
  readonly #options: ElectorOptions;
  readonly #times: ElectionTimes;
  readonly #changed = new Set<() => void>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #state: Election = UNKNOWING;
  #wasLeading = false;
  #leader = '';
  #otherSeenMs = Number.NEGATIVE_INFINITY;
  #deadline: NodeJS.Timeout | undefined;
  /** Aborts the pause of this moment. */
  #pause = new AbortController();

  constructor(options: ElectorOptions) {
    this.#options = options;
    this.#times = options.times ?? TIMES;
    metrics.leader.set(0);
  }

  /** To be called once this process knows enough to lead. */
  begin(): void {
    this.#running ??= this.#run(this.#stop.signal);
  }

  get isLeading(): boolean {
    return mayWrite(this.#state, performance.now());
  }

  get otherSeenMs(): number {
    return this.#otherSeenMs;
  }

  /** The identity in the Lease, as far as it is known; empty where it is nobody's. */
  get leader(): string {
    return this.#leader;
  }

  onChange(changed: () => void): Disposable {
    this.#changed.add(changed);
    return { [Symbol.dispose]: () => this.#changed.delete(changed) };
  }

  /** A watch told how the Lease is now. Without one it is taken only when its time has passed since it was last read. */
  saw(lease: Lease | undefined): void {
    const before = this.#state;
    this.#reduce({ kind: 'saw', lease, nowMs: performance.now() });
    if (this.#state === before) return;
    // The first look tells that it is held, not that the holder lives.
    const isRenewal = before.kind === 'following' && before.seen !== undefined;
    if (isRenewal && lease !== undefined && lease.holder !== '' && lease.holder !== this.#options.me.identity) this.#otherSeenMs = performance.now();
    this.#pause.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    if (this.#state.kind === 'leading') await this.#release(this.#state.lease);
    this.#reduce({ kind: 'refused' });
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      this.#reduce({ kind: 'time', nowMs: performance.now() });
      const action = planElection(this.#state, this.#options.me, performance.now());
      if (action.kind === 'wait') {
        this.#pause = new AbortController();
        await waitFor(action.forMs, AbortSignal.any([signal, this.#pause.signal]));
        continue;
      }
      try {
        if (action.kind === 'read') this.saw(await this.#options.store.read(AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MS)])));
        else await this.#write(action.over);
        failures = 0;
      } catch (thrown) {
        if (signal.aborted) return;
        const { code, message } = LandbridgeError.from(thrown);
        // Another one was faster.
        if (code === 'conflict') this.#reduce({ kind: 'refused' });
        const waitMs = retryDelay(failures++, RETRY);
        if (code !== 'conflict') this.#options.log.warn({ error: message, leads: this.isLeading, retry_ms: Math.round(waitMs) }, 'the Lease could not be looked at');
        await waitFor(waitMs, signal);
      }
    }
  }

  async #write(over: Lease | undefined): Promise<void> {
    const { store, me, log } = this.#options;
    const isTaken = over?.holder !== me.identity;
    const transitions = (over?.transitions ?? -1) + (isTaken ? 1 : 0);
    const askedMs = performance.now();
    // Not given up by who ends: it could not release a Lease of which it does not know the version.
    const lease = await store.write({ holder: me.identity, durationMs: this.#times.leaseMs, transitions: Math.max(0, transitions), isTaken }, over, AbortSignal.timeout(ATTEMPT_MS));
    if (isTaken) log.info({ leader: me.identity, before: over?.holder ?? '', transitions: lease.transitions }, 'this replica takes the lead');
    this.#reduce({ kind: 'wrote', lease, askedMs });
  }

  async #release(lease: Lease): Promise<void> {
    const { store, me, log } = this.#options;
    try {
      await store.write({ holder: '', durationMs: 1000, transitions: lease.transitions, isTaken: false }, lease, AbortSignal.timeout(RELEASE_MS));
      log.info({ leader: me.identity }, 'this replica gives up the lead');
    } catch (thrown) {
      log.warn({ error: LandbridgeError.from(thrown).message }, 'the lead could not be given up: the next one takes it when its time has passed');
    }
  }

  #reduce(event: ElectionEvent): void {
    this.#state = reduceElection(this.#state, event, this.#times);
    const { me, log } = this.#options;
    const holder = this.#state.kind === 'leading' ? me.identity : this.#state.seen?.lease?.holder;
    if (holder !== undefined && holder !== this.#leader) {
      this.#leader = holder;
      // Of its own it has more to tell.
      if (holder !== me.identity) log.info({ leader: holder }, holder === '' ? 'nobody leads' : 'another replica leads');
    }
    clearTimeout(this.#deadline);
    if (this.#state.kind === 'leading') {
      this.#deadline = setTimeout(() => this.#reduce({ kind: 'time', nowMs: performance.now() }), Math.max(0, this.#state.untilMs - performance.now()));
      this.#deadline.unref();
    }
    const leads = this.isLeading;
    if (leads === this.#wasLeading) return;
    this.#wasLeading = leads;
    metrics.leader.set(leads ? 1 : 0);
    if (!leads && !this.#stop.signal.aborted) log.warn({ leader: this.#leader }, 'this replica does not lead any more');
    for (const changed of this.#changed) changed();
  }
}
