/** Follows who is removed, so that nothing brings a removed member back: no restart, no lost bucket, no old record. */
import { eitherOrAfter } from '@landbridge/core/either-or-after.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { compareVersions, type Version } from '@landbridge/wire/record.ts';
import type { Logger } from 'pino';
import { type Bus, busKey, MEMBERS } from '../bus/bus.ts';
import type { SignedMember } from '../join/member-list.ts';
import type { RemovalReason } from '../join/member-records.ts';
import type { Leadership } from '../leadership/leadership.ts';
import { openMember, type VerifiedMember } from '../records/members.ts';
import { isUndone, type RemovedList, withSeen } from './removed-list.ts';
import type { RemovedMembers } from './removed-members.ts';

export interface RemovalKeeperOptions {
  readonly removed: Pick<RemovedMembers, 'load' | 'remember'>;
  readonly authorityPublicKey: string;
  /** Of the replicas, which all know the records, one writes. */
  readonly leadership: Leadership;
  /** Of the founder, who also puts on the bus what it lacks: signs anew that a member is none. */
  readonly removeAgain?: (present: VerifiedMember, reason: RemovalReason) => Promise<SignedMember>;
  readonly log: Pick<Logger, 'warn'>;
}

/** A replica that does not lead may have removed a member while the hub was away. */
const LOOK_MS = 5000;

export class RemovalKeeper {
  readonly #options: RemovalKeeperOptions;
  #list: RemovedList;
  readonly #unwritten = new Map<string, SignedMember>();
  /** Newest records that would bring a removed member back. */
  readonly #undone = new Map<string, SignedMember>();
  readonly #onBus = new Map<string, Version>();
  #isCurrent = false;
  #changed = Promise.withResolvers<void>();

  /** @param list as the Secret had it at the start */
  constructor(list: RemovedList, options: RemovalKeeperOptions) {
    this.#list = list;
    this.#options = options;
  }

  get list(): RemovedList {
    return this.#list;
  }

  /** Resolves after the next event that may have changed {@link list}. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** What the authority signed of a member, from wherever. */
  see(seen: SignedMember): void {
    const { cluster } = seen.member;
    const known = this.#list.get(cluster);
    if (known !== undefined && isUndone(known, seen)) this.#undone.set(cluster, seen);
    const next = withSeen(this.#list, seen);
    if (next === this.#list) return;
    this.#list = next;
    this.#unwritten.set(cluster, seen);
  }

  /** Runs until the signal aborts. */
  async run(bus: Bus, signal: AbortSignal): Promise<void> {
    using _changed = this.#options.leadership.onChange(() => this.wake());
    await Promise.all([this.#follow(bus, signal), this.#write(bus, signal)]);
  }

  wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #follow(bus: Bus, signal: AbortSignal): Promise<void> {
    for await (const event of bus.watch(busKey(MEMBERS, '>'), signal)) {
      if (event.kind === 'entry') {
        const opened = openMember(event.value, this.#options.authorityPublicKey);
        if (!opened.ok || event.key !== busKey(MEMBERS, opened.value.member.cluster)) continue;
        this.#onBus.set(opened.value.member.cluster, opened.value);
        this.see({ ...opened.value, bytes: event.value });
      } else {
        this.#isCurrent = event.kind === 'current';
        if (event.kind === 'restart') this.#onBus.clear();
      }
      if (this.#isCurrent) this.wake();
    }
  }

  async #write(bus: Bus, signal: AbortSignal): Promise<void> {
    const { leadership, log } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      const { changed } = this;
      try {
        if (leadership.isLeading) await this.#writeOnce(bus, signal);
        failures = 0;
        await eitherOrAfter(changed, LOOK_MS, signal);
      } catch (thrown) {
        if (signal.aborted) return;
        log.warn({ err: thrown }, 'removed members could not be kept, will try again');
        await waitFor(retryDelay(failures++), signal);
      }
    }
  }

  async #writeOnce(bus: Bus, signal: AbortSignal): Promise<void> {
    const { removed, removeAgain, log } = this.#options;
    if (removeAgain !== undefined) for (const kept of (await removed.load()).values()) this.see(kept);
    const unwritten = [...this.#unwritten];
    if (unwritten.length > 0) await removed.remember(unwritten.map(([, seen]) => seen));
    for (const [cluster, seen] of unwritten) if (this.#unwritten.get(cluster) === seen) this.#unwritten.delete(cluster);
    if (removeAgain === undefined || !this.#isCurrent) return;
    for (const [cluster, undone] of this.#undone) {
      const known = this.#list.get(cluster);
      if (known !== undefined && isUndone(known, undone)) {
        log.warn({ cluster }, 'a record says that a removed member is one again, removing it anew');
        this.see(await removeAgain(undone, known.member.left === true ? 'left' : 'revoked'));
      }
      this.#undone.delete(cluster);
    }
    for (const [cluster, kept] of this.#list) {
      const present = this.#onBus.get(cluster);
      if (present === undefined || compareVersions(present, kept) < 0) await bus.put(busKey(MEMBERS, cluster), kept.bytes, signal);
    }
  }
}
