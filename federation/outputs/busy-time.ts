import { type EventLoopUtilization, performance } from 'node:perf_hooks';

/** Over how long it is looked at. */
const SPAN_MS = 200;

/** Which part of the last moments this process had something to do. */
export class BusyTime {
  #at = performance.eventLoopUtilization();
  #lookedMs = performance.now();
  #share = 0;

  /** 0 to 1. */
  get share(): number {
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs < SPAN_MS) return this.#share;
    const at: EventLoopUtilization = performance.eventLoopUtilization();
    this.#share = performance.eventLoopUtilization(at, this.#at).utilization;
    this.#at = at;
    this.#lookedMs = nowMs;
    return this.#share;
  }
}
