import { CoreV1Api, type KubeConfig } from '@kubernetes/client-node';

const NAMESPACE = 'landbridge-system';
const AGENT = 'landbridge-agent';

/** A token as the kubelet gives it to an agent of a node: of its service account, bound to its pod. Makes what of them is not there. */
export async function agentToken(config: KubeConfig, node: string): Promise<string> {
  const core = config.makeApiClient(CoreV1Api);
  const isThere = await core.readNode({ name: node }).then(() => true, () => false);
  if (!isThere) {
    await core.createNode({ body: { metadata: { name: node } } });
    await core.createNamespacedServiceAccount({ namespace: NAMESPACE, body: { metadata: { name: AGENT } } });
    await core.createNamespacedPod({ namespace: NAMESPACE, body: { metadata: { name: AGENT }, spec: { nodeName: node, serviceAccountName: AGENT, containers: [{ name: 'agent', image: 'agent' }] } } });
  }
  const pod = await core.readNamespacedPod({ namespace: NAMESPACE, name: AGENT });
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: AGENT, ...(pod.metadata?.uid === undefined ? {} : { uid: pod.metadata.uid }) };
  const { status } = await core.createNamespacedServiceAccountToken({ namespace: NAMESPACE, name: AGENT, body: { spec: { audiences: ['istio-ca'], boundObjectRef } } });
  return status?.token ?? '';
}
