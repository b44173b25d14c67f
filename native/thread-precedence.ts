/** Who comes first on the processors: scheduling policies of single threads (sched(7)). */
import { readdirSync, readFileSync } from 'node:fs';
import koffi from 'koffi';

const library = koffi.load('libc.so.6');
const setScheduler = library.func('int sched_setscheduler(int thread, int policy, const void *parameters)');
/** The kernel's id of the calling thread. */
export const threadId = library.func('int gettid()') as () => number;

const SCHED_OTHER = 0;
const SCHED_RR = 2;
/** Threads and processes that it starts are usual ones. */
const SCHED_RESET_ON_FORK = 0x40000000;

/** `first` comes before `helping`, which comes before all threads without a real-time policy. */
export type Precedence = 'usual' | 'helping' | 'first';

const schedulerOf = (policy: number, priority: number) => {
  const parameters = Buffer.alloc(4);
  parameters.writeInt32LE(priority);
  return { policy, parameters };
};
const SCHEDULERS = { usual: schedulerOf(SCHED_OTHER, 0), helping: schedulerOf(SCHED_RR | SCHED_RESET_ON_FORK, 1), first: schedulerOf(SCHED_RR | SCHED_RESET_ON_FORK, 2) } as const satisfies Record<Precedence, unknown>;

/** False where this process may not (CAP_SYS_NICE, or a cgroup of CONFIG_RT_GROUP_SCHED without time of its own), or there is no such thread. */
function setPrecedence(thread: number, precedence: Precedence): boolean {
  const { policy, parameters } = SCHEDULERS[precedence];
  return setScheduler(thread, policy, parameters) === 0;
}

export interface HeldPrecedence extends Disposable {
  /** Whether the kernel allows it. */
  readonly isGranted: boolean;
}

/** Gives threads their precedence until it is disposed of. Those that do not get it stay as they are. */
export function holdPrecedence(threads: Iterable<readonly [id: number, precedence: Precedence]>): HeldPrecedence {
  const granted = [...threads].filter(([id, precedence]) => setPrecedence(id, precedence));
  return {
    isGranted: granted.length > 0,
    [Symbol.dispose]: () => {
      for (const [id] of granted) setPrecedence(id, 'usual');
    },
  };
}

export interface NamedThread {
  readonly id: number;
  readonly name: string;
}

const TASKS = '/proc/self/task';

/** Of this process. */
export function ownThreads(): readonly NamedThread[] {
  return readdirSync(TASKS).flatMap((id) => {
    try {
      return [{ id: Number(id), name: readFileSync(`${TASKS}/${id}/comm`, 'latin1').trim() }];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}
