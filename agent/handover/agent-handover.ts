import { waitFor } from '@landbridge/core/retry-delay.ts';
import { whenAborted } from '@landbridge/core/when-aborted.ts';
import type { HeldPrecedence } from '@landbridge/native/thread-precedence.ts';
import type { Logger } from 'pino';
import type { DataPlane } from '../proxy/data-plane.ts';
import { PlaneSink, PlaneSource } from '../proxy/plane-handover.ts';
import { handOver } from './hand-over.ts';
import type { HandoverDoor } from './handover-door.ts';
import { comeFirst } from './process-precedence.ts';
import { receiveHandovers } from './receive-handovers.ts';

/** Beyond the grace period, for a batch that is neither taken nor refused; more than its deadline. */
const STUCK_MS = 2000;

/** The two hand-overs in the life of an agent: it takes when it comes, and gives when it goes. */
export class AgentHandover {
  readonly #plane: DataPlane;
  readonly #door: HandoverDoor;
  readonly #log: Logger;
  readonly #comeFirst = (): HeldPrecedence => comeFirst(this.#plane.threadIds);
  readonly #begun = Promise.withResolvers<void>();

  constructor(plane: DataPlane, door: HandoverDoor, log: Logger) {
    this.#plane = plane;
    this.#door = door;
    this.#log = log;
  }

  /** From here on all pods are served here, and connections of theirs may come. */
  begin(): void {
    this.#begun.resolve();
  }

  /** Takes, until the signal aborts. */
  async receive(isFollowing: () => boolean, signal: AbortSignal): Promise<void> {
    await Promise.race([this.#begun.promise, whenAborted(signal)]);
    await receiveHandovers({ sink: new PlaneSink(this.#plane), door: this.#door, isFollowing, log: this.#log, comeFirst: this.#comeFirst }, signal);
  }

  /** Gives what can move; waits a few seconds at most for what can not yet. */
  async give(grace: AbortSignal): Promise<void> {
    const given = handOver({ source: new PlaneSource(this.#plane), door: this.#door, log: this.#log, signal: grace, comeFirst: this.#comeFirst });
    // A batch under way comes to its end first: threads that are told to stop wait for that. One that is stuck answers no question.
    await Promise.race([given, whenAborted(grace).then(async () => await waitFor(STUCK_MS, new AbortController().signal))]);
  }
}
