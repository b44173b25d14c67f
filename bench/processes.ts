import { readFileSync } from 'node:fs';

/** USER_HZ, which is 100 on every architecture that Node.js runs on. */
const TICKS_PER_SECOND = 100;
const PAGE_KIB = 4;

/** utime and stime of a proc_pid_stat(5) text, in seconds. The name in parentheses may hold spaces and parentheses too. */
export function parseCpuSeconds(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export function cpuSecondsOf(pids: readonly number[]): number {
  return sum(pids, (pid) => parseCpuSeconds(readFileSync(`/proc/${pid}/stat`, 'utf8')));
}

/** Resident memory, proc_pid_statm(5); what processes share counts for each of them. */
export function rssKiBOf(pids: readonly number[]): number {
  return sum(pids, (pid) => Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_KIB);
}

function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + of(pid), 0);
}
