/** Which import is written next, and what of it. No effects; times are of any clock that does not go back. */
import type { KubernetesObject } from '@kubernetes/client-node';
import { type Change, identity } from '../outputs/changes.ts';

/** What is written of an import at one turn: its objects, or what conditions say of it and of its export. */
export interface Turn {
  readonly key: string;
  readonly what: 'objects' | 'status';
}

/** Of so many turns one is for a status, where both wait: while objects change all the time, statuses get on all the same. */
const STATUS_EVERY = 8;
/**
 * Within this time of having been rewritten an import is one that changes again and again. So old its objects may become
 * before their turn comes all the same: up to 2,400 services may change all the time before more is rewritten than {@link REWRITES}.
 */
export const REST_MS = 120_000;
/** Objects of such imports that are rewritten for ever: what a kube-controller-manager asks for in all, by its defaults (--kube-api-qps, --kube-api-burst). */
export const REWRITES = { perSecond: 20, burst: 100 } as const;
const SPACING_MS = 1000 / REWRITES.perSecond;

/**
 * How many of a turn's changes give objects that are there another content, or remove them. Of an import that is still being made, which
 * is given its address in two steps, only those count that remove something: one of which slices come and go has nothing else.
 */
export function rewritesOf(changes: readonly Change[], existing: readonly KubernetesObject[], lacksAddress: boolean): number {
  const known = new Set(existing.map(identity));
  const removed = changes.filter(({ verb }) => verb === 'delete').length;
  const isMade = lacksAddress || changes.some(({ object }) => !known.has(identity(object)));
  return isMade ? removed : changes.length;
}

export interface Looks {
  /** Whether nothing of the import leads anywhere yet, at this moment. */
  readonly lacksAddress: (key: string) => boolean;
  /** Whether it is no import any more, and what was written of it is to be removed. */
  readonly isGone: (key: string) => boolean;
}

/**
 * Imports wait by their keys. First come those whose name leads nowhere before something is written, then all others whose
 * objects may differ, then those that were rewritten a short time ago, of which a bounded number is in a second; each in the
 * order in which they changed. Statuses come when nothing else waits.
 */
export class OutputTurns {
  readonly #looks: Looks;
  /** Since when each waits. */
  readonly #first = new Map<string, number>();
  readonly #others = new Map<string, number>();
  readonly #again = new Map<string, number>();
  readonly #statuses = new Set<string>();
  /** When objects of an import were rewritten last, in this order. */
  readonly #rewrittenMs = new Map<string, number>();
  /** Up to when the rate of rewrites is used up. */
  #usedUntilMs = Number.NEGATIVE_INFINITY;
  #sinceStatus = 0;

  constructor(looks: Looks) {
    this.#looks = looks;
  }

  get size(): number {
    return this.#first.size + this.#others.size + this.#again.size + this.#statuses.size;
  }

  /** Since when the objects wait that wait longest. */
  get sinceMs(): number | undefined {
    let since: number | undefined;
    for (const keys of this.#queues) for (const ms of keys.values()) since = Math.min(since ?? ms, ms);
    return since;
  }

  clear(): void {
    for (const keys of [...this.#queues, this.#statuses, this.#rewrittenMs]) keys.clear();
  }

  /** Something about it changed. One that waits keeps its place. */
  add(key: string, nowMs: number): void {
    const into = this.#queueOf(key, nowMs);
    let sinceMs = nowMs;
    for (const queue of this.#queues) {
      const before = queue.get(key);
      if (before === undefined) continue;
      if (queue === into) return;
      sinceMs = before;
      queue.delete(key);
    }
    into.set(key, sinceMs);
  }

  /** Its objects were looked at, and what conditions say of them may be another thing than before. */
  addStatus(key: string): void {
    this.#statuses.add(key);
  }

  /** At the last turn so many objects of it were given another content, or removed. */
  rewrote(key: string, count: number, nowMs: number): void {
    if (count === 0) return;
    // The first time is not counted: an import that has just been made is given its address.
    if (!this.#hasRested(key, nowMs)) this.#usedUntilMs = Math.max(this.#usedUntilMs, nowMs) + count * SPACING_MS;
    this.#rewrittenMs.delete(key);
    this.#rewrittenMs.set(key, nowMs);
    for (const [rested, ms] of this.#rewrittenMs) {
      if (nowMs - ms < REST_MS) break;
      this.#rewrittenMs.delete(rested);
    }
  }

  /** None of those that are `busy`; undefined where no other one waits whose time has come. */
  take(busy: { has(key: string): boolean }, nowMs: number): Turn | undefined {
    const queues = this.#sinceStatus >= STATUS_EVERY - 1 ? [this.#statuses, ...this.#queues] : [...this.#queues, this.#statuses];
    for (const keys of queues) {
      for (const key of keys.keys()) {
        if (keys === this.#again && nowMs < this.#dueMs(key)) break;
        if (busy.has(key)) continue;
        keys.delete(key);
        const what = keys === this.#statuses ? 'status' : 'objects';
        this.#sinceStatus = what === 'status' ? 0 : this.#sinceStatus + 1;
        return { key, what };
      }
    }
    return undefined;
  }

  /** When {@link take} may have another answer though nothing is added; undefined where nothing waits for its time. */
  dueMs(busy: { has(key: string): boolean }): number | undefined {
    for (const key of this.#again.keys()) if (!busy.has(key)) return this.#dueMs(key);
    return undefined;
  }

  get #queues(): readonly Map<string, number>[] {
    return [this.#first, this.#others, this.#again];
  }

  #queueOf(key: string, nowMs: number): Map<string, number> {
    if (this.#looks.lacksAddress(key)) return this.#first;
    // One that waits already as if it had rested does so.
    return this.#hasRested(key, nowMs) || this.#others.has(key) || this.#looks.isGone(key) ? this.#others : this.#again;
  }

  #hasRested(key: string, nowMs: number): boolean {
    return nowMs - (this.#rewrittenMs.get(key) ?? Number.NEGATIVE_INFINITY) >= REST_MS;
  }

  /** Of one of those that were rewritten a short time ago. */
  #dueMs(key: string): number {
    return Math.min((this.#again.get(key) ?? 0) + REST_MS, this.#usedUntilMs - (REWRITES.burst - 1) * SPACING_MS);
  }
}
