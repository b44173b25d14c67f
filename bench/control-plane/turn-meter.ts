/**
 * How long the event loop is held up. By processor time, since a machine that has other things to do holds up everybody:
 * what the main thread used between two timers of a millisecond is at least what its longest turn in between took.
 */
export class TurnMeter {
  #usedMs: number[] = [];
  #before = process.threadCpuUsage();

  constructor() {
    setInterval(() => {
      const { user, system } = process.threadCpuUsage(this.#before);
      this.#before = process.threadCpuUsage();
      this.#usedMs.push((user + system) / 1000);
    }, 1).unref();
  }

  reset(): void {
    this.#usedMs = [];
    this.#before = process.threadCpuUsage();
  }

  /** Of the moments at which something was done. */
  read(): { readonly stallP99Ms: number; readonly stallMaxMs: number } {
    const sorted = this.#usedMs.toSorted((a, b) => a - b);
    return { stallP99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0, stallMaxMs: sorted.at(-1) ?? 0 };
  }
}
