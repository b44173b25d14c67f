/** Keys of what changed and was not looked at yet. As many as there are objects at most, since one that changes again is there already. */
export class PendingChanges<K extends string> {
  readonly #kinds: readonly K[];
  #keys: Readonly<Record<K, Set<string>>>;

  constructor(kinds: readonly K[]) {
    this.#kinds = kinds;
    this.#keys = this.#none();
  }

  add(kind: K, keys: Iterable<string>): void {
    for (const key of keys) this.#keys[kind].add(key);
  }

  /** All of them; what changes from now on is for the next time. */
  take(): Readonly<Record<K, ReadonlySet<string>>> {
    const taken = this.#keys;
    this.#keys = this.#none();
    return taken;
  }

  /** What was taken and could not be done. */
  giveBack(taken: Readonly<Record<K, ReadonlySet<string>>>): void {
    for (const kind of this.#kinds) this.add(kind, taken[kind]);
  }

  #none(): Readonly<Record<K, Set<string>>> {
    return Object.fromEntries(this.#kinds.map((kind) => [kind, new Set<string>()])) as unknown as Record<K, Set<string>>;
  }
}
