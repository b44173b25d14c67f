import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { findLabGroups, processesIn } from '@landbridge/lab/cgroups.ts';
import { DEMO_NAMESPACE, ECHO_URL } from '@landbridge/lab/demo.ts';
import { hubProcesses } from '@landbridge/lab/hub.ts';
import { clusterEnvironment, kubectlCommand } from '@landbridge/lab/kubectl.ts';
import { landbridgeCommand } from '@landbridge/lab/product.ts';
import { type Outcome, outcomeOf } from '@landbridge/lab/run.ts';
import { waitFor } from '@landbridge/lab/wait.ts';

export const REPOSITORY = path.resolve(import.meta.dirname, '../..');
export const SHAPE = ['--clusters', '3', '--joined', '2'];
export const ECHO_LINES = 'echo.demo.svc.clusterset.local:8081';

const NAMESPACE = 'landbridge-system';
const AGENTS = 'app.kubernetes.io/name=landbridge-agent';
const never = new AbortController().signal;

/** Runs `npm run -s lab -- …` as a user would. */
export async function lab(...args: readonly string[]): Promise<Outcome> {
  return await outcomeOf(['npm', 'run', '-s', 'lab', '--', ...args], { signal: never, cwd: REPOSITORY });
}

export async function kubectl(cluster: string, ...args: readonly string[]): Promise<string> {
  const outcome = await outcomeOf(kubectlCommand(args), { signal: never, env: clusterEnvironment(cluster) });
  if (outcome.status !== 0) throw new Error(`kubectl ${args.join(' ')} in ${cluster}: ${outcome.stderr}`);
  return outcome.stdout;
}

export async function apply(cluster: string, ...manifests: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests });
  const outcome = await outcomeOf(kubectlCommand(['apply', '-f', '-']), { signal: never, env: clusterEnvironment(cluster), input });
  if (outcome.status !== 0) throw new Error(`kubectl apply in ${cluster}: ${outcome.stderr}`);
}

export async function landbridge(cluster: string, args: readonly string[], input?: string): Promise<Outcome> {
  return await outcomeOf(landbridgeCommand(args), { signal: never, env: clusterEnvironment(cluster), ...(input === undefined ? {} : { input }) });
}

/** One call from a pod, of west where nothing else is said, to the imported service. */
export async function call(args: readonly string[] = [], from = 'deploy/client', namespace = DEMO_NAMESPACE, cluster = 'west'): Promise<Outcome> {
  return await outcomeOf(kubectlCommand(['-n', namespace, 'exec', from, '--', '/bin/demo', 'get', ECHO_URL, ...args]), { signal: never, env: clusterEnvironment(cluster) });
}

export interface Answer {
  readonly pod: string;
  readonly cluster: string;
  readonly from: string;
  readonly echo: string;
}

export const parseAnswers = (text: string): Answer[] => text.trim().split('\n').map((line) => JSON.parse(line) as Answer);

/** What goes over a connection that is held: a line after the other, nothing until its end, or bytes all the time. What comes back is checked. */
const HELD = { lines: `hold ${ECHO_LINES}`, idle: `hold ${ECHO_LINES} --every 1h`, bytes: `stream ${ECHO_LINES}` } as const;

/** Tells its number, which stays its own, before it becomes the program that holds the connection. */
const holding = (kind: keyof typeof HELD, lasting: string): string => `echo $$; exec /bin/demo ${HELD[kind]} --for ${lasting}`;

export interface HeldConnection extends AsyncDisposable {
  /** Resolves with what its program said in the end: by itself where the connection broke, or has lasted. */
  readonly done: Promise<Outcome>;
  /** Ends the connection in good order, and resolves as `done` does. */
  readonly release: () => Promise<Outcome>;
}

/** A connection from west, or another cluster, that lives until it is released. `lasting`: until then at most. */
export async function holdConnection(cluster = 'west', lasting = '5m', kind: keyof typeof HELD = 'lines'): Promise<HeldConnection> {
  const inClient = (...args: readonly string[]): readonly string[] => kubectlCommand(['-n', DEMO_NAMESPACE, 'exec', 'deploy/client', '--', ...args]);
  const [command = '', ...args] = inClient('/bin/sh', '-c', holding(kind, lasting));
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...clusterEnvironment(cluster) } });
  const connected = Promise.withResolvers<void>();
  let pid = '';
  let stdout = '';
  let stderr = '';
  createInterface({ input: child.stdout }).on('line', (line) => {
    pid ||= line;
    stdout += `${line}\n`;
    if (line === 'connected') connected.resolve();
  });
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  let isOver = false;
  const done = new Promise<Outcome>((resolve) => {
    child.on('close', (status) => {
      isOver = true;
      connected.reject(new Error(`the connection could not be held: ${stderr}`));
      resolve({ status: status ?? 1, stdout, stderr });
    });
  });
  const release = async (): Promise<Outcome> => {
    // Where it broke meanwhile there is nobody to end, and the outcome says so.
    if (!isOver) await outcomeOf(inClient('/bin/sh', '-c', `kill -TERM ${pid}`), { signal: never, env: clusterEnvironment(cluster) });
    return await done;
  };
  await connected.promise;
  return { done, release, [Symbol.asyncDispose]: async () => void (await release()) };
}

export interface AgentPod {
  readonly name: string;
  readonly isEnding: boolean;
}

export async function agentPods(cluster: string): Promise<readonly AgentPod[]> {
  const { items } = JSON.parse(await kubectl(cluster, '-n', NAMESPACE, 'get', 'pods', '-l', AGENTS, '-o', 'json')) as { items: { metadata: { name: string; deletionTimestamp?: string } }[] };
  return items.map(({ metadata }) => ({ name: metadata.name, isEnding: metadata.deletionTimestamp !== undefined }));
}

/** What agents of a cluster have written, of those that end too. */
export async function agentLogs(cluster: string): Promise<string> {
  const logs = (await agentPods(cluster)).map(async ({ name, isEnding }) => {
    try {
      return await kubectl(cluster, '-n', NAMESPACE, 'logs', name, '--tail=-1');
    } catch (thrown) {
      // It has ended meanwhile.
      if (isEnding && String(thrown).includes('NotFound')) return '';
      throw thrown;
    }
  });
  return (await Promise.all(logs)).join('');
}

/** Lines of the access logs of a cluster's agents. */
export async function accessLog(cluster: string): Promise<Record<string, unknown>[]> {
  return (await agentLogs(cluster)).split('\n').filter((line) => line.includes('"scope":"access"')).map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Ready addresses of the import in west, sorted. */
export async function importedAddresses(): Promise<string[]> {
  const text = await kubectl('west', '-n', DEMO_NAMESPACE, 'get', 'endpointslices', '-l', 'multicluster.kubernetes.io/service-name=echo', '-o', 'json');
  const { items } = JSON.parse(text) as { items: { endpoints?: { addresses: string[]; conditions: { ready: boolean } }[] | null }[] };
  return items.flatMap(({ endpoints }) => endpoints ?? []).filter(({ conditions }) => conditions.ready).flatMap(({ addresses }) => addresses).sort();
}

/** What west's import is made of; must be the same objects afterwards. */
export async function importIdentity(): Promise<string> {
  return await kubectl('west', '-n', 'demo', 'get', 'serviceimports,services,endpointslices', '-l', 'app.kubernetes.io/managed-by=landbridge', '-o', 'jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.uid}{"\\n"}{end}');
}

export async function eventually<T>(what: string, look: () => Promise<T | undefined>, timeoutMs = 60_000): Promise<T> {
  return await waitFor(look, { signal: never, timeoutMs, everyMs: 100, what });
}

export async function untilImported(count: number): Promise<string[]> {
  return await eventually(`${count} ready endpoints of the import in west`, async () => {
    const addresses = await importedAddresses();
    return addresses.length === count ? addresses : undefined;
  });
}

export async function scaleEcho(replicas: number): Promise<void> {
  await kubectl('east', '-n', DEMO_NAMESPACE, 'scale', 'deployment/echo', `--replicas=${replicas}`);
}

/** The process of the hub's server; never a number that would signal anything else. */
export function hubProcess(): number {
  const [pid] = hubProcesses();
  if (pid === undefined) throw new Error('the hub does not run');
  return pid;
}

/** Processes of the federation services of all clusters of the lab, or of one pod of them. */
export function federationProcesses(pod?: string): number[] {
  const all = findLabGroups().flatMap(processesIn);
  return [...new Set(all)].filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('/app/dist/federation.cjs') && (pod === undefined || readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`POD_NAME=${pod}`));
    } catch {
      // It ended meanwhile.
      return false;
    }
  });
}
