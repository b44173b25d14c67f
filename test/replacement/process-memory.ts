/** What is in the memory of another process, byte by byte. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const CHUNK = 4 * 1024 * 1024;

/** Which of these are anywhere in what a process has mapped and can read, by name with how often. Stop it before, or it may move them meanwhile. */
export function findInMemory(pid: number, needles: ReadonlyMap<string, Buffer>): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  const overlap = Math.max(...[...needles.values()].map(({ length }) => length)) - 1;
  const chunk = Buffer.alloc(CHUNK + overlap);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    for (const [from, to] of regions(pid)) {
      let kept = 0;
      for (let at = from; at < to; ) {
        const count = readAt(memory, chunk, kept, Math.min(CHUNK, to - at), at);
        if (count <= 0) break;
        at += count;
        const have = chunk.subarray(0, kept + count);
        for (const [name, needle] of needles) found[name] = (found[name] ?? 0) + occurrences(have, needle, kept);
        kept = Math.min(overlap, have.length);
        have.copy(chunk, 0, have.length - kept);
      }
    }
  } finally {
    closeSync(memory);
  }
  return Object.fromEntries(Object.entries(found).filter(([, count]) => count > 0));
}

/** Addresses that the process may read; what the kernel has mapped for all can not be read this way. */
function regions(pid: number): readonly (readonly [from: number, to: number])[] {
  return readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n').flatMap((line) => {
    const [, from, to, name = ''] = /^([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \S+ *(.*)$/.exec(line) ?? [];
    return from === undefined || to === undefined || name.startsWith('[v') ? [] : [[Number.parseInt(from, 16), Number.parseInt(to, 16)] as const];
  });
}

function readAt(memory: number, into: Buffer, at: number, size: number, address: number): number {
  try {
    return readSync(memory, into, at, size, address);
  } catch {
    // Nothing is behind the end of a file that is mapped.
    return 0;
  }
}

/** Those that end behind the bytes which were looked at before. */
function occurrences(bytes: Buffer, needle: Buffer, before: number): number {
  let count = 0;
  for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) if (at + needle.length > before) count++;
  return count;
}
