/** Gateways for tests. */
import type { Gateway } from '@landbridge/core/records.ts';
import type { RemoteGateways } from './remote-gateways.ts';

export function exampleGateway(address: string, changes: Partial<Gateway> = {}): Gateway {
  return { address, port: 15008, region: '', zone: '', namespace: 'landbridge-system', serviceAccount: 'landbridge-gateway', ...changes };
}

/** Of a cluster in the network `far`. */
export function exampleRemote(cluster: string, ...gateways: readonly Gateway[]): RemoteGateways {
  return { cluster, trustDomain: `${cluster}.landbridge`, network: 'far', gateways };
}
