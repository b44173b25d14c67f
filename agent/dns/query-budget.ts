/** What is under way for pods at one time; what does not fit is refused at once. */
export interface QueryLimits {
  readonly ofPod: number;
  readonly ofNode: number;
}

/** Counts for all pods of a node. */
export class QueryBudget {
  readonly #limits: QueryLimits;
  readonly #byPod = new Map<string, number>();
  #total = 0;

  constructor(limits: QueryLimits) {
    this.#limits = limits;
  }

  get total(): number {
    return this.#total;
  }

  /** Undefined where there is no room. What is taken must be disposed of, once. */
  take(uid: string): Disposable | undefined {
    const count = this.#byPod.get(uid) ?? 0;
    if (count >= this.#limits.ofPod || this.#total >= this.#limits.ofNode) return undefined;
    this.#byPod.set(uid, count + 1);
    this.#total++;
    return { [Symbol.dispose]: () => this.#give(uid) };
  }

  #give(uid: string): void {
    const count = (this.#byPod.get(uid) ?? 0) - 1;
    if (count > 0) this.#byPod.set(uid, count);
    else this.#byPod.delete(uid);
    this.#total--;
  }
}
