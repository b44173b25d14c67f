/** What agents tell of the kernels of their nodes. */
import type { V1Pod } from '@kubernetes/client-node';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { type KernelReport, parseKernelReport } from '@landbridge/core/kernel-report.ts';
import { parseTerminationMessage } from '@landbridge/core/termination-message.ts';
import { abortable } from './abortable-request.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { kubernetesError } from './kubernetes-errors.ts';
import { openPodTunnel } from './pod-tunnel.ts';
import { exchange } from './tunnel-request.ts';

const AGENT_SELECTOR = 'app.kubernetes.io/name=landbridge-agent';
const CONTAINER = 'agent';
/** Of the agent's admin interface. */
const ADMIN_PORT = 15000;
const MAX_REPORT_CHARACTERS = 256 * 1024;

export type NodeKernel =
  /** What is attached there shows that it has everything. */
  | { readonly kind: 'fit'; readonly node: string }
  /** `lacks`: as the agent said when it ended. */
  | { readonly kind: 'unfit'; readonly node: string; readonly lacks: string }
  | { readonly kind: 'unknown'; readonly node: string };

/** One request for all nodes: agents that run have all that they need, and those that can not leave a message. */
export async function readNodeKernels(access: ClusterAccess, signal: AbortSignal): Promise<readonly NodeKernel[]> {
  const byNode = new Map<string, NodeKernel>();
  for (const pod of await agentPods(access, signal)) {
    const kernel = judgePod(pod);
    // Of two agents, one of which follows the other, what is known of either counts.
    if (kernel !== undefined && (byNode.get(kernel.node)?.kind ?? 'unknown') === 'unknown') byNode.set(kernel.node, kernel);
  }
  return [...byNode.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** The whole report of one node, by the agent that runs there. @throws LandbridgeError */
export async function readKernelReport(access: ClusterAccess, node: string, signal: AbortSignal): Promise<KernelReport> {
  try {
    const pods = (await agentPods(access, signal)).filter(({ spec }) => spec?.nodeName === node);
    const kernels = pods.flatMap((pod) => judgePod(pod) ?? []);
    const unfit = kernels.find((kernel) => kernel.kind === 'unfit');
    if (unfit !== undefined) throw new LandbridgeError('kernel-unfit', `The agent of node ${node} ended: ${unfit.lacks}`, { hint: 'Linux 6.1 or newer has all of it.' });
    const running = pods.find(isReady);
    if (running?.metadata?.name === undefined) throw new LandbridgeError('agent-not-ready', `There is no agent on node ${node} that is ready.`, { hint: 'On the node itself, in the image of the agent: node /app/dist/agent.cjs --check', retryable: true });
    const tunnel = await openPodTunnel(access, running.metadata.name, ADMIN_PORT, signal);
    const answer = parseKernelReport(await exchange(tunnel.stream, { method: 'GET', path: '/kernel', limit: MAX_REPORT_CHARACTERS }, signal));
    if (!answer.ok) throw new LandbridgeError('answer-malformed', `The agent of node ${node} gave an answer that this program does not understand: ${answer.error}.`, { hint: 'Use the landbridge program of the installed version.' });
    return answer.value;
  } catch (thrown) {
    signal.throwIfAborted();
    throw kubernetesError(thrown, access.server);
  }
}

async function agentPods({ config, kubernetes, namespace }: ClusterAccess, signal: AbortSignal): Promise<readonly V1Pod[]> {
  return (await config.makeApiClient(kubernetes.CoreV1Api).listNamespacedPod({ namespace, labelSelector: AGENT_SELECTOR }, abortable(kubernetes, signal))).items;
}

const agentOf = ({ status }: V1Pod) => status?.containerStatuses?.find(({ name }) => name === CONTAINER);
const isReady = (pod: V1Pod): boolean => pod.metadata?.deletionTimestamp == null && agentOf(pod)?.ready === true;

/** Undefined where the pod has no node yet. */
export function judgePod(pod: V1Pod): NodeKernel | undefined {
  const node = pod.spec?.nodeName;
  if (node === undefined) return undefined;
  if (isReady(pod)) return { kind: 'fit', node };
  const container = agentOf(pod);
  const words = parseTerminationMessage((container?.state?.terminated ?? container?.lastState?.terminated)?.message ?? '');
  return words?.code === 'kernel-unfit' ? { kind: 'unfit', node, lacks: words.message } : { kind: 'unknown', node };
}
