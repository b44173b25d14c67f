import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { LOCK } from './paths.ts';
import { parseProcessStat } from './process-stat.ts';

/**
 * Holds the lab's lock until it is disposed of, so that one run at a time changes the lab.
 * @throws LandbridgeError `locked` where another run lives that holds it
 */
export function takeLock(what: string): Disposable {
  for (;;) {
    try {
      writeFileSync(LOCK, JSON.stringify({ pid: process.pid, startTime: startTime(process.pid), what }), { flag: 'wx' });
      return { [Symbol.dispose]: () => rmSync(LOCK, { force: true }) };
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
    }
    const holder = readHolder();
    if (holder !== undefined) {
      throw new LandbridgeError('locked', `another run holds the lab: "${holder.what}", process ${holder.pid}`, {
        hint: `Wait for it, or end it with kill ${holder.pid}.`,
        retryable: true,
      });
    }
    rmSync(LOCK, { force: true });
  }
}

/** The run that holds the lock, where it lives. */
export function readHolder(): { pid: number; what: string } | undefined {
  try {
    const { pid, startTime: startedAt, what } = JSON.parse(readFileSync(LOCK, 'utf8')) as Record<string, unknown>;
    if (typeof pid !== 'number' || typeof what !== 'string' || startTime(pid) !== startedAt) return undefined;
    return { pid, what };
  } catch {
    // No lock, or one cut off by a crash: either way nobody holds it.
    return undefined;
  }
}

/** Tells a process from a later one with its number. */
function startTime(pid: number): string | undefined {
  try {
    return String(parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8')).startTicks);
  } catch {
    // The process is gone.
    return undefined;
  }
}
