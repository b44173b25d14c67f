/** How fast the records of one cluster are looked at: a cluster that writes faster waits, its later values in the place of its earlier ones. No effects. */
import { splitBusKey } from '../bus/bus.ts';

/** A key and its bytes, as the bus tells them. */
export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
}

export interface ThrottleLimits {
  /** What may come at once, and each second for ever; in units of {@link unitsOf}. */
  readonly burst: number;
  readonly perSecond: number;
  /** What may come at once of what was there when this process began to read. */
  readonly firstBurst: number;
  /** Of one cluster: keys and bytes that wait. What comes on top is lost until its owner writes it again. */
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
  /** How often those that wait are looked at, all that are due together: each time all that a cluster says is put together anew. */
  readonly everyMs: number;
}

/**
 * All that a member may have on the bus is read at once when this process begins; later 500 services with their endpoints. For ever a member may cost its readers about a twentieth of a processor: a
 * record takes 0.1 to 0.4 ms, and what follows from all that a cluster with 3000 records says some 50 ms each time.
 */
export const THROTTLE_LIMITS: ThrottleLimits = { burst: 2000, perSecond: 200, firstBurst: 60_000, maxWaiting: 50_001, maxWaitingBytes: 32 * 1024 * 1024, everyMs: 1000 };

/** A record of average size is one; time and memory go with its length. */
const BYTES_OF_UNIT = 2048;
export const unitsOf = (bytes: number): number => 1 + Math.floor(bytes / BYTES_OF_UNIT);

export interface Throttled {
  /** Records that wait. */
  readonly waiting: number;
  /** Records that found no room, since it is throttled. */
  readonly lost: number;
}

interface Origin {
  units: number;
  atMs: number;
  readonly waiting: Map<string, Entry>;
  waitingBytes: number;
  lost: number;
}

/** Clusters that are told apart; there are no so many members. */
export const MAX_ORIGINS = 2000;

/** Times are of any clock that does not go back. */
export class OriginThrottle {
  readonly #limits: ThrottleLimits;
  readonly #origins = new Map<string, Origin>();
  #nextAtMs: number | undefined;
  #isFirst = true;

  constructor(limits: ThrottleLimits = THROTTLE_LIMITS) {
    this.#limits = limits;
  }

  /** Clusters that write too fast. */
  get throttled(): ReadonlyMap<string, Throttled> {
    return new Map([...this.#origins].flatMap(([cluster, { waiting, lost }]) => (waiting.size === 0 ? [] : [[cluster, { waiting: waiting.size, lost }]])));
  }

  /** All that was there at the beginning was read. */
  settle(): void {
    this.#isFirst = false;
    for (const origin of this.#origins.values()) origin.units = Math.min(origin.units, this.#limits.burst);
  }

  /** When {@link take} is to be called; undefined while nothing waits. */
  get nextAtMs(): number | undefined {
    return this.#nextAtMs;
  }

  /** Whether the entry may be looked at now; otherwise it waits. */
  admit(entry: Entry, nowMs: number): boolean {
    const origin = this.#originOf(splitBusKey(entry.key)?.cluster ?? '', nowMs);
    this.#refill(origin, nowMs);
    // None overtakes an earlier value of its key.
    if (origin.waiting.size === 0 && this.#spend(origin, entry)) return true;
    this.#wait(origin, entry);
    this.#nextAtMs ??= nowMs + this.#limits.everyMs;
    return false;
  }

  /** Those of the entries that waited whose turn it is, of each cluster in the order in which their keys came. */
  take(nowMs: number): readonly Entry[] {
    const taken: Entry[] = [];
    this.#nextAtMs = undefined;
    for (const origin of this.#origins.values()) {
      this.#refill(origin, nowMs);
      for (const [key, entry] of origin.waiting) {
        if (!this.#spend(origin, entry)) break;
        origin.waiting.delete(key);
        origin.waitingBytes -= entry.value.length;
        taken.push(entry);
      }
      if (origin.waiting.size > 0) this.#nextAtMs = nowMs + this.#limits.everyMs;
      else origin.lost = 0;
    }
    return taken;
  }

  get #burst(): number {
    return this.#isFirst ? this.#limits.firstBurst : this.#limits.burst;
  }

  #originOf(cluster: string, nowMs: number): Origin {
    const known = this.#origins.get(cluster);
    if (known !== undefined) return known;
    if (this.#origins.size >= MAX_ORIGINS) this.#forgetResting(nowMs);
    // Only who writes to the hub itself can make up so many names: those share one place.
    const name = this.#origins.size < MAX_ORIGINS ? cluster : '';
    const origin = this.#origins.get(name) ?? { units: this.#burst, atMs: nowMs, waiting: new Map(), waitingBytes: 0, lost: 0 };
    this.#origins.set(name, origin);
    return origin;
  }

  #forgetResting(nowMs: number): void {
    for (const [cluster, origin] of this.#origins) {
      this.#refill(origin, nowMs);
      if (origin.waiting.size === 0 && origin.units >= this.#burst) this.#origins.delete(cluster);
    }
  }

  #refill(origin: Origin, nowMs: number): void {
    origin.units = Math.min(this.#burst, origin.units + ((nowMs - origin.atMs) * this.#limits.perSecond) / 1000);
    origin.atMs = nowMs;
  }

  /** A long record takes what is there and leaves a debt, or it could wait for ever. */
  #spend(origin: Origin, { value }: Entry): boolean {
    if (origin.units < 1) return false;
    origin.units -= unitsOf(value.length);
    return true;
  }

  #wait(origin: Origin, entry: Entry): void {
    const { maxWaiting, maxWaitingBytes } = this.#limits;
    const before = origin.waiting.get(entry.key);
    const bytes = origin.waitingBytes - (before?.value.length ?? 0) + entry.value.length;
    if ((before === undefined && origin.waiting.size >= maxWaiting) || bytes > maxWaitingBytes) {
      origin.lost += 1;
      return;
    }
    origin.waiting.set(entry.key, entry);
    origin.waitingBytes = bytes;
  }
}
