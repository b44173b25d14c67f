import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { makeGroups, readHierarchies } from './cgroups.ts';
import { waitFor } from './wait.ts';

const END_TIMEOUT_MS = 15_000;

/** A prefix that moves the process into cgroups (files called cgroup.procs) before it becomes the command. */
export function joiningGroups(groups: readonly string[]): readonly string[] {
  return ['sh', '-ec', 'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ > "$1"; shift; n=$((n - 1)); done; exec "$@"', 'join', String(groups.length), ...groups];
}

/** Starts a process that goes on after this one, in a session of its own and without this one's terminal; returns its id. */
export async function startDetached(log: string, argv: readonly string[], options: { readonly cwd?: string } = {}): Promise<number> {
  await mkdir(path.dirname(log), { recursive: true });
  const output = await open(log, 'a');
  try {
    const [command = '', ...rest] = argv;
    const child = spawn(command, rest, { detached: true, stdio: ['ignore', output.fd, output.fd], cwd: options.cwd ?? '/' });
    await once(child, 'spawn');
    child.unref();
    if (child.pid === undefined) throw new LandbridgeError('command-failed', `${command} could not be started`);
    return child.pid;
  } finally {
    await output.close();
  }
}

/** As {@link startDetached}, in a cgroup of the lab's, so that `down` finds it whatever happens to this process. */
export async function startInGroup(group: string, log: string, argv: readonly string[], options: { readonly cwd?: string } = {}): Promise<number> {
  return await startDetached(log, [...joiningGroups(await makeGroups(group, readHierarchies())), ...argv], options);
}

/** Ends a process that this one or an earlier run started: SIGTERM, and SIGKILL where that takes too long. */
export async function endProcess(pid: number, signal: AbortSignal): Promise<void> {
  const isGone = (): true | undefined => (sendSignal(pid, 0) ? undefined : true);
  sendSignal(pid, 'SIGTERM');
  try {
    await waitFor(isGone, { signal, timeoutMs: END_TIMEOUT_MS, everyMs: 25, what: `process ${pid} to end` });
  } catch (thrown) {
    sendSignal(pid, 'SIGKILL');
    throw thrown;
  }
}

/** Returns whether the process is there to be sent to. */
export function sendSignal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw thrown;
  }
}
