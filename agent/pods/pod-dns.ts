import { fields, items } from '@landbridge/core/json-fields.ts';

/** How a pod's own resolver completes names (PodSpec: dnsPolicy, dnsConfig). */
export interface PodDns {
  /** Whether the cluster's own search domains come first. */
  readonly isClusterFirst: boolean;
  /** In lower case, without the dot at the end. */
  readonly searches: readonly string[];
}

/** Kubernetes' own limits of a search list (core validation, MaxDNSSearchPaths and MaxDNSSearchListChars). */
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARACTERS = 253;

/** Where nothing is known of a pod, it is as most are. */
export const DEFAULT_POD_DNS: PodDns = { isClusterFirst: true, searches: [] };

export function podDns(spec: unknown): PodDns {
  const { dnsPolicy, dnsConfig } = fields(spec);
  const searches = items(fields(dnsConfig)['searches']).filter((search) => typeof search === 'string' && search.length <= MAX_SEARCH_CHARACTERS) as string[];
  const isClusterFirst = dnsPolicy !== 'Default' && dnsPolicy !== 'None';
  return isClusterFirst && searches.length === 0 ? DEFAULT_POD_DNS : { isClusterFirst, searches: searches.slice(0, MAX_SEARCHES).map((search) => search.toLowerCase().replace(/\.$/, '')).filter((search) => search !== '') };
}
