import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { DEMO_IMAGE } from '@landbridge/lab/images.ts';
import { inNode } from '@landbridge/lab/node.ts';
import { findCluster, findNode, type NodePlan } from '@landbridge/lab/plan.ts';
import { run } from '@landbridge/lab/run.ts';
import { runningLab } from '@landbridge/lab/state.ts';
import { processIds } from '@landbridge/native/process-ids.ts';
import { accessLog, apply, eventually, kubectl } from './running-lab.ts';

export const CLUSTER = 'west';
export const NODE = 'west-worker';
/** In the mesh, for pods that start. */
export const NAMESPACE = 'starts';
/** A runtime that was refused is asked again by the kubelet, which waits longer each time. */
const STARTED_MS = 180_000;

export interface StartOptions {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly hostNetwork?: boolean;
}

/** The address of the imported service, which pods reach through the mesh or around it. */
export async function echoAddress(): Promise<string> {
  return (await kubectl(CLUSTER, '-n', 'demo', 'get', 'services', '-l', 'app.kubernetes.io/managed-by=landbridge', '-o', 'jsonpath={.items[0].spec.clusterIP}')).trim();
}

/** A pod whose program does nothing but connect. It is tried again until it succeeds. */
export const connecting = (name: string, address: string, options: StartOptions = {}): object => pod(name, { command: ['/bin/nc', '-w', '5', address, '8081'] }, options);

export const idle = (name: string): object => pod(name, { args: ['idle'] }, {});

function pod(name: string, program: object, { namespace = NAMESPACE, labels = {}, hostNetwork = false }: StartOptions): object {
  const container = { name: 'main', image: DEMO_IMAGE, ...program };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels: { ...labels, test: 'starts' } }, spec: { nodeName: NODE, hostNetwork, restartPolicy: 'OnFailure', terminationGracePeriodSeconds: 0, tolerations: [{ operator: 'Exists' }], containers: [container] } };
}

export async function makeNamespace(): Promise<void> {
  await apply(CLUSTER, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels: { 'landbridge.dev/dataplane-mode': 'ambient' } } });
  await eventually('the service account of new pods', async () => ((await kubectl(CLUSTER, '-n', NAMESPACE, 'get', 'serviceaccounts', '-o', 'name')).includes('default') ? true : undefined));
}

/** Starts pods, does something to the node meanwhile, and waits for all of them to have connected; returns their addresses. */
export async function startPods(pods: readonly object[], meanwhile: () => Promise<void> = async () => {}): Promise<string[]> {
  await apply(CLUSTER, ...pods);
  await meanwhile();
  const addresses = await eventually(`${pods.length} pods to have connected`, async () => {
    const lines = await states();
    return lines.length === pods.length && lines.every(([phase]) => phase === 'Succeeded') ? lines.map(([, address]) => address) : undefined;
  }, STARTED_MS);
  await kubectl(CLUSTER, '-n', NAMESPACE, 'delete', 'pods', '-l', 'test=starts', '--wait=true');
  return addresses;
}

async function states(): Promise<[phase: string, address: string][]> {
  const text = await kubectl(CLUSTER, '-n', NAMESPACE, 'get', 'pods', '-l', 'test=starts', '-o', 'jsonpath={range .items[*]}{.status.phase} {.status.podIP}{"\\n"}{end}');
  return text.trim().split('\n').map((line) => line.split(' ') as [string, string]);
}

export async function phaseOf(name: string, namespace = NAMESPACE): Promise<string> {
  return (await kubectl(CLUSTER, '-n', namespace, 'get', 'pod', name, '-o', 'jsonpath={.status.phase}')).trim();
}

/** Lines of connections that came to the destination's agent without a tunnel, from pods of the other cluster. */
export async function aroundTheMesh(): Promise<string[]> {
  return (await accessLog('east')).filter((line) => line['tunnel'] === 'none' && String(line['src.addr']).startsWith('10.102.')).map((line) => String(line['src.addr']));
}

export function nodePlan(): NodePlan {
  const cluster = findCluster(runningLab().plan, CLUSTER);
  const node = cluster === undefined ? undefined : findNode(cluster, NODE);
  if (node === undefined) throw new Error(`the lab has no ${NODE}`);
  return node;
}

export async function onNode(script: string): Promise<string> {
  return await run(await inNode(nodePlan(), ['sh', '-c', script]), { signal: new AbortController().signal });
}

/** Has another writer of the node's CNI configuration do its work again and again, until it is disposed of. */
export async function writeConfigurationAgain(): Promise<AsyncDisposable> {
  const script = 'cd /etc/cni/net.d && echo begun && while :; do cp 10-lab.conflist .10-lab.tmp && mv .10-lab.tmp 10-lab.conflist; sleep 0.02; done';
  const [command = '', ...args] = await inNode(nodePlan(), ['sh', '-c', script]);
  const writer = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  await once(writer.stdout, 'data');
  return {
    [Symbol.asyncDispose]: async () => {
      const ended = once(writer, 'close');
      process.kill(-(writer.pid ?? Number.NaN), 'SIGKILL');
      await ended;
      await onNode('rm -f /etc/cni/net.d/.10-lab.tmp');
    },
  };
}

/** The name of the node's agent; empty where there is none. */
export async function agentPod(): Promise<string> {
  const names = await kubectl(CLUSTER, '-n', 'landbridge-system', 'get', 'pods', '-l', 'app.kubernetes.io/name=landbridge-agent', '--field-selector', `spec.nodeName=${NODE}`, '-o', 'jsonpath={.items[*].metadata.name}');
  return names.trim().split(' ', 1)[0] ?? '';
}

/** The process of the node's agent, as this machine sees it. */
export async function agentProcess(): Promise<number> {
  const id = (await kubectl(CLUSTER, '-n', 'landbridge-system', 'get', 'pod', await agentPod(), '-o', 'jsonpath={.status.containerStatuses[0].containerID}')).trim().replace('containerd://', '');
  const pid = processes().find((pid) => id !== '' && read(pid, 'cgroup').includes(id));
  if (pid === undefined) throw new Error('the agent has no process');
  return pid;
}

/** Whether a container runtime waits for an answer at this moment. */
export const isAsked = (): boolean => processes().some((pid) => read(pid, 'comm').trim() === 'landbridge-cni');

const processes = (): number[] => processIds().map(Number);

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    // It ended meanwhile.
    return '';
  }
}
