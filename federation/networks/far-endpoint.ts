/** What agents are told of a service's endpoints in another network: one workload for each cluster, behind its gateways. */
import { spiffeId } from '@landbridge/core/identity.ts';
import type { Endpoint } from '@landbridge/core/records.ts';
import { exposedPorts } from '../merge/merge-ports.ts';
import type { ImportedService } from '../merge/merge.ts';
import { subzoneOf } from '../peers/stale-subzone.ts';
import { farUid } from '../xds/resource-names.ts';
import { type MeshEndpoint, servingPorts } from '../xds/service.ts';
import type { ServingPort } from '../xds/workload.ts';
import { GATEWAY_NAMESPACE, GATEWAY_PORT, gatewayHost } from './gateway-service.ts';

type Part = ImportedService['clusters'][number];

/** Of one service; whoever has further accounts is not accepted behind gateways. */
export const MAX_FAR_IDENTITIES = 256;

/** A gateway hands on to what takes tunnels, and to nothing else. */
export const isBehindGateway = ({ tunnel }: Pick<Endpoint, 'tunnel'>): boolean => tunnel === 'hbone';

/**
 * As istiod tells it (split horizon): without addresses, with the sum of the capacities. The gateway chooses among the
 * endpoints, so that their addresses say nothing to a client, and their changes need not be told while one is left.
 * Unlike with istiod, endpoints that take no connections do not count: none are left, nothing is told.
 * `usable`: those of the part that connections may go to. `weight`: of all of them together, where rules say one; with 0 nothing is told.
 */
export function farEndpoint({ namespace, name, ports }: Pick<ImportedService, 'namespace' | 'name' | 'ports'>, part: Part, usable: readonly Endpoint[], weight = usable.length): readonly [string, MeshEndpoint] | undefined {
  const { cluster, trustDomain, network, ports: exposed } = part;
  if (usable.length === 0 || weight === 0) return undefined;
  const uid = farUid(cluster, namespace, name);
  return [uid, {
    workload: {
      uid,
      name,
      namespace,
      addresses: [],
      hostname: '',
      network,
      networkGateway: { namespace: GATEWAY_NAMESPACE, hostname: gatewayHost(cluster), port: GATEWAY_PORT },
      tunnel: true,
      trustDomain,
      serviceAccount: alike(usable, 'serviceAccount'),
      node: '',
      cluster,
      hostNetwork: false,
      healthy: true,
      locality: { region: alike(usable, 'region'), zone: alike(usable, 'zone'), subzone: subzoneOf(part) },
      capacity: weight,
      authorizationPolicies: [],
      workloadType: 'deployment',
      workloadName: name,
      canonicalName: name,
      canonicalRevision: 'latest',
    },
    ports: unitedPorts(usable.map((endpoint) => servingPorts(exposedPorts(ports, exposed), endpoint.ports))),
    isUsable: true,
    name: undefined,
  }];
}

/** Who may answer behind gateways, sorted: all accounts of the part's endpoints, ready or not, so that it seldom changes. */
export function farIdentities({ namespace }: Pick<ImportedService, 'namespace'>, parts: readonly Part[]): readonly string[] {
  const found = new Set<string>();
  for (const { trustDomain, endpoints } of parts) {
    for (const serviceAccount of new Set(endpoints.filter(isBehindGateway).map((endpoint) => endpoint.serviceAccount))) {
      const identity = spiffeId({ trustDomain, namespace, serviceAccount });
      if (identity.ok) found.add(identity.value);
    }
  }
  return [...found].sort().slice(0, MAX_FAR_IDENTITIES);
}

/** What all have alike; empty where they differ. */
function alike(endpoints: readonly Endpoint[], field: 'serviceAccount' | 'region' | 'zone'): string {
  const value = endpoints[0]?.[field] ?? '';
  return endpoints.every((endpoint) => endpoint[field] === value) ? value : '';
}

/** Ports that any of them has; the gateway finds one that does. */
function unitedPorts(all: readonly (readonly ServingPort[])[]): readonly ServingPort[] {
  const found = new Map<number, ServingPort>();
  for (const port of all.flat()) if (!found.has(port.port)) found.set(port.port, port);
  return [...found.values()].sort((a, b) => a.port - b.port);
}
