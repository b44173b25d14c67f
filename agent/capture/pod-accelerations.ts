import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Logger } from 'pino';
import { metrics } from '../metrics.ts';
import type { Acceleration, AccelerationHandles } from './acceleration.ts';

/** What is told of a pod here. */
export interface AcceleratedPod {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
}

type Attached = Pick<Acceleration, 'admit' | 'dismiss' | 'handles'> & Disposable;

/** Has acceleration in the kernel exactly while there is a captured pod that asks for it. */
export class PodAccelerations implements Disposable {
  readonly #open: () => Attached;
  readonly #log: Logger;
  readonly #cookies = new Map<string, bigint>();
  #acceleration: Attached | undefined;

  /** `open`: loads the programs and attaches them. */
  constructor(open: () => Attached, log: Logger) {
    this.#open = open;
    this.#log = log;
  }

  /** Accelerates a pod with this network namespace; undefined where the kernel can not, which is logged: the pod goes on without. */
  admit({ uid, name, namespace }: AcceleratedPod, netnsCookie: bigint): AccelerationHandles | undefined {
    try {
      this.#acceleration ??= this.#open();
      this.#acceleration.admit(netnsCookie);
      this.#cookies.set(uid, netnsCookie);
      return this.#acceleration.handles;
    } catch (thrown) {
      const { code, message, hint } = LandbridgeError.from(thrown);
      this.#log.warn({ pod: name, namespace, code, error: message, hint }, 'a pod asks for acceleration, and is captured without');
      return undefined;
    } finally {
      this.#settle();
    }
  }

  /** Once no data thread uses anything of the pod any more; nothing where it is not accelerated. */
  dismiss(uid: string): void {
    const cookie = this.#cookies.get(uid);
    if (cookie === undefined) return;
    this.#cookies.delete(uid);
    this.#acceleration?.dismiss(cookie);
    this.#settle();
  }

  #settle(): void {
    metrics.acceleratedPods.set(this.#cookies.size);
    if (this.#cookies.size > 0) return;
    this.#acceleration?.[Symbol.dispose]();
    this.#acceleration = undefined;
  }

  [Symbol.dispose](): void {
    this.#cookies.clear();
    this.#settle();
  }
}
