import { CLUSTERSET_DOMAIN, CLUSTERSET_GATEWAY_DOMAIN } from '@landbridge/core/names.ts';

export const serviceKey = (namespace: string, hostname: string): string => `${namespace}/${hostname}`;

/** Forms of uids are Istio's; agents take them as they are. */
export function podUid(cluster: string, namespace: string, name: string): string {
  return `${cluster}//Pod/${namespace}/${name}`;
}

export function workloadEntryUid(cluster: string, namespace: string, name: string): string {
  return `${cluster}/networking.istio.io/WorkloadEntry/${namespace}/${name}`;
}

/** `endpoint` tells endpoints of one ServiceEntry apart. */
export function serviceEntryUid(cluster: string, namespace: string, name: string, endpoint: string): string {
  return `${cluster}/networking.istio.io/ServiceEntry/${namespace}/${name}/${endpoint}`;
}

/** Of all endpoints of a service in a cluster of another network. */
export function farUid(cluster: string, namespace: string, service: string): string {
  return `${cluster}/landbridge.dev/SplitHorizon/${namespace}/${service}`;
}

/** Of an endpoint that has a weight in a service. */
export function shareUid(cluster: string, namespace: string, service: string, endpoint: string): string {
  return `${cluster}/landbridge.dev/Share/${namespace}/${service}/${endpoint}`;
}

/** `at`: address and port. */
export function gatewayUid(cluster: string, namespace: string, at: string): string {
  return `${cluster}/landbridge.dev/Gateway/${namespace}/${at}`;
}

/** The cluster that a resource's existence depends on: of a workload its own, of the service of a cluster's gateways that cluster's, of an import all (`*`), of a service here none. */
export function sourceOf(name: string): string | '*' | undefined {
  const workload = /^([^/]+)\/[^/]*\/[^/]+\/[^/]+\/.+$/.exec(name);
  if (workload !== null) return workload[1];
  if (name.endsWith(`.${CLUSTERSET_GATEWAY_DOMAIN}`)) return name.slice(name.indexOf('/') + 1, -CLUSTERSET_GATEWAY_DOMAIN.length - 1);
  return name.endsWith(`.${CLUSTERSET_DOMAIN}`) ? '*' : undefined;
}
