/**
 * Deadlines of one kind, all as long as each other, so that they come due in the order in which they were set: setting
 * and clearing cost the same however many there are.
 */
export class DeadlineList<T extends object> {
  readonly #durationMs: number;
  readonly #onDue: (item: T) => void;
  /** Insertion order is the order of the deadlines. */
  readonly #due = new Map<T, number>();

  constructor(durationMs: number, onDue: (item: T) => void) {
    this.#durationMs = durationMs;
    this.#onDue = onDue;
  }

  /** Sets the item's deadline, also where it has one already. */
  set(item: T, nowMs: number): void {
    this.#due.delete(item);
    this.#due.set(item, nowMs + this.#durationMs);
  }

  clear(item: T): void {
    this.#due.delete(item);
  }

  get size(): number {
    return this.#due.size;
  }

  /** When the first one is due; Infinity where there is none. */
  get nextMs(): number {
    for (const dueMs of this.#due.values()) return dueMs;
    return Number.POSITIVE_INFINITY;
  }

  /** Calls for each item that is due, which has no deadline any more then. */
  expire(nowMs: number): void {
    for (const [item, dueMs] of this.#due) {
      if (dueMs > nowMs) return;
      this.#due.delete(item);
      this.#onDue(item);
    }
  }
}
