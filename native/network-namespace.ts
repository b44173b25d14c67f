import { statSync } from 'node:fs';
import { inNamespace } from './in-namespace.ts';
import { type FileDescriptor, openForReading } from './libc.ts';
import { processIds } from './process-ids.ts';

const CLONE_NEWNET = 0x40000000;

/** Opens a network namespace (a file such as /proc/PID/ns/net). It lives as long as the descriptor. @throws SystemCallError */
export function openNetworkNamespace(path: string): FileDescriptor {
  return openForReading(path);
}

/** Whether two files are one namespace: namespaces are told apart by inode (namespaces(7)). */
export function namespaceInode(path: string): number {
  return statSync(path).ino;
}

/** Opens the network namespace of an inode, by any process in it; undefined where none is. */
export function findNetworkNamespace(inode: number): FileDescriptor | undefined {
  for (const pid of processIds()) {
    try {
      const path = `/proc/${pid}/ns/net`;
      if (namespaceInode(path) === inode) return openNetworkNamespace(path);
    } catch {
      // The process ended meanwhile; another one of the namespace will do.
    }
  }
  return undefined;
}

/** Where this thread is at home: a worker has modules of its own. Kept open, since opening costs more than entering. */
let home: FileDescriptor | undefined;

/** As {@link inNamespace}, with this thread in another network namespace, given by its descriptor. @throws SystemCallError when it can not be entered */
export function inNetworkNamespace<T>(namespace: number, work: () => T): T {
  home ??= openForReading('/proc/thread-self/ns/net');
  return inNamespace({ home: home.number, namespace, kind: CLONE_NEWNET }, work);
}
