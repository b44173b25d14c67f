/** Gives memory back to the kernel that this process holds and does not need at the moment. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import koffi from 'koffi';

const MADV_DONTNEED = 4;

const library = koffi.load('libc.so.6');
const mallocTrim = library.func('int malloc_trim(size_t pad)');
const madvise = library.func('int madvise(uintptr_t address, size_t length, int advice)');

export interface Mapping {
  readonly address: number;
  readonly bytes: number;
}

type Collect = (options: { readonly type: 'major'; readonly execution: 'sync'; readonly flavor: 'last-resort' }) => void;

let collect: Collect | undefined;
/** V8 lets go of bytecode that was not used between six collections (`--bytecode-old-age`); each time is two. */
const TIMES = 4;

/**
 * Collects all garbage of this thread, with the bytecode of what only its start has used; its heap shrinks to what is
 * left. Optimised code stays. The thread stands still for about a tenth of a second; with fewer `times` that part of it, and
 * bytecode stays.
 */
export function collectGarbage(times: number = TIMES): void {
  if (collect === undefined) {
    // V8 gives its function to contexts that are made from now on. The flag is of all threads: whoever took it back might do so before another one has its context.
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as Collect;
  }
  for (let i = 0; i < times; i++) collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

/** Pages of freed memory, anywhere in malloc's arenas (malloc_trim(3)). */
export function releaseFreedMemory(): void {
  mallocTrim(0);
}

/**
 * Pages of the running program itself, most of which serve its start: they stay in the kernel's cache, which maps again
 * what is needed and may take the rest. Returns how many bytes are mapped so.
 */
export function releaseProgramPages(): number {
  let released = 0;
  // A refusal, as for locked memory, costs nothing but the pages.
  for (const { address, bytes } of untouchedMappings(readFileSync('/proc/self/smaps', 'latin1'), process.execPath)) if (madvise(address, bytes, MADV_DONTNEED) === 0) released += bytes;
  return released;
}

const HEAD = /^([0-9a-f]{1,12})-([0-9a-f]{1,12}) (....) [0-9a-f]+ [0-9a-f:]+ ([0-9]+) *(.*)$/;

/**
 * Mappings of `file` in the text of proc_pid_smaps(5) that nobody can write to and no page of which differs from the file:
 * all of it can be read again. To be asked for a program, whose mappings stay: those of a library that another thread
 * loads meanwhile may be something else by the time that they are used.
 */
export function untouchedMappings(smaps: string, file: string): readonly Mapping[] {
  const found: Mapping[] = [];
  let current: Mapping | undefined;
  for (const line of smaps.split('\n')) {
    const head = HEAD.exec(line);
    if (head !== null) {
      const [, from = '', to = '', rights = '', inode, path] = head;
      const address = Number.parseInt(from, 16);
      current = path === file && inode !== '0' && /^r-[x-]p$/.test(rights) ? { address, bytes: Number.parseInt(to, 16) - address } : undefined;
    } else if (current !== undefined && /^Anonymous: +0 kB$/.test(line)) {
      found.push(current);
      current = undefined;
    }
  }
  return found;
}
