/** What of the machine goes to whom: processor time of this process and all that it has started, and the memory of one of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { parseCpuSeconds } from '../processes.ts';

interface Stat {
  readonly parent: number;
  readonly program: string;
  readonly seconds: number;
}

/** Seconds by program; `names` has other names for some processes. Those that have ended are not there any more. */
export function processorSeconds(names: ReadonlyMap<number, string>): ReadonlyMap<string, number> {
  const all = new Map(readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).flatMap((name) => statOf(Number(name))));
  const isOurs = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined; at = all.get(at)?.parent) if (at === process.pid) return true;
    return false;
  };
  const found = new Map<string, number>();
  for (const [pid, { program, seconds }] of all) {
    if (!isOurs(pid)) continue;
    const name = names.get(pid) ?? program;
    found.set(name, (found.get(name) ?? 0) + seconds);
  }
  return found;
}

/** Resident at this moment, and at most since the process began. */
export function memoryMiB(pid: number): { readonly now: number; readonly most: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (field: string): number => Number(new RegExp(`^${field}:\\s+([0-9]+) kB$`, 'm').exec(status)?.[1] ?? 0) / 1024;
  return { now: of('VmRSS'), most: of('VmHWM') };
}

/** proc(5): a program's name is in parentheses and may have any character. */
function statOf(pid: number): [number, Stat][] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const end = text.lastIndexOf(')');
    const [, parent] = text.slice(end + 2).split(' ');
    return [[pid, { parent: Number(parent), program: text.slice(text.indexOf('(') + 1, end), seconds: parseCpuSeconds(text) }]];
  } catch {
    // It has ended.
    return [];
  }
}
