import { readdirSync, readFileSync } from 'node:fs';
import { parseProcessStat } from '@landbridge/lab/process-stat.ts';

/** Scheduling policies of a process' threads, each once, by the numbers of sched(7): 0 is the usual one. */
export function threadPolicies(pid: number): readonly number[] {
  const policies = readdirSync(`/proc/${pid}/task`).map((thread) => parseProcessStat(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1')).policy);
  return [...new Set(policies)];
}
