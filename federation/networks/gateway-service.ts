/** How agents are told of other networks' gateways: for each cluster a service whose endpoints they are. */
import { CLUSTERSET_GATEWAY_DOMAIN } from '@landbridge/core/names.ts';
import { parseIp } from '@landbridge/core/ip-address.ts';
import type { Gateway } from '@landbridge/core/records.ts';
import { NO_TRAFFIC_POLICY } from '@landbridge/core/route-plan.ts';
import type { MeshEndpoint, MeshService } from '../xds/service.ts';
import { gatewayUid } from '../xds/resource-names.ts';
import type { RemoteGateways } from './remote-gateways.ts';

/** The port that workloads of another network name with their gateway; each endpoint has its own instead. */
export const GATEWAY_PORT = 15008;

/** No namespace of Kubernetes has a dot: nobody can put an entry of his own beside these services. */
export const GATEWAY_NAMESPACE = 'landbridge.internal';

/** The service of a cluster's gateways; it has no address. */
export const gatewayHost = (cluster: string): string => `${cluster}.${CLUSTERSET_GATEWAY_DOMAIN}`;

/**
 * By name, not by address, so that both our agents and ztunnel choose among several: healthy and near ones first. A
 * service for each cluster and not for each network: who shares a network with others can not draw their connections.
 */
export function gatewayService({ cluster, trustDomain, network, gateways }: RemoteGateways): MeshService {
  return {
    namespace: GATEWAY_NAMESPACE,
    name: cluster,
    hostname: gatewayHost(cluster),
    addresses: [],
    ranges: [],
    ports: [{ name: 'hbone', protocol: 'TCP', port: GATEWAY_PORT }],
    headless: false,
    families: [],
    loadBalancing: { mode: 'failover', preferences: ['region', 'zone'], health: 'only-healthy' },
    traffic: NO_TRAFFIC_POLICY,
    canonical: true,
    visibility: 'public',
    subjectAltNames: [],
    endpoints: new Map(gateways.map((gateway) => [gatewayUid(cluster, gateway.namespace, `${gateway.address}:${gateway.port}`), gatewayEndpoint(gateway, { cluster, trustDomain, network })])),
  };
}

function gatewayEndpoint({ address, port, region, zone, namespace, serviceAccount }: Gateway, { cluster, trustDomain, network }: Omit<RemoteGateways, 'gateways'>): MeshEndpoint {
  const isIp = parseIp(address).ok;
  return {
    workload: {
      uid: gatewayUid(cluster, namespace, `${address}:${port}`),
      name: serviceAccount,
      namespace,
      addresses: isIp ? [address] : [],
      hostname: isIp ? '' : address,
      network,
      tunnel: true,
      trustDomain,
      serviceAccount,
      node: '',
      cluster,
      hostNetwork: false,
      healthy: true,
      locality: { region, zone, subzone: '' },
      capacity: undefined,
      authorizationPolicies: [],
      workloadType: 'deployment',
      workloadName: serviceAccount,
      canonicalName: serviceAccount,
      canonicalRevision: 'latest',
    },
    ports: [{ port: GATEWAY_PORT, target: port, protocol: 'tcp' }],
    isUsable: true,
    name: undefined,
  };
}
