/** Whether this process may write at this moment. Of several replicas one does; all serve. */
export interface Leadership {
  /** Asked right before each write. */
  readonly isLeading: boolean;
  /** When another process was last seen to renew its lead, by performance.now(). */
  readonly otherSeenMs: number;
  /** Called whenever this process begins to lead, or does not any more. */
  onChange(changed: () => void): Disposable;
}

/** Of a process that has no others beside it. */
export const ALONE: Leadership = { isLeading: true, otherSeenMs: Number.NEGATIVE_INFINITY, onChange: () => ({ [Symbol.dispose]: () => {} }) };

/**
 * Does the work while this process leads, anew each time that it begins to; the signal of the work aborts when it does not
 * lead any more. Runs until the outer signal aborts, or the work throws while this process leads.
 */
export async function whileLeading(leadership: Leadership, outer: AbortSignal, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  let changed = Promise.withResolvers<void>();
  const wake = (): void => changed.resolve();
  using _listening = leadership.onChange(wake);
  outer.addEventListener('abort', wake, { once: true });
  const until = async (holds: () => boolean): Promise<void> => {
    while (!outer.aborted && !holds()) {
      await changed.promise;
      changed = Promise.withResolvers();
    }
  };
  while (!outer.aborted) {
    await until(() => leadership.isLeading);
    if (outer.aborted) break;
    const term = new AbortController();
    const ended = until(() => !leadership.isLeading).then(() => term.abort());
    try {
      await work(AbortSignal.any([outer, term.signal]));
    } catch (thrown) {
      // What it threw for want of the lead is no fault.
      if (!term.signal.aborted && !outer.aborted) throw thrown;
    }
    await ended;
  }
  outer.removeEventListener('abort', wake);
}
