/** Attempts to join that failed, by who made them: more than a few a minute are not looked at. */

/** A code has 256 random bits: this is against noise and work, and tells of whoever tries. */
export const MAX_FAILED_ATTEMPTS = 10;
export const ATTEMPT_WINDOW_MS = 60_000;
/** With more senders, the one that failed longest ago is forgotten. */
export const MAX_SENDERS = 1024;

export class FailedAttempts {
  /** Times in milliseconds since 1970, oldest first; senders in the order of their last failure. */
  readonly #bySender = new Map<string, readonly number[]>();

  mayTry(sender: string, nowMs: number): boolean {
    return recent(this.#bySender.get(sender), nowMs).length < MAX_FAILED_ATTEMPTS;
  }

  failed(sender: string, nowMs: number): void {
    const times = [...recent(this.#bySender.get(sender), nowMs), nowMs];
    this.#bySender.delete(sender);
    this.#bySender.set(sender, times);
    const [oldest] = this.#bySender.keys();
    if (this.#bySender.size > MAX_SENDERS && oldest !== undefined) this.#bySender.delete(oldest);
  }
}

/** A clock that went back forgets. */
function recent(times: readonly number[] = [], nowMs: number): readonly number[] {
  return times.filter((atMs) => atMs <= nowMs && atMs > nowMs - ATTEMPT_WINDOW_MS);
}
