import { checkLibc } from './errno.ts';
import { libc, openForReading } from './libc.ts';

const CLONE_NEWCGROUP = 0x02000000;

/**
 * Runs a function with this thread in another cgroup namespace, given by a file such as /proc/PID/ns/cgroup: control
 * groups in /proc are named from its root. The function must be synchronous. A thread that can not come back would see
 * everything with another's eyes, so the process aborts.
 * @throws SystemCallError when the namespace can not be entered
 */
export function inCgroupNamespace<T>(path: string, work: () => T): T {
  using home = openForReading('/proc/thread-self/ns/cgroup');
  using namespace = openForReading(path);
  checkLibc('setns', libc.setns(namespace.number, CLONE_NEWCGROUP));
  try {
    return work();
  } finally {
    if (libc.setns(home.number, CLONE_NEWCGROUP) !== 0) process.abort();
  }
}
