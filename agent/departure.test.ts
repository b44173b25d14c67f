import test from 'ava';
import { depart, HANDSHAKES_MS, type Leaver } from './departure.ts';

/** An agent that tells what was done with it, and what is so at each look. */
function scene({ relieved, followed, idle }: { readonly relieved: readonly boolean[]; readonly followed: readonly boolean[]; readonly idle: readonly boolean[] }) {
  const done: string[] = [];
  const next = (values: readonly boolean[], name: string): (() => boolean) => {
    let at = 0;
    return () => {
      const value = values[Math.min(at++, values.length - 1)] as boolean;
      done.push(`${name} ${value}`);
      return value;
    };
  };
  const leaver: Leaver = { leave: () => done.push('leave'), isRelieved: next(relieved, 'relieved'), isFollowed: next(followed, 'followed') };
  const isIdle = next(idle, 'idle');
  const plane = { isIdle: async () => isIdle(), drain: async () => void done.push('drain') };
  const ports = { [Symbol.asyncDispose]: async () => void done.push('ports') };
  let nowMs = 0;
  /** Each look at the clock is as much later. */
  const clock = (): number => (nowMs += HANDSHAKES_MS / 2);
  return { done, run: async (grace: AbortSignal = new AbortController().signal) => await depart(leaver, plane, ports, grace, clock) };
}

test('an agent whose pods another one has gives the ports of the node away, and drains once handshakes have had their time', async (t) => {
  const { done, run } = scene({ relieved: [true], followed: [true], idle: [false] });
  await run();
  t.deepEqual(done, ['leave', 'relieved true', 'ports', 'followed true', 'relieved true', 'followed true', 'drain']);
});

test('an agent that has no pods and no successor has no handshakes either', async (t) => {
  const { done, run } = scene({ relieved: [true], followed: [false], idle: [false] });
  await run();
  t.deepEqual(done, ['leave', 'relieved true', 'ports', 'followed false', 'drain']);
});

test('an agent without a successor serves until nothing is open', async (t) => {
  const { done, run } = scene({ relieved: [false], followed: [false], idle: [false, true] });
  await run();
  t.deepEqual(done, ['leave', 'relieved false', 'followed false', 'idle false', 'relieved false', 'followed false', 'idle true']);
});

test('while a successor is not ready, an agent waits for it even if nothing is open', async (t) => {
  const { done, run } = scene({ relieved: [false, false, true], followed: [true], idle: [true] });
  await run();
  t.deepEqual(done, ['leave', 'relieved false', 'followed true', 'relieved false', 'followed true', 'relieved true', 'ports', 'followed true', 'relieved true', 'followed true', 'drain']);
});

test('the grace period ends it, whatever is open', async (t) => {
  const grace = new AbortController();
  const { done, run } = scene({ relieved: [false], followed: [true], idle: [false] });
  const running = run(grace.signal);
  grace.abort();
  await running;
  t.deepEqual(done, ['leave', 'relieved false', 'followed true']);
});

test('open connections are handed over once another agent has the pods, and those that came late before nobody listens any more', async (t) => {
  const done: string[] = [];
  const leaver: Leaver = { leave: () => done.push('leave'), isRelieved: () => true, isFollowed: () => true, handOver: async () => void done.push('hand over') };
  let nowMs = 0;
  await depart(leaver, { isIdle: async () => false, drain: async () => void done.push('drain') }, { [Symbol.asyncDispose]: async () => void done.push('ports') }, new AbortController().signal, () => (nowMs += HANDSHAKES_MS / 2));
  t.deepEqual(done, ['leave', 'ports', 'hand over', 'hand over', 'drain']);
});
