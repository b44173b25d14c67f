import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { processesIn, findLabGroups } from './cgroups.ts';
import { clusterEnvironment } from './kubectl.ts';
import { inNetwork } from './network.ts';
import { hubDirectory, REPOSITORY } from './paths.ts';
import { HUB_ADDRESS, HUB_LEAF_PORT, HUB_PORT, type LabShape, WAN } from './plan.ts';
import { startInGroup } from './processes.ts';
import { say } from './progress.ts';
import { run } from './run.ts';
import { toolPath } from './tools.ts';
import { waitFor } from './wait.ts';

export const HUB_URL = `tls://${HUB_ADDRESS}:${HUB_PORT}`;
export const hubLog = path.join(hubDirectory, 'hub.log');
/** What the founder's cluster is given. */
export const authoritySecretFile = path.join(hubDirectory, 'files', 'authority-secret.yaml');

const START_TIMEOUT_MS = 20_000;

/** Makes the hub's keys with the product's own command and starts its server between the clusters; it is started again when it ends. */
export async function startHub({ leaf }: Pick<LabShape, 'leaf'>, signal: AbortSignal): Promise<void> {
  const files = path.join(hubDirectory, 'files');
  await run([process.execPath, path.join(REPOSITORY, 'cli/main.ts'), 'hub', 'init', '--url', HUB_URL, ...(leaf === true ? ['--leaf-port', String(HUB_LEAF_PORT)] : []), '--out', files], { signal, env: clusterEnvironment('none') });
  const server = [toolPath('nats-server'), '-c', path.join(files, 'nats.conf')];
  await startInGroup('hub', hubLog, inNetwork(WAN, ['sh', '-c', 'while :; do "$@"; sleep 0.2; done', 'hub', ...server]));
  await waitFor(() => (existsSync(hubLog) && readFileSync(hubLog, 'utf8').includes('Server is ready') ? true : undefined), { signal, timeoutMs: START_TIMEOUT_MS, everyMs: 50, what: `the hub to be ready; its log is ${hubLog}` });
  say(`the hub (nats-server) answers at ${HUB_URL}`);
}

/** Process ids of the hub's server. */
export function hubProcesses(): number[] {
  const pids = findLabGroups().flatMap((group) => processesIn(path.join(group, 'hub')));
  return [...new Set(pids)].filter((pid) => commandName(pid) === 'nats-server');
}

function commandName(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    // The process ended meanwhile.
    return '';
  }
}
