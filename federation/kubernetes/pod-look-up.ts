import type { V1Pod } from '@kubernetes/client-node';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';

/** More pods than a node has. */
const MAX_PODS = 1000;

/** Asks the API server for the pods of a namespace on a node, past all caches of this service. @throws LandbridgeError `kubernetes` (retryable) */
export function podLookUp(client: ApiServerClient): (node: string, namespace: string, signal: AbortSignal) => Promise<readonly V1Pod[]> {
  return async (node, namespace, signal) => {
    const pods: V1Pod[] = [];
    try {
      let next = '';
      do {
        const page = await client.list(`/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`, { fieldSelector: `spec.nodeName=${node}` }, next, signal);
        pods.push(...(page.items as readonly V1Pod[]));
        next = page.next;
      } while (next !== '' && pods.length < MAX_PODS);
      return pods;
    } catch (thrown) {
      throw new LandbridgeError('kubernetes', `pods of node ${node} could not be looked up`, { retryable: true, cause: thrown });
    }
  };
}
