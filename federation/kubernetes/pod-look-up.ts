import { CoreV1Api, type KubeConfig, type V1Pod } from '@kubernetes/client-node';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { orAborted } from '@landbridge/core/or-aborted.ts';

/** More pods than a node has. */
const MAX_PODS = 1000;

/** Asks the API server for the pods of a namespace on a node, past all caches of this service. @throws LandbridgeError `kubernetes` (retryable) */
export function podLookUp(config: KubeConfig): (node: string, namespace: string, signal: AbortSignal) => Promise<readonly V1Pod[]> {
  const core = config.makeApiClient(CoreV1Api);
  return async (node, namespace, signal) => {
    try {
      return (await orAborted(core.listNamespacedPod({ namespace, fieldSelector: `spec.nodeName=${node}`, limit: MAX_PODS }), signal)).items;
    } catch (thrown) {
      throw new LandbridgeError('kubernetes', `pods of node ${node} could not be looked up`, { retryable: true, cause: thrown });
    }
  };
}
