import { type ApiServerAccess, clusterAccess, CREDENTIALS_DIRECTORY } from '@landbridge/kubernetes/api-server-access.ts';
import { kubeConfigAccess } from './kube-config-access.ts';

/**
 * The API server that the service belongs to: the one that the kubelet tells its pod of, or that of `KUBECONFIG`. What reads
 * that file brings clients of all APIs, and is loaded only where it is asked for: it takes some 60 MiB.
 * @throws LandbridgeError `bad-config` where there is no API server
 */
export async function serviceAccess(environment: Readonly<Record<string, string | undefined>>, userAgent: string): Promise<ApiServerAccess> {
  const { KUBECONFIG: file = '', KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = environment;
  if (file === '') return clusterAccess({ host, port: Number(port), directory: CREDENTIALS_DIRECTORY, userAgent });
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  config.loadFromFile(file);
  return kubeConfigAccess(config, userAgent);
}
