import { createHash } from 'node:crypto';

/** No import is ever written there, whoever exports one: they hold what clusters themselves need. */
export const CLOSED_NAMESPACES: ReadonlySet<string> = new Set(['kube-system', 'kube-public', 'kube-node-lease', 'landbridge-system', 'istio-system']);

/** Name of the Service whose ClusterIP is an import's clusterset address. */
export function derivedServiceName(namespace: string, name: string): string {
  return `derived-${createHash('sha256').update(`${namespace}/${name}`).digest('hex').slice(0, 10)}`;
}
