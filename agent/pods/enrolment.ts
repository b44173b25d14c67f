import type { LocalPod, NodePod } from './local-pod.ts';
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

/** What its labels make of a pod. Undefined without its namespace, as nobody knows then whether it is to be captured. */
export function nodePod(pod: PodFacts, namespaceOfPod: NamespaceFacts | undefined): NodePod | undefined {
  if (namespaceOfPod === undefined) return undefined;
  const { uid, mirroredUid, namespace, name, labels, wantsAcceleration, serviceAccount, isHostNetwork, hasEnded, addresses, announced, probePorts, dns, capturesDns } = pod;
  // A pod in the host's network namespace shares it with the agent and the kubelet.
  const isInMesh = !isHostNetwork && wantsCapture(labels, namespaceOfPod.labels);
  const uids = mirroredUid === undefined ? { uid } : { uid: mirroredUid, mirrorUid: uid };
  return { ...uids, namespace, name, serviceAccount, addresses, announced, wantsAcceleration, probePorts, dns, capturesDns, isInMesh, hasEnded };
}

/** The pod as the agent captures it; undefined where it is not to be captured, has no address yet, or has ended. */
export function localPod({ isInMesh, hasEnded, ...pod }: NodePod, addresses = pod.addresses): LocalPod | undefined {
  return isInMesh && !hasEnded && addresses.length > 0 ? { ...pod, addresses } : undefined;
}
