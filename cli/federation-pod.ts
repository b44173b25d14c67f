import type { V1Pod } from '@kubernetes/client-node';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';

export const FEDERATION_SELECTOR = 'app.kubernetes.io/name=landbridge-federation';

/** The name of a pod that can be asked: one that runs, is ready and is not about to go; the youngest, should there be two. */
export function chooseFederationPod(pods: readonly V1Pod[], namespace: string): Result<string, LandbridgeError> {
  if (pods.length === 0) {
    return err(
      new LandbridgeError('federation-not-installed', `There is no landbridge-federation in namespace ${namespace}.`, {
        hint: 'Install the chart landbridge-federation, or name its namespace with --namespace.',
      }),
    );
  }
  const created = (pod: V1Pod): number => new Date(pod.metadata?.creationTimestamp ?? 0).getTime();
  const [chosen] = pods.filter(isReady).sort((a, b) => created(b) - created(a));
  if (chosen?.metadata?.name !== undefined) return ok(chosen.metadata.name);
  return err(
    new LandbridgeError('federation-not-ready', `landbridge-federation in namespace ${namespace} is not ready.`, {
      hint: `Look at it with: kubectl -n ${namespace} describe pods -l ${FEDERATION_SELECTOR}`,
      retryable: true,
    }),
  );
}

function isReady(pod: V1Pod): boolean {
  if (pod.metadata?.deletionTimestamp != null || pod.status?.phase !== 'Running') return false;
  return pod.status.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') === true;
}
