import type { V1Node } from '@kubernetes/client-node';

/** Where something runs; empty where it is not known. */
export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

export const NOWHERE: Locality = { region: '', zone: '', subzone: '' };
export const REGION_LABEL = 'topology.kubernetes.io/region';
export const ZONE_LABEL = 'topology.kubernetes.io/zone';
/** Kubernetes has no third level; Istio's label for it is as good as any. */
export const SUBZONE_LABEL = 'topology.istio.io/subzone';

export function localityOf(node: V1Node | undefined): Locality {
  const labels = node?.metadata?.labels ?? {};
  return { region: labels[REGION_LABEL] ?? '', zone: labels[ZONE_LABEL] ?? '', subzone: labels[SUBZONE_LABEL] ?? '' };
}

/** The addresses by which a node itself is reached. */
export function nodeAddresses(node: V1Node): readonly string[] {
  return (node.status?.addresses ?? []).map(({ address }) => address).filter((address) => address !== undefined);
}
