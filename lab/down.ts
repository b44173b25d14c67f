import { rmSync } from 'node:fs';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { removeGroup } from './cgroups.ts';
import { describeLeftovers, findLeftovers, isClean } from './leftovers.ts';
import { STATE } from './paths.ts';
import { run } from './run.ts';
import { waitFor } from './wait.ts';

const PROCESSES_END_TIMEOUT_MS = 20_000;

/**
 * Ends every process of the lab and removes all that it made, finished or not; a second call finds nothing to do.
 * @throws LandbridgeError `leftovers` with what could not be removed
 */
export async function removeLab(signal: AbortSignal): Promise<void> {
  await endProcesses(signal);
  const { networkNamespaces, cgroups } = findLeftovers();
  for (const name of networkNamespaces) await run(['ip', 'netns', 'delete', name], { signal });
  // A version 1 group stays busy until the kernel has done with the last process in it.
  for (const group of cgroups) {
    await waitFor(() => removeGroup(group) || undefined, { signal, timeoutMs: PROCESSES_END_TIMEOUT_MS, everyMs: 50, what: `the cgroup ${group} to become empty` });
  }
  rmSync(STATE, { recursive: true, force: true, maxRetries: 3 });
  const left = findLeftovers();
  if (!isClean(left)) throw new LandbridgeError('leftovers', `these could not be removed:\n${describeLeftovers(left).map((line) => `  ${line}`).join('\n')}`);
}

/** Kills until none is left: the PID 1 of a node takes its whole pid namespace along. */
async function endProcesses(signal: AbortSignal): Promise<void> {
  await waitFor(
    () => {
      const { processes } = findLeftovers();
      for (const { pid } of processes) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch (thrown) {
          if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown;
        }
      }
      return processes.length === 0 ? true : undefined;
    },
    { signal, timeoutMs: PROCESSES_END_TIMEOUT_MS, everyMs: 50, what: () => `these processes to end:\n${findLeftovers().processes.map(({ pid, command }) => `  ${pid} ${command}`).join('\n')}` },
  );
}
