import { checkLibc } from './errno.ts';
import { libc } from './libc.ts';

export interface NamespaceVisit {
  /** Descriptors of the namespaces that the thread comes back to, and enters. */
  readonly home: number;
  readonly namespace: number;
  /** CLONE_NEW… of setns(2). */
  readonly kind: number;
}

/**
 * Runs a function with this thread in another namespace. The function must be synchronous: nothing else of the event
 * loop may run meanwhile. A thread that can not come back would do everything afterwards in a pod's place, so the
 * process aborts.
 * @throws SystemCallError when the namespace can not be entered
 */
export function inNamespace<T>({ home, namespace, kind }: NamespaceVisit, work: () => T): T {
  checkLibc('setns', libc.setns(namespace, kind));
  try {
    return work();
  } finally {
    if (libc.setns(home, kind) !== 0) process.abort();
  }
}
