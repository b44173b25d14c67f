import { readdirSync, readFileSync } from 'node:fs';

/**
 * Milliseconds since some moment, less those in which threads of this process could have run and others had the processors:
 * on a machine without other work, the time that passes.
 */
export function ownTimeMs(): number {
  const waitedNs = readdirSync('/proc/self/task').map((thread) => {
    try {
      return Number(readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ')[1] ?? 0);
    } catch {
      // It has ended.
      return 0;
    }
  });
  return performance.now() - waitedNs.reduce((sum, each) => sum + each, 0) / 1e6;
}
