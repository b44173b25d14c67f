import type { V1Namespace, V1Pod } from '@kubernetes/client-node';
import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import type { LocalPod } from './local-pod.ts';

/** Istio's label and ours mean the same; ours wins where both are set. */
export const MODE_LABELS = ['landbridge.dev/dataplane-mode', 'istio.io/dataplane-mode'] as const;

type Labels = Readonly<Record<string, string>> | undefined;

function modeOf(labels: Labels): string | undefined {
  for (const label of MODE_LABELS) if (labels?.[label] !== undefined) return labels[label];
  return undefined;
}

/** Whether labels ask for capture: the pod's own decide, and the namespace's where the pod has none. */
export function wantsCapture(podLabels: Labels, namespaceLabels: Labels): boolean {
  return (modeOf(podLabels) ?? modeOf(namespaceLabels)) === 'ambient';
}

/** The pod as the agent captures it; undefined where it is not to be captured, or has no address or sandbox yet. */
export function localPod(pod: V1Pod, namespace: V1Namespace | undefined): LocalPod | undefined {
  const { metadata, spec, status } = pod;
  if (metadata?.uid === undefined || metadata.name === undefined || metadata.namespace === undefined) return undefined;
  // A pod in the host's network namespace shares it with the agent and the kubelet.
  if (spec?.hostNetwork === true || !wantsCapture(metadata.labels, namespace?.metadata?.labels)) return undefined;
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return undefined;
  const address = (status?.podIPs ?? []).map(({ ip }) => ip).find((ip) => ip !== undefined && !ip.includes(':'));
  if (address === undefined) return undefined;
  return {
    uid: metadata.uid,
    namespace: metadata.namespace,
    name: metadata.name,
    serviceAccount: spec?.serviceAccountName ?? 'default',
    address,
    announced: metadata.annotations?.[REDIRECTION_ANNOTATION] === 'enabled',
  };
}
