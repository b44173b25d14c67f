import { DEFAULT_POD_DNS, type PodDns } from '../pods/pod-dns.ts';

/**
 * The search list of a pod as the kubelet writes it (getClusterDNS of the kubelet): the cluster's domains, then the pod's
 * own. What the kubelet adds from the node's list is not known here.
 */
export function searchList(namespace: string, clusterDomain: string, { isClusterFirst, searches }: PodDns = DEFAULT_POD_DNS): readonly string[] {
  const own = isClusterFirst ? [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain] : [];
  return [...own, ...searches.filter((search) => !own.includes(search))];
}
