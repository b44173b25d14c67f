/** What istiod is told of gateways into other networks: a Gateway of the class `istio-remote` for each network. */
import { createHash } from 'node:crypto';
import type { KubernetesObject } from '@kubernetes/client-node';
import { parseIp } from '@landbridge/core/ip-address.ts';
import { MANAGED_BY, MANAGED_BY_LABEL } from '../../kubernetes/types.ts';
import { GATEWAY_NAME } from '../../networks/own-gateways.ts';
import type { RemoteGateways } from '../../networks/remote-gateways.ts';

export const GATEWAY_VERSION = 'gateway.networking.k8s.io/v1';
const NETWORK_LABEL = 'topology.istio.io/network';
const ACCOUNT_ANNOTATION = 'gateway.istio.io/service-account';
/** Gateway API: addresses of one Gateway. */
const MAX_ADDRESSES = 16;
/** Values of labels (Kubernetes). */
const LABEL_VALUE = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/**
 * One for each network and port. Istio uses the first one of a network, and takes for a gateway's identity the namespace
 * of its Gateway and the account that an annotation names: `namespace` is that of our own gateways, which is the same in
 * each cluster.
 */
export function remoteGatewayObjects(remotes: Iterable<RemoteGateways>, namespace: string): KubernetesObject[] {
  const doors = new Map<string, { readonly network: string; readonly port: number; readonly addresses: Set<string> }>();
  for (const { network, gateways } of remotes) {
    if (!LABEL_VALUE.test(network)) continue;
    for (const { address, port } of gateways.filter((gateway) => gateway.namespace === namespace && gateway.serviceAccount === GATEWAY_NAME)) {
      const key = `${network} ${port}`;
      const door = doors.get(key);
      if (door === undefined) doors.set(key, { network, port, addresses: new Set([address]) });
      else door.addresses.add(address);
    }
  }
  return [...doors].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, { network, port, addresses }]) => ({
    apiVersion: GATEWAY_VERSION,
    kind: 'Gateway',
    metadata: {
      name: `landbridge-remote-${createHash('sha256').update(key).digest('hex').slice(0, 10)}`,
      namespace,
      labels: { [MANAGED_BY_LABEL]: MANAGED_BY, [NETWORK_LABEL]: network },
      annotations: { [ACCOUNT_ANNOTATION]: GATEWAY_NAME },
    },
    spec: {
      gatewayClassName: 'istio-remote',
      listeners: [{ name: 'cross-network', port, protocol: 'HBONE', tls: { mode: 'Passthrough' } }],
      addresses: [...addresses].sort().slice(0, MAX_ADDRESSES).map((value) => ({ type: parseIp(value).ok ? 'IPAddress' : 'Hostname', value })),
    },
  } as KubernetesObject));
}
