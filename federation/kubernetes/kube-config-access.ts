import { readFileSync } from 'node:fs';
import type { KubeConfig } from '@kubernetes/client-node';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { ApiServerAccess } from '@landbridge/kubernetes/api-server-access.ts';

/**
 * The API server of a kubeconfig's current context, which in a pod is the one that the kubelet tells of. Files are read
 * again for each request, since tokens and roots rotate. @throws LandbridgeError `bad-config` where there is no such server
 */
export function kubeConfigAccess(config: KubeConfig, userAgent: string): ApiServerAccess {
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (cluster === null || !URL.canParse(cluster.server)) throw new LandbridgeError('bad-config', 'the kubeconfig names no API server', { hint: 'Run in a pod, or set KUBECONFIG.' });
  const content = (data: string | undefined, file: string | undefined): Buffer | undefined => (data !== undefined ? Buffer.from(data, 'base64') : file !== undefined ? readFileSync(file) : undefined);
  const cert = content(user?.certData, user?.certFile);
  const key = content(user?.keyData, user?.keyFile);
  const tokenFile: unknown = user?.authProvider?.config?.tokenFile;
  const token = typeof tokenFile === 'string' ? (): string => readFileSync(tokenFile, 'utf8').trim() : user?.token === undefined ? undefined : (): string => user.token as string;
  return {
    userAgent,
    server: new URL(cluster.server),
    roots: () => content(cluster.caData, cluster.caFile) ?? '',
    ...(token === undefined ? {} : { token }),
    ...(cert === undefined || key === undefined ? {} : { certificate: { cert, key } }),
  };
}
