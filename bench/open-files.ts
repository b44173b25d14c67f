import { readFileSync } from 'node:fs';

/** No process here needs more, and some reserve memory for all that they may have. */
const ENOUGH = 131_072;
const WANTED_IDLE = 10_000;
/** Of a proxy, for all but the connections: listeners, tunnels, logs. */
const OTHER_FILES = 500;

/** The hard limit of a process in a proc_pid_limits(5) text; enough where there is none. */
export function parseOpenFiles(limits: string): number {
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1];
  return hard === undefined ? ENOUGH : Math.min(ENOUGH, Number(hard));
}

/** Files that each process of the benchmark may have open. */
export const OPEN_FILES = parseOpenFiles(readFileSync('/proc/self/limits', 'utf8'));

/** A proxy without a multiplexed tunnel has two files for each connection. */
export function idleConnections(openFiles: number): number {
  return Math.max(1, Math.min(WANTED_IDLE, Math.floor((openFiles - OTHER_FILES) / 2)));
}
