import { existsSync } from 'node:fs';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { KubeConfig } from '@kubernetes/client-node';
import type { ClusterOptions } from './command-context.ts';

export type Kubernetes = typeof import('@kubernetes/client-node');

export interface ClusterAccess {
  readonly kubernetes: Kubernetes;
  readonly config: KubeConfig;
  readonly server: string;
  readonly namespace: string;
}

/** Reads the kubeconfig; connects to nothing. The client is loaded here, because it takes longer than all commands that do without it. */
export async function openCluster(options: ClusterOptions): Promise<ClusterAccess> {
  const kubernetes = await import('@kubernetes/client-node');
  const config = new kubernetes.KubeConfig();
  try {
    if (options.kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(options.kubeconfig);
  } catch (thrown) {
    const file = options.kubeconfig ?? process.env['KUBECONFIG'] ?? 'the default kubeconfig';
    const problem = options.kubeconfig !== undefined && !existsSync(options.kubeconfig) ? 'does not exist' : 'can not be read as a kubeconfig';
    throw new LandbridgeError('bad-kubeconfig', `${file} ${problem}.`, { hint: 'Name another file with --kubeconfig.', cause: thrown });
  }
  if (options.context !== undefined) {
    const known = config.getContexts().map((context) => context.name);
    if (!known.includes(options.context)) {
      throw new LandbridgeError('bad-kubeconfig', `The kubeconfig has no context ${JSON.stringify(options.context)}.`, { hint: known.length === 0 ? 'It has none at all.' : `It has: ${known.join(', ')}.` });
    }
    config.setCurrentContext(options.context);
  }
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new LandbridgeError('bad-kubeconfig', 'The kubeconfig names no cluster.', { hint: 'Choose one with --kubeconfig and --context.' });
  return { kubernetes, config, server, namespace: options.namespace };
}
