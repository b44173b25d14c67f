import { link, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Image } from './image-archive.ts';
import { type ImageStore, importImage, writeArchive } from './image-store.ts';
import { HUB_IMAGE } from './images.ts';
import { kubectl, clusterEnvironment, kubectlSucceeds } from './kubectl.ts';
import { NODE_HOME } from './kubernetes-config.ts';
import { inWan } from './network.ts';
import { nodeDirectory, REPOSITORY, STATE } from './paths.ts';
import { type ClusterPlan, HUB_LEAF_PORT, type LabShape } from './plan.ts';
import { say } from './progress.ts';
import { run } from './run.ts';
import { toolPath } from './tools.ts';
import { waitFor } from './wait.ts';

export const NAMESPACE = 'landbridge-system';
const ROLLOUT_TIMEOUT = '--timeout=120s';
const ARCHIVE = 'product.tar';
const JOIN_TIMEOUT_MS = 60_000;

/** Puts the product's image on every node. */
export async function distributeImage(image: Image, store: ImageStore, clusters: readonly ClusterPlan[], signal: AbortSignal): Promise<void> {
  const archive = path.join(STATE, ARCHIVE);
  await writeArchive(archive, image, store, signal);
  await Promise.all(clusters.flatMap(({ nodes }) => nodes).map(async (node) => {
    // A node sees nothing of the machine's /var/lib but its own directory.
    const own = path.join(nodeDirectory(node.name), ARCHIVE);
    await link(archive, own);
    await importImage(path.join(NODE_HOME, ARCHIVE), node, signal);
    await rm(own);
  }));
  await rm(archive);
}

/** What helm's --set takes, by name; texts stay texts, whatever they look like. */
type ChartValues = Readonly<Record<string, string | number | boolean>>;

/** Installs or upgrades a chart; `more`: further values. */
export async function installChart(cluster: ClusterPlan, chart: 'federation' | 'agent' | 'gateway', image: string, signal: AbortSignal, more: ChartValues = {}): Promise<void> {
  const colon = image.lastIndexOf(':');
  const values = [`cluster.name=${cluster.name}`, `cluster.network=${cluster.network}`, `image.repository=${image.slice(0, colon)}`, `image.tag=${image.slice(colon + 1)}`];
  const argv = ['upgrade', '--install', `landbridge-${chart}`, path.join(REPOSITORY, 'charts', chart), '--namespace', NAMESPACE, '--create-namespace', ...values.flatMap((value) => ['--set-string', value]), ...Object.entries(more).flatMap(([name, value]) => [typeof value === 'string' ? '--set-string' : '--set', `${name}=${value}`])];
  await run(inWan([toolPath('helm'), ...argv]), { signal, env: clusterEnvironment(cluster.name) });
}

/** There is no balancer of loads here: each node that has a gateway is a door of its own. */
export const gatewayValues = ({ nodes }: ClusterPlan): ChartValues => ({ 'service.type': 'NodePort', replicas: nodes.length });

/** The image of the hub is on all nodes, as the lab's own images are. */
export function leafValues({ leaf }: Pick<LabShape, 'leaf'>): ChartValues {
  if (leaf !== true) return {};
  const colon = HUB_IMAGE.lastIndexOf(':');
  return { 'leaf.enabled': true, 'leaf.hubPort': HUB_LEAF_PORT, 'leaf.image.repository': HUB_IMAGE.slice(0, colon), 'leaf.image.tag': HUB_IMAGE.slice(colon + 1) };
}

/** Its pod waits for what the federation service writes once the cluster is a member. */
export async function waitForLeaf(cluster: ClusterPlan, signal: AbortSignal): Promise<void> {
  await kubectl(cluster.name, ['-n', NAMESPACE, 'rollout', 'status', 'deployment/landbridge-leaf', ROLLOUT_TIMEOUT], { signal });
  await waitFor(async () => ((await hubOf(cluster.name, signal))?.leaf?.connected === true ? true : undefined), { signal, timeoutMs: JOIN_TIMEOUT_MS, everyMs: 500, what: `the federation service of ${cluster.name} to reach its leaf node` });
  say(`${cluster.name}: the leaf node is there`);
}

export async function waitForGateways(cluster: ClusterPlan, signal: AbortSignal): Promise<void> {
  await kubectl(cluster.name, ['-n', NAMESPACE, 'rollout', 'status', 'deployment/landbridge-gateway', ROLLOUT_TIMEOUT], { signal });
  say(`${cluster.name}: the gateways into ${cluster.network} are ready`);
}

export async function waitForFederation(cluster: ClusterPlan, signal: AbortSignal): Promise<void> {
  await kubectl(cluster.name, ['-n', NAMESPACE, 'rollout', 'status', 'deployment/landbridge-federation', ROLLOUT_TIMEOUT], { signal });
  say(`${cluster.name}: the federation service is ready`);
}

export async function waitForAgents(cluster: ClusterPlan, signal: AbortSignal): Promise<void> {
  await kubectl(cluster.name, ['-n', NAMESPACE, 'rollout', 'status', 'daemonset/landbridge-agent', ROLLOUT_TIMEOUT], { signal });
  say(`${cluster.name}: the agents are ready on ${cluster.nodes.length} nodes`);
}

/** The command line of the product's command against a cluster. */
export const landbridgeCommand = (args: readonly string[]): readonly string[] => inWan([process.execPath, path.join(REPOSITORY, 'cli/main.ts'), ...args]);

export async function landbridge(cluster: string, args: readonly string[], signal: AbortSignal, input?: string): Promise<string> {
  return await run(landbridgeCommand(args), { signal, env: clusterEnvironment(cluster), ...(input === undefined ? {} : { input }) });
}

/** Makes a token in the founder's cluster and redeems it in another; nothing to do for a member. */
export async function joinCluster(founder: ClusterPlan, cluster: ClusterPlan, signal: AbortSignal): Promise<void> {
  if (await kubectlSucceeds(cluster.name, ['-n', NAMESPACE, 'get', 'secret', 'landbridge-hub-credentials'], signal)) return;
  await waitFor(async () => ((await hubOf(founder.name, signal))?.state === 'connected' ? true : undefined), { signal, timeoutMs: JOIN_TIMEOUT_MS, everyMs: 300, what: `the federation service of ${founder.name} to reach the hub` });
  const token = await landbridge(founder.name, ['token', 'create', cluster.name], signal);
  // By standard input: arguments of a process are there for everyone to read.
  await landbridge(cluster.name, ['join', '-'], signal, token);
  say(`${cluster.name} joined the clusterset of ${founder.name} by a token`);
}

interface HubOfStatus {
  readonly state?: string;
  readonly leaf?: { readonly connected?: boolean };
}

async function hubOf(cluster: string, signal: AbortSignal): Promise<HubOfStatus | undefined> {
  try {
    return (JSON.parse(await landbridge(cluster, ['status', '-o', 'json'], signal)) as { hub?: HubOfStatus }).hub;
  } catch {
    signal.throwIfAborted();
    // Not up yet.
    return undefined;
  }
}
