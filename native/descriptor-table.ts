import { SystemCallError } from './errno.ts';
import { duplicate, libc, openForReading } from './libc.ts';

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
    try {
      libc.close(duplicate(any.number, room - 1));
      return room;
    } catch (thrown) {
      // More than it may have (RLIMIT_NOFILE): half of it may do.
      if (!(thrown instanceof SystemCallError)) throw thrown;
    }
  }
  return LEAST;
}
