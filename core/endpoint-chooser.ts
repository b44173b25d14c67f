/**
 * Chooses among the candidates of one destination, for each connection. Runs on data threads: nothing is allocated for
 * a choice, and without failures it costs a binary search. Times are milliseconds of any clock that does not go back.
 */
import type { Candidate, CircuitLimits, RoutePlan } from './route-plan.ts';

export type BalancePlan = Extract<RoutePlan, { readonly kind: 'balance' }>;

export type Choice =
  | { readonly kind: 'candidate'; readonly candidate: Candidate }
  /** The bound of open connections, or of waiting ones, is reached. */
  | { readonly kind: 'overloaded' }
  /** All candidates are excluded. */
  | { readonly kind: 'none' };

export interface ChoiceRequest {
  /** The client's address in canonical text; decides where affinity is asked for. */
  readonly sourceIp: string;
  /** Ids already tried for this connection. */
  readonly exclude: ReadonlySet<string> | undefined;
  readonly nowMs: number;
}

/** A candidate that fails so often in a row is left out for a while. */
export const EJECT_AFTER_FAILURES = 3;
export const FIRST_EJECTION_MS = 1000;
export const MAX_EJECTION_MS = 60_000;

const OVERLOADED: Choice = { kind: 'overloaded' };
const NONE: Choice = { kind: 'none' };

/** What is known of a candidate, and stays known when the plan changes. */
interface Entry {
  /** Undefined once the candidate has left the plan. */
  candidate: Candidate | undefined;
  choice: Choice;
  readonly hash: number;
  open: number;
  pending: number;
  failures: number;
  ejections: number;
  ejectedUntilMs: number;
}

export class EndpointChooser {
  readonly #random: () => number;
  readonly #known = new Map<string, Entry>();
  #plan: BalancePlan | undefined;
  /** As the plan's candidates: sorted by rank. */
  #entries: Entry[] = [];
  /** Sums of the weights of the first rank. */
  #cumulative = new Float64Array(0);
  /** Entries of the plan with at least EJECT_AFTER_FAILURES failures. */
  #suspects = 0;
  #open = 0;
  #pending = 0;

  /** `random` as Math.random. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** The lowest rank that has a usable candidate decides; where all are ejected, none counts as such. */
  choose(plan: BalancePlan, { sourceIp, exclude, nowMs }: ChoiceRequest): Choice {
    if (plan !== this.#plan) this.#adopt(plan);
    if (this.#isOverloaded(plan.limits)) return OVERLOADED;
    const excluded = exclude === undefined || exclude.size === 0 ? undefined : exclude;
    const affine = plan.affinity === 'client-address';
    if (this.#suspects === 0 && excluded === undefined && !affine) return this.#chooseOfFirstRank();
    return this.#chooseUsable(excluded, affine ? sourceIp : undefined, nowMs) ?? this.#chooseUsable(excluded, affine ? sourceIp : undefined, undefined) ?? NONE;
  }

  dialing(id: string): void {
    this.#entry(id).pending++;
    this.#pending++;
  }

  /** The dial that was begun has succeeded. */
  opened(id: string): void {
    const entry = this.#endDial(id);
    entry.open++;
    this.#open++;
    if (entry.candidate !== undefined && isSuspect(entry)) this.#suspects--;
    entry.failures = 0;
    entry.ejections = 0;
    entry.ejectedUntilMs = 0;
  }

  /** The dial that was begun has failed. */
  failed(id: string, nowMs: number): void {
    const entry = this.#endDial(id);
    entry.failures++;
    if (entry.failures === EJECT_AFTER_FAILURES && entry.candidate !== undefined) this.#suspects++;
    // Dials that were under way at the ejection say nothing that it did not say.
    if (isSuspect(entry) && nowMs >= entry.ejectedUntilMs) {
      const step = Math.min(MAX_EJECTION_MS, FIRST_EJECTION_MS * 2 ** Math.min(entry.ejections, 16));
      entry.ejections++;
      entry.ejectedUntilMs = nowMs + step * (0.5 + this.#random() / 2);
    }
    this.#forgetIfGone(id, entry);
  }

  /** The dial that was begun ended without a verdict on the candidate: its client went away. */
  abandoned(id: string): void {
    this.#forgetIfGone(id, this.#endDial(id));
  }

  /** A connection that was open has ended. */
  closed(id: string): void {
    const entry = this.#entry(id);
    if (entry.open > 0) {
      entry.open--;
      this.#open--;
    }
    this.#forgetIfGone(id, entry);
  }

  /** Candidates that something is known of. */
  get size(): number {
    return this.#known.size;
  }

  #adopt(plan: BalancePlan): void {
    this.#plan = plan;
    for (const entry of this.#entries) entry.candidate = undefined;
    this.#entries = plan.candidates.map((candidate) => {
      const entry = this.#entry(candidate.id);
      entry.candidate = candidate;
      entry.choice = { kind: 'candidate', candidate };
      return entry;
    });
    this.#suspects = 0;
    for (const [id, entry] of this.#known) {
      if (entry.candidate !== undefined && isSuspect(entry)) this.#suspects++;
      this.#forgetIfGone(id, entry);
    }
    const first = plan.candidates.filter(({ rank }) => rank === plan.candidates[0]?.rank);
    this.#cumulative = new Float64Array(first.length);
    let sum = 0;
    for (const [i, { weight }] of first.entries()) this.#cumulative[i] = sum += weight;
  }

  #isOverloaded({ maxConnections, maxPending }: CircuitLimits): boolean {
    return (maxConnections !== undefined && this.#open + this.#pending >= maxConnections) || (maxPending !== undefined && this.#pending >= maxPending);
  }

  /**
   * Two different candidates drawn by weight; the one with fewer connections for its weight is taken. Drawing by weight
   * keeps the shares also where connections end too soon to be counted.
   */
  #chooseOfFirstRank(): Choice {
    const sums = this.#cumulative;
    const count = sums.length;
    if (count < 2) return this.#entries[0]?.choice ?? NONE;
    const total = sums[count - 1] ?? 0;
    const firstAt = this.#search(this.#random() * total);
    const before = firstAt === 0 ? 0 : (sums[firstAt - 1] ?? 0);
    const weight = (sums[firstAt] ?? 0) - before;
    const rest = this.#random() * (total - weight);
    let secondAt = this.#search(rest < before ? rest : rest + weight);
    // Rounding may lead back to the first.
    if (secondAt === firstAt) secondAt = firstAt === count - 1 ? firstAt - 1 : firstAt + 1;
    return lessLoaded(this.#entries[firstAt], this.#entries[secondAt]);
  }

  /** The first index whose sum is greater than `target`. */
  #search(target: number): number {
    let low = 0;
    let high = this.#cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#cumulative[middle] ?? 0) > target) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** As far as `nowMs` is undefined, ejected ones are usable. */
  #chooseUsable(exclude: ReadonlySet<string> | undefined, affineTo: string | undefined, nowMs: number | undefined): Choice | undefined {
    const entries = this.#entries;
    for (let start = 0; start < entries.length; ) {
      const rank = entries[start]?.candidate?.rank;
      let total = 0;
      let end = start;
      for (; end < entries.length && entries[end]?.candidate?.rank === rank; end++) total += usableWeight(entries[end], exclude, nowMs);
      if (total > 0) {
        if (affineTo !== undefined) return this.#chooseByHash(start, end, affineTo, exclude, nowMs);
        const first = this.#draw(start, end, this.#random() * total, exclude, nowMs, undefined);
        const rest = total - (first?.candidate?.weight ?? 0);
        const second = rest > 0 ? this.#draw(start, end, this.#random() * rest, exclude, nowMs, first) : undefined;
        return lessLoaded(first, second);
      }
      start = end;
    }
    return undefined;
  }

  #draw(start: number, end: number, target: number, exclude: ReadonlySet<string> | undefined, nowMs: number | undefined, except: Entry | undefined): Entry | undefined {
    let last: Entry | undefined;
    let sum = 0;
    for (let i = start; i < end; i++) {
      const entry = this.#entries[i];
      if (entry === except) continue;
      const weight = usableWeight(entry, exclude, nowMs);
      if (weight === 0) continue;
      sum += weight;
      last = entry;
      if (sum > target) break;
    }
    return last;
  }

  /** Rendezvous hashing: only the clients of a candidate that comes or goes change theirs. */
  #chooseByHash(start: number, end: number, sourceIp: string, exclude: ReadonlySet<string> | undefined, nowMs: number | undefined): Choice {
    const source = hashOf(sourceIp);
    let best: Entry | undefined;
    let bestHash = 0;
    let bestWeight = 0;
    for (let i = start; i < end; i++) {
      const entry = this.#entries[i];
      const weight = usableWeight(entry, exclude, nowMs);
      if (entry === undefined || weight === 0) continue;
      const hash = scramble(entry.hash ^ source);
      // Equal weights, the common case, need no logarithm.
      if (best !== undefined && (weight === bestWeight ? hash <= bestHash : score(hash, weight) <= score(bestHash, bestWeight))) continue;
      best = entry;
      bestHash = hash;
      bestWeight = weight;
    }
    return best?.choice ?? NONE;
  }

  #entry(id: string): Entry {
    let entry = this.#known.get(id);
    if (entry === undefined) this.#known.set(id, (entry = { candidate: undefined, choice: NONE, hash: hashOf(id), open: 0, pending: 0, failures: 0, ejections: 0, ejectedUntilMs: 0 }));
    return entry;
  }

  #endDial(id: string): Entry {
    const entry = this.#entry(id);
    if (entry.pending > 0) {
      entry.pending--;
      this.#pending--;
    }
    return entry;
  }

  #forgetIfGone(id: string, entry: Entry): void {
    if (entry.candidate === undefined && entry.open === 0 && entry.pending === 0) this.#known.delete(id);
  }
}

const isSuspect = (entry: Entry): boolean => entry.failures >= EJECT_AFTER_FAILURES;

/** Nothing where the entry may not be chosen. After its ejection one dial at a time tries whether it is well again. */
function usableWeight(entry: Entry | undefined, exclude: ReadonlySet<string> | undefined, nowMs: number | undefined): number {
  const candidate = entry?.candidate;
  if (entry === undefined || candidate === undefined || exclude?.has(candidate.id) === true) return 0;
  if (nowMs !== undefined && isSuspect(entry) && (nowMs < entry.ejectedUntilMs || entry.pending > 0)) return 0;
  return candidate.weight;
}

function lessLoaded(first: Entry | undefined, second: Entry | undefined): Choice {
  if (first === undefined) return NONE;
  if (second === undefined) return first.choice;
  const weightOfFirst = first.candidate?.weight ?? 1;
  const weightOfSecond = second.candidate?.weight ?? 1;
  return (second.open + second.pending) * weightOfFirst < (first.open + first.pending) * weightOfSecond ? second.choice : first.choice;
}

/** Of candidates with such scores, each has the highest in proportion to its weight. */
const score = (hash: number, weight: number): number => -weight / Math.log((hash + 0.5) / 2 ** 32);

/** FNV-1a, 32 bits, then scrambled. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return scramble(hash);
}

/** The finalizer of MurmurHash3: each bit of the result depends on each bit of the input. */
function scramble(value: number): number {
  let hash = value ^ (value >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
