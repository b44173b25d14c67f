import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { apiServers, containerdServer, controllerServers, kubeletServers } from './kubernetes-config.ts';
import { copyImageStore, type ImageStore } from './image-store.ts';
import { kubectl, kubectlSucceeds } from './kubectl.ts';
import { bootNode, inNode, startServers, toolInNode, writeNodeFiles } from './node.ts';
import { adminKubeconfig, clusterDirectory } from './paths.ts';
import { kubeconfig, makePki } from './pki.ts';
import type { ClusterPlan, NodePlan } from './plan.ts';
import { say } from './progress.ts';
import { outcomeOf } from './run.ts';
import { waitFor } from './wait.ts';

const APISERVER_TIMEOUT_MS = 90_000;
const CONTAINERD_TIMEOUT_MS = 30_000;
const NODES_TIMEOUT_MS = 90_000;

/** Starts the servers of a cluster and returns as soon as its API server answers; its nodes go on joining. */
export async function startCluster(cluster: ClusterPlan, store: Promise<ImageStore>, signal: AbortSignal): Promise<void> {
  const directory = clusterDirectory(cluster.name);
  const pki = path.join(directory, 'pki');
  await makePki(pki, cluster, signal);
  await writeFile(adminKubeconfig(cluster.name), await kubeconfig(pki, cluster.name, cluster.apiserver, 'admin'), { mode: 0o600 });
  const runtimes = Promise.all(cluster.nodes.map((node) => startNode(cluster, node, store, signal)));
  // Whoever fails first is reported below; the other must not be an unhandled rejection meanwhile.
  runtimes.catch(() => {});
  await waitFor(async () => ((await kubectlSucceeds(cluster.name, ['get', '--raw', '/readyz'], signal)) ? true : undefined), {
    signal: AbortSignal.any([signal, rejectionSignal(runtimes)]),
    timeoutMs: APISERVER_TIMEOUT_MS,
    everyMs: 300,
    what: `the API server of ${cluster.name}; its log: npm run -s lab -- logs ${cluster.name} apiserver`,
  });
  say(`${cluster.name}: the API server answers at ${cluster.apiserver}`);
  await startServers(cluster.controlPlane, controllerServers(toolInNode), signal);
  await runtimes;
  // Only now: a kubelet that finds neither its API server nor containerd gives up or waits seconds to try again.
  await Promise.all(cluster.nodes.map((node) => startServers(node, kubeletServers(node, toolInNode), signal)));
}

async function startNode(cluster: ClusterPlan, node: NodePlan, store: Promise<ImageStore>, signal: AbortSignal): Promise<void> {
  await writeNodeFiles(cluster, node);
  await bootNode(node, signal);
  if (node.role === 'control-plane') await startServers(node, apiServers(cluster, toolInNode), signal);
  await copyImageStore(await store, node, signal);
  await startServers(node, [containerdServer(toolInNode)], signal);
  const answers = await inNode(node, [toolInNode('ctr'), 'version']);
  await waitFor(async () => ((await outcomeOf(answers, { signal })).status === 0 ? true : undefined), { signal, timeoutMs: CONTAINERD_TIMEOUT_MS, what: `containerd on ${node.name}` });
}

/** Fires when a promise rejects, so that a wait for something else ends with it. */
function rejectionSignal(promise: Promise<unknown>): AbortSignal {
  const controller = new AbortController();
  promise.catch((reason: unknown) => controller.abort(reason));
  return controller.signal;
}

/** Waits for all nodes of a cluster to be Ready and labels them with their roles. */
export async function waitForNodes(cluster: ClusterPlan, signal: AbortSignal): Promise<void> {
  await waitFor(
    async () => {
      const text = await kubectl(cluster.name, ['get', 'nodes', '-o', 'jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}'], { signal });
      const ready = new Set(text.split(' '));
      return cluster.nodes.every((node) => ready.has(`${node.name}=True`)) ? true : undefined;
    },
    { signal, timeoutMs: NODES_TIMEOUT_MS, everyMs: 300, what: `the nodes of ${cluster.name} to be Ready` },
  );
  for (const node of cluster.nodes) await kubectl(cluster.name, ['label', 'node', node.name, `node-role.kubernetes.io/${node.role}=`, '--overwrite'], { signal });
  say(`${cluster.name}: ${cluster.nodes.length} nodes are Ready`);
}
