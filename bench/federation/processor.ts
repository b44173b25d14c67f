/** What of the machine goes to whom: processor time of this process and all that it has started, and the memory of one of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { type ProcessStat, parseProcessStat } from '@landbridge/lab/process-stat.ts';

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

function statOf(pid: number): [number, ProcessStat][] {
  try {
    return [[pid, parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))]];
  } catch {
    // It has ended.
    return [];
  }
}
