import { type NamedThread, ownThreads, type Precedence, setPrecedence } from '@landbridge/native/thread-precedence.ts';

/** V8's, which collect garbage and compile: others wait for them, and they need not wait for anybody. */
const HELPERS = /^V8Worker/;

export interface HeldPrecedence extends Disposable {
  /** Whether the kernel allows it. */
  readonly isGranted: boolean;
}

/**
 * Has this process come first on the processors, but for threads that carry traffic, which would leave applications none.
 * Each message of a hand-over passes main threads and threads of libuv's pool, and all of a batch stands still meanwhile.
 * Until it is disposed of.
 */
export function comeFirst(carrying: ReadonlySet<number>): HeldPrecedence {
  const threads = ownThreads().filter(({ id }) => !carrying.has(id));
  const granted = threads.filter((thread) => setPrecedence(thread.id, precedenceOf(thread)));
  return {
    isGranted: granted.length > 0,
    [Symbol.dispose]: () => {
      for (const { id } of granted) setPrecedence(id, 'usual');
    },
  };
}

const precedenceOf = ({ name }: NamedThread): Precedence => (HELPERS.test(name) ? 'helping' : 'first');
