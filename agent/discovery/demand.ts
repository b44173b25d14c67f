export interface DemandLimits {
  /** Names asked for at one time, pinned ones apart. With the services of as many addresses, fewer than the control plane answers for one agent. */
  readonly names: number;
  /** After which a name that nobody uses is let go; sooner where there was nothing. */
  readonly idleMs: number;
  readonly absentIdleMs: number;
}

export const DEMAND_LIMITS: DemandLimits = { names: 4096, idleMs: 300_000, absentIdleMs: 60_000 };
/** Part of the names that stay when there is no more room: who is held is not looked up for each name that comes. */
const STAYING = 0.9;

interface Name {
  state: 'waiting' | 'present' | 'absent';
  usedMs: number;
  answeredMs: number;
  pins: number;
}

/** What to tell the control plane, in this order: who asks again for what it has must take it back first. */
export interface DemandChanges {
  readonly unsubscribe: readonly string[];
  readonly subscribe: readonly string[];
}

/**
 * The names that an agent asks for which does not follow everything: `<network>/<ip>`, `<namespace>/<hostname>`, or the
 * uid of a workload. Pure: what it decides is told by whoever has the stream.
 */
export class Demand {
  readonly #limits: DemandLimits;
  /** Those used last come last. */
  readonly #names = new Map<string, Name>();
  #pinned = 0;
  #subscribe = new Set<string>();
  #unsubscribe = new Set<string>();

  constructor(limits: DemandLimits = DEMAND_LIMITS) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#names.size;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  isAnswered(name: string): boolean {
    return (this.#names.get(name)?.state ?? 'waiting') !== 'waiting';
  }

  /** Counts as a use of all of them. Returns those that are not answered yet, which are asked for. */
  need(names: Iterable<string>, nowMs: number): string[] {
    const waiting: string[] = [];
    for (const name of names) if (this.#use(name, nowMs).state === 'waiting') waiting.push(name);
    return waiting;
  }

  /** From now on, until it is unpinned as often, the name is never let go. */
  pin(name: string, nowMs: number): void {
    if (this.#use(name, nowMs).pins++ === 0) this.#pinned++;
  }

  unpin(name: string): void {
    const known = this.#names.get(name);
    if (known !== undefined && known.pins > 0 && --known.pins === 0) this.#pinned--;
  }

  #use(name: string, nowMs: number): Name {
    const known = this.#names.get(name);
    if (known === undefined) this.#subscribe.add(name);
    else this.#names.delete(name);
    const used = known ?? { state: 'waiting', usedMs: nowMs, answeredMs: nowMs, pins: 0 };
    used.usedMs = nowMs;
    this.#names.set(name, used);
    return used;
  }

  /** The control plane has said what there is. False for a name that is not asked for. */
  answer(name: string, isPresent: boolean, nowMs: number): boolean {
    const known = this.#names.get(name);
    if (known === undefined) return false;
    known.state = isPresent ? 'present' : 'absent';
    known.answeredMs = nowMs;
    return true;
  }

  /** Lets go of what nobody has used for long, and returns it. What is held counts as used. */
  expire(nowMs: number, isHeld: (name: string) => boolean): string[] {
    const { idleMs, absentIdleMs } = this.#limits;
    const gone: string[] = [];
    for (const [name, known] of this.#names) {
      if (known.pins > 0) continue;
      if (isHeld(name)) known.usedMs = nowMs;
      else if (nowMs - known.usedMs >= (known.state === 'present' ? idleMs : absentIdleMs)) gone.push(name);
    }
    for (const name of gone) this.#letGo(name);
    return gone;
  }

  get isFull(): boolean {
    return this.#names.size - this.#pinned > this.#limits.names;
  }

  /** Lets go of those that were used longest ago, first of those that nobody holds or waits for, until there is room, and returns them. */
  makeRoom(isHeld: (name: string) => boolean): string[] {
    const gone: string[] = [];
    for (const mayBeHeld of [false, true]) {
      for (const [name, { pins, state }] of this.#names) {
        if (this.#names.size - this.#pinned <= this.#limits.names * STAYING) return gone;
        if (pins > 0 || (!mayBeHeld && (state === 'waiting' || isHeld(name)))) continue;
        this.#letGo(name);
        gone.push(name);
      }
    }
    return gone;
  }

  #letGo(name: string): void {
    this.#names.delete(name);
    if (!this.#subscribe.delete(name)) this.#unsubscribe.add(name);
  }

  /** Asks again for what was not there, of a control plane that does not say by itself when it comes. What was said holds meanwhile. */
  askAgain(nowMs: number, afterMs: number): void {
    for (const [name, known] of this.#names) {
      if (known.state !== 'absent' || nowMs - known.answeredMs < afterMs) continue;
      known.answeredMs = nowMs;
      this.#unsubscribe.add(name);
      this.#subscribe.add(name);
    }
  }

  /** Resources that are not wanted any more, which the control plane follows by their names too. */
  disclaim(names: Iterable<string>): void {
    for (const name of names) if (!this.#names.has(name)) this.#unsubscribe.add(name);
  }

  /** Of a name that was let go: the resource of that name is wanted still, for another one. Istio's control plane follows what it told by its name alone. */
  keepFollowing(name: string): void {
    this.#unsubscribe.delete(name);
  }

  /** What the control plane has not been told on this stream; it counts as told. */
  takeChanges(): DemandChanges {
    const changes = { unsubscribe: [...this.#unsubscribe], subscribe: [...this.#subscribe] };
    this.#clear();
    return changes;
  }

  /** What was answered, for a stream that begins anew. The others are to be told after it: of what the agent has already, nothing would be said in answer to them. */
  takeAnswered(): string[] {
    this.#clear();
    const answered: string[] = [];
    for (const [name, { state }] of this.#names) {
      if (state === 'waiting') this.#subscribe.add(name);
      else answered.push(name);
    }
    return answered;
  }

  #clear(): void {
    this.#unsubscribe = new Set();
    this.#subscribe = new Set();
  }
}
