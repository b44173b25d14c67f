import { CLUSTERSET_DOMAIN } from '@landbridge/core/names.ts';

export const serviceKey = (namespace: string, hostname: string): string => `${namespace}/${hostname}`;

/** Forms of uids are Istio's; agents take them as they are. */
export function podUid(cluster: string, namespace: string, name: string): string {
  return `${cluster}//Pod/${namespace}/${name}`;
}

/** The cluster that a resource's existence depends on: of a workload its own, of an import all (`*`), of a service here none. */
export function sourceOf(name: string): string | '*' | undefined {
  const workload = /^([^/]+)\/[^/]*\/[^/]+\/[^/]+\/.+$/.exec(name);
  if (workload !== null) return workload[1];
  return name.endsWith(`.${CLUSTERSET_DOMAIN}`) ? '*' : undefined;
}
