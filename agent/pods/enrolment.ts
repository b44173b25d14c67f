import type { LocalPod } from './local-pod.ts';
import { MODE_LABELS, type NamespaceFacts, type PodFacts } from './pod-facts.ts';

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
export function localPod(pod: PodFacts, namespaceOfPod: NamespaceFacts | undefined): LocalPod | undefined {
  const { uid, namespace, name, labels, serviceAccount, isHostNetwork, hasEnded, address, announced } = pod;
  // A pod in the host's network namespace shares it with the agent and the kubelet.
  if (isHostNetwork || !wantsCapture(labels, namespaceOfPod?.labels)) return undefined;
  if (hasEnded || address === undefined) return undefined;
  return { uid, namespace, name, serviceAccount, address, announced };
}
