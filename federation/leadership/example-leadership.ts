import type { Leadership } from './leadership.ts';

/** Changes hands when a test says so. */
export class ExampleLeadership implements Leadership {
  #isLeading: boolean;
  #otherSeenMs = Number.NEGATIVE_INFINITY;
  readonly #changed = new Set<() => void>();

  constructor(isLeading = false) {
    this.#isLeading = isLeading;
  }

  get isLeading(): boolean {
    return this.#isLeading;
  }

  get otherSeenMs(): number {
    return this.#otherSeenMs;
  }

  set(isLeading: boolean): void {
    this.#isLeading = isLeading;
    for (const changed of this.#changed) changed();
  }

  /** Another one renews its lead. */
  seeOther(): void {
    this.#otherSeenMs = performance.now();
  }

  onChange(changed: () => void): Disposable {
    this.#changed.add(changed);
    return { [Symbol.dispose]: () => this.#changed.delete(changed) };
  }
}
