/** Bytes of large answers that agents have not confirmed, all together. When a whole cluster's agents come at once, some wait for others. */
export const MAX_BYTES_UNDER_WAY = 64 * 1024 * 1024;

/** Bounds what is under way to all agents together. */
export class AnswerBudget {
  readonly #maxBytes: number;
  #bytes = 0;
  readonly #waiting = new Set<() => void>();

  constructor(maxBytes: number = MAX_BYTES_UNDER_WAY) {
    this.#maxBytes = maxBytes;
  }

  /** Whether so many may be sent now. Else `retry` is called once there is room again. One that is larger than all may be has to be alone. */
  take(bytes: number, retry: () => void): boolean {
    if (this.#bytes > 0 && this.#bytes + bytes > this.#maxBytes) {
      this.#waiting.add(retry);
      return false;
    }
    this.#bytes += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    // Who finds no room again waits again.
    for (const retry of waiting) retry();
  }

  /** Whoever waits and has gone. */
  forget(retry: () => void): void {
    this.#waiting.delete(retry);
  }
}
