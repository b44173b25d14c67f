import { readFileSync } from 'node:fs';
import { parseProcessStat } from '@landbridge/lab/process-stat.ts';

const PAGE_KIB = 4;

export function cpuSecondsOf(pids: readonly number[]): number {
  return sum(pids, (pid) => parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8')).seconds);
}

/** Resident memory, proc_pid_statm(5); what processes share counts for each of them. */
export function rssKiBOf(pids: readonly number[]): number {
  return sum(pids, (pid) => Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_KIB);
}

function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + of(pid), 0);
}
