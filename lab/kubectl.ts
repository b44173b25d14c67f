import path from 'node:path';
import { inWan } from './network.ts';
import { adminKubeconfig, STATE } from './paths.ts';
import { outcomeOf, run } from './run.ts';
import { toolPath } from './tools.ts';

/** Environment of kubectl, helm and our own command: one cluster's administrator, and no files in the home directory. */
export function clusterEnvironment(cluster: string): Record<string, string> {
  const helm = path.join(STATE, 'helm');
  return {
    KUBECONFIG: adminKubeconfig(cluster),
    KUBECACHEDIR: path.join(STATE, 'kubectl-cache'),
    HELM_CACHE_HOME: path.join(helm, 'cache'),
    HELM_CONFIG_HOME: path.join(helm, 'config'),
    HELM_DATA_HOME: path.join(helm, 'data'),
  };
}

export const kubectlCommand = (args: readonly string[]): readonly string[] => inWan([toolPath('kubectl'), ...args]);

export async function kubectl(cluster: string, args: readonly string[], options: { readonly signal: AbortSignal; readonly input?: string }): Promise<string> {
  return await run(kubectlCommand(args), { ...options, env: clusterEnvironment(cluster) });
}

/** Whether a kubectl command succeeds now. */
export async function kubectlSucceeds(cluster: string, args: readonly string[], signal: AbortSignal): Promise<boolean> {
  return (await outcomeOf(kubectlCommand(args), { signal, env: clusterEnvironment(cluster) })).status === 0;
}

/** Applies manifests, given as objects, server-side. */
export async function apply(cluster: string, manifests: readonly object[], signal: AbortSignal): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests });
  await kubectl(cluster, ['apply', '--server-side', '--force-conflicts', '--field-manager=landbridge-lab', '-f', '-'], { signal, input });
}
