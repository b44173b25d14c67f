/** Which import is written next, and what of it. No effects. */

/** What is written of an import at one turn: its objects, or what conditions say of it and of its export. */
export interface Turn {
  readonly key: string;
  readonly what: 'objects' | 'status';
}

/** Of so many turns one is for a status, where both wait: while objects change all the time, statuses get on all the same. */
const STATUS_EVERY = 8;

/**
 * Imports wait by their keys. First come those whose name leads nowhere before something is written, then all
 * others whose objects may differ, each in the order in which they changed; statuses come when nothing else waits.
 */
export class OutputTurns {
  readonly #lacksAddress: (key: string) => boolean;
  readonly #first = new Set<string>();
  readonly #others = new Set<string>();
  readonly #statuses = new Set<string>();
  #sinceStatus = 0;

  /** `lacksAddress`: of an import, at this moment. */
  constructor(lacksAddress: (key: string) => boolean) {
    this.#lacksAddress = lacksAddress;
  }

  get size(): number {
    return this.#first.size + this.#others.size + this.#statuses.size;
  }

  clear(): void {
    for (const keys of [this.#first, this.#others, this.#statuses]) keys.clear();
  }

  /** Something about it changed. One that waits keeps its place. */
  add(key: string): void {
    const [into, outOf] = this.#lacksAddress(key) ? [this.#first, this.#others] : [this.#others, this.#first];
    outOf.delete(key);
    into.add(key);
  }

  /** Its objects were looked at, and what conditions say of them may be another thing than before. */
  addStatus(key: string): void {
    this.#statuses.add(key);
  }

  /** None of those that are `busy`; undefined where no other one waits. */
  take(busy: { has(key: string): boolean }): Turn | undefined {
    const statusIsDue = this.#sinceStatus >= STATUS_EVERY - 1;
    for (const keys of statusIsDue ? [this.#statuses, this.#first, this.#others] : [this.#first, this.#others, this.#statuses]) {
      for (const key of keys) {
        if (busy.has(key)) continue;
        keys.delete(key);
        const what = keys === this.#statuses ? 'status' : 'objects';
        this.#sinceStatus = what === 'status' ? 0 : this.#sinceStatus + 1;
        return { key, what };
      }
    }
    return undefined;
  }
}
