import { err, ok, type Result } from './result.ts';

declare const brand: unique symbol;

/** A cluster's name in the clusterset: an RFC 1123 label (KEP-1645, cluster id). Made by {@link parseClusterName} only. */
export type ClusterName = string & { readonly [brand]: 'ClusterName' };

/** RFC 1123 label: at most 63 of a-z, 0-9 and '-', no '-' at either end. */
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

export function isDnsLabel(text: string): boolean {
  return LABEL.test(text);
}

/** Cluster names that can not be taken: they stand for something else in DNS names and record keys. */
const RESERVED_CLUSTER_NAMES: ReadonlySet<string> = new Set(['svc', 'members', 'clusterset', 'local']);

export function parseClusterName(text: string): Result<ClusterName> {
  if (!isDnsLabel(text)) return err(`cluster name ${JSON.stringify(text.slice(0, 80))} is not an RFC 1123 label (a-z, 0-9, '-', at most 63)`);
  if (RESERVED_CLUSTER_NAMES.has(text)) return err(`cluster name ${JSON.stringify(text)} is reserved`);
  return ok(text as ClusterName);
}

/** A pod's uid, which becomes part of paths: a UUID, or what the kubelet makes for pods of its own files. */
export const POD_UID = /^[0-9A-Za-z-]{1,64}$/;

export const CLUSTERSET_DOMAIN = 'clusterset.local';
/** Names under it are for discovery only. `internal` is nobody's in DNS (ICANN, resolution 2024.07.29.06). */
export const CLUSTERSET_GATEWAY_DOMAIN = 'gateways.landbridge.internal';
/** The domain that clusters have unless their kubelets were told another one. */
export const CLUSTER_DOMAIN = 'cluster.local';
/** Lower-case labels, one or more. */
export const DOMAIN_PATTERN = '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$';

/** `<service>.<namespace>.svc.clusterset.local` (MCS DNS specification 1.0.0). */
export function clustersetHost(namespace: string, service: string): string {
  return `${service}.${namespace}.svc.${CLUSTERSET_DOMAIN}`;
}

/** Whether a name is that of a service of the clusterset. */
export const isClustersetHost = (hostname: string): boolean => hostname.endsWith(`.svc.${CLUSTERSET_DOMAIN}`);

/** Whether a host's name says of which namespace it is, as those of Services and imports do. Of hosts of ServiceEntries only the entry says so. */
export function saysNamespace(host: string, clusterDomain: string): boolean {
  return [`svc.${clusterDomain}`, `svc.${CLUSTERSET_DOMAIN}`, CLUSTERSET_GATEWAY_DOMAIN].some((domain) => host.endsWith(`.${domain}`));
}

/** `<service>.<namespace>.svc.<domain of the cluster>`. */
export function clusterHost(namespace: string, service: string, domain: string = CLUSTER_DOMAIN): string {
  return `${service}.${namespace}.svc.${domain}`;
}
