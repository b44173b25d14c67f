import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { readHierarchies } from './cgroups.ts';
import { serverGroup } from './node.ts';
import type { NodePlan } from './plan.ts';
import { waitFor } from './wait.ts';

const FREEZE_TIMEOUT_MS = 10_000;

/**
 * Stops a server of a node in the middle of what it does, as a machine that hangs: its sockets take connections and
 * answer nothing, and nobody starts it again. Disposing lets it go on (cgroup.freeze of cgroup v2).
 * @throws LandbridgeError `timeout`
 */
export async function freezeServer(node: NodePlan, server: string, signal: AbortSignal): Promise<AsyncDisposable> {
  const group = serverGroup(node, server, readHierarchies());
  const set = async (frozen: 0 | 1): Promise<void> => {
    await writeFile(path.join(group, 'cgroup.freeze'), String(frozen));
    await waitFor(() => (readFileSync(path.join(group, 'cgroup.events'), 'utf8').includes(`frozen ${frozen}`) ? true : undefined), {
      signal,
      timeoutMs: FREEZE_TIMEOUT_MS,
      everyMs: 10,
      what: `${server} of ${node.name} to ${frozen === 1 ? 'stop' : 'go on'}`,
    });
  };
  await set(1);
  return { [Symbol.asyncDispose]: async () => await set(0) };
}
