import koffi from 'koffi';
import { libc, openForReading } from './libc.ts';

const fcntl = koffi.load('libc.so.6').func('int fcntl(int fd, int command, ...)');

const F_DUPFD_CLOEXEC = 1030;
/** What the kernel begins with. */
const LEAST = 64;

/**
 * Makes room for so many open descriptors, or as many as this process may have; returns how many. Of a process with
 * threads whoever opens the first one for which there is no room waits until no processor looks at the old table any
 * more (synchronize_rcu() in expand_fdtable(), fs/file.c), which takes 10 to 20 ms where all are busy. The room is the
 * process' until it ends: 8 bytes of the kernel's memory for each.
 */
export function makeRoomForDescriptors(wanted: number): number {
  using any = openForReading('/');
  for (let room = wanted; room > LEAST; room = Math.floor(room / 2)) {
    const highest = fcntl(any.number, F_DUPFD_CLOEXEC, 'int', room - 1) as number;
    if (highest < 0) continue;
    libc.close(highest);
    return room;
  }
  return LEAST;
}
