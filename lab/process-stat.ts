/** USER_HZ, which is 100 on every architecture that Node.js runs on. */
const TICKS_PER_SECOND = 100;

/** Of a process, or of a thread. */
export interface ProcessStat {
  readonly program: string;
  readonly parent: number;
  /** Processor time, of user and system. */
  readonly seconds: number;
  /** In ticks since the machine started: tells a process from a later one with its number. */
  readonly startTicks: number;
  /** By the numbers of sched(7): 0 is the usual one. */
  readonly policy: number;
}

/** A text of proc_pid_stat(5). The program's name is in parentheses, and may have spaces and parentheses too. */
export function parseProcessStat(text: string): ProcessStat {
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  /** As proc_pid_stat(5) numbers them. */
  const field = (number: number): number => Number(fields[number - 3]);
  return { program: text.slice(text.indexOf('(') + 1, end), parent: field(4), seconds: (field(14) + field(15)) / TICKS_PER_SECOND, startTicks: field(22), policy: field(41) };
}
