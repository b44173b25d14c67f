/** Long enough to get on, short enough for agents that wait for an answer meanwhile. */
const SLICE_MS = 8;

/** Does work that is divided by `yield`, and lets everything else of this process have its turn after each slice of time. */
export async function inSlices<T>(work: Generator<void, T>, sliceMs = SLICE_MS): Promise<T> {
  for (;;) {
    const until = performance.now() + sliceMs;
    do {
      const step = work.next();
      if (step.done === true) return step.value;
    } while (performance.now() < until);
    await new Promise(setImmediate);
  }
}
