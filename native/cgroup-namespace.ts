import { inNamespace } from './in-namespace.ts';
import { openForReading } from './libc.ts';

const CLONE_NEWCGROUP = 0x02000000;

/**
 * As {@link inNamespace}, with this thread in another cgroup namespace, given by a file such as /proc/PID/ns/cgroup:
 * control groups in /proc are named from its root.
 * @throws SystemCallError when it can not be entered
 */
export function inCgroupNamespace<T>(path: string, work: () => T): T {
  using home = openForReading('/proc/thread-self/ns/cgroup');
  using namespace = openForReading(path);
  return inNamespace({ home: home.number, namespace: namespace.number, kind: CLONE_NEWCGROUP }, work);
}
