import type { Logger } from 'pino';
import { type BusEvent, MEMBERS } from '../bus/bus.ts';
import { metrics } from '../metrics.ts';
import { DueTimer } from './due-timer.ts';
import { OriginThrottle, type Throttled } from './origin-throttle.ts';

export interface IntakeOptions {
  /** Called with what is to be looked at now, in order. */
  readonly take: (events: readonly BusEvent[]) => void;
  readonly log: Pick<Logger, 'warn' | 'info'>;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
}

/** Between the bus and what is made of its entries: those of a cluster that writes too fast wait here, all others go on at once. */
export class ThrottledIntake {
  readonly #options: IntakeOptions;
  readonly #throttle = new OriginThrottle();
  readonly #timer: DueTimer;
  #told = new Set<string>();

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#timer = new DueTimer(() => {
      options.take(this.#throttle.take(performance.now()).map((entry) => ({ kind: 'entry', revision: 0, ...entry })));
      this.#tell();
    });
  }

  /** Clusters that write too fast at this moment. */
  get throttled(): ReadonlyMap<string, Throttled> {
    return this.#throttle.throttled;
  }

  offer(event: BusEvent): void {
    if (event.kind === 'current') this.#throttle.settle();
    // Member records are the founder's, and what is believed of the others follows from them.
    if (event.kind !== 'entry' || event.key.startsWith(`${MEMBERS}.`) || this.#throttle.admit(event, performance.now())) this.#options.take([event]);
    else if (this.#timer.dueAtMs === undefined) this.#tell();
  }

  /** By name in metrics and log, when it begins and when it ends. */
  #tell(): void {
    const { throttled } = this.#throttle;
    for (const [cluster, { waiting, lost }] of throttled) {
      metrics.memberThrottled.set({ cluster }, 1);
      if (!this.#told.has(cluster)) this.#options.log.warn({ member: cluster, waiting, lost }, 'a member writes more than its share; its records wait');
    }
    for (const cluster of this.#told) {
      if (throttled.has(cluster)) continue;
      metrics.memberThrottled.set({ cluster }, 0);
      this.#options.log.info({ member: cluster }, 'all records of a member were looked at');
    }
    this.#told = new Set(throttled.keys());
    this.#timer.set(this.#throttle.nextAtMs, performance.now(), this.#options.signal);
  }
}
