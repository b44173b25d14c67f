import { readFileSync } from 'node:fs';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { hubLog } from './hub.ts';
import { clusterEnvironment, kubectlCommand } from './kubectl.ts';
import { nodeDirectory } from './paths.ts';
import type { ClusterPlan } from './plan.ts';
import { NAMESPACE } from './product.ts';
import { runInForeground } from './run.ts';

const PODS: Readonly<Record<string, readonly string[]>> = {
  agent: ['-n', NAMESPACE, 'logs', '-l', 'app.kubernetes.io/name=landbridge-agent', '--prefix', '--tail=-1'],
  federation: ['-n', NAMESPACE, 'logs', '-l', 'app.kubernetes.io/name=landbridge-federation', '--tail=-1'],
  coredns: ['-n', 'kube-system', 'logs', '-l', 'k8s-app=kube-dns', '--tail=-1'],
};
const SERVERS = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'containerd', 'kubelet', 'kube-proxy'];

/** Shows the log of a part of the lab. @throws LandbridgeError `usage` for a part that there is not */
export async function showLog(cluster: ClusterPlan, part: string, args: readonly string[]): Promise<number> {
  const pods = PODS[part];
  if (pods !== undefined) return await runInForeground(kubectlCommand([...pods, ...args]), clusterEnvironment(cluster.name));
  if (part === 'hub') return show([hubLog]);
  const server = SERVERS.find((name) => name === part || name === `kube-${part}`);
  if (server === undefined) throw new LandbridgeError('usage', `there is no part ${JSON.stringify(part)}`, { hint: `Parts are: ${[...Object.keys(PODS), 'hub', ...SERVERS].join(', ')}` });
  return show(cluster.nodes.map((node) => path.join(nodeDirectory(node.name), 'log', `${server}.log`)));
}

function show(files: readonly string[]): number {
  for (const file of files) {
    try {
      process.stdout.write(readFileSync(file, 'utf8'));
    } catch (thrown) {
      // Servers of the control plane have no log on other nodes.
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
    }
  }
  return 0;
}
