import { type HeldPrecedence, holdPrecedence, ownThreads } from '@landbridge/native/thread-precedence.ts';

/** V8's, which collect garbage and compile: others wait for them, and they need not wait for anybody. */
const HELPERS = /^V8Worker/;

/**
 * Has this process come first on the processors, but for threads that carry traffic, which would leave applications none.
 * Each message of a hand-over passes main threads and threads of libuv's pool, and all of a batch stands still meanwhile.
 * Until it is disposed of.
 */
export function comeFirst(carrying: ReadonlySet<number>): HeldPrecedence {
  return holdPrecedence(ownThreads().filter(({ id }) => !carrying.has(id)).map(({ id, name }) => [id, HELPERS.test(name) ? 'helping' : 'first']));
}
