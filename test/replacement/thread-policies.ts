import { readdirSync, readFileSync } from 'node:fs';

/** Of the fields of proc_pid_stat(5) behind the name, which may contain anything: `policy`, the 41st of all. */
const POLICY = 41 - 3;

/** Scheduling policies of a process' threads, each once, by the numbers of sched(7): 0 is the usual one. */
export function threadPolicies(pid: number): readonly number[] {
  const policies = readdirSync(`/proc/${pid}/task`).map((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[POLICY]);
  });
  return [...new Set(policies)];
}
