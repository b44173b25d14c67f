import { clustersetHost } from '@landbridge/core/names.ts';
import type { Endpoint } from '@landbridge/core/records.ts';
import { routableAddress } from '@landbridge/core/routable-address.ts';
import type { ImportedService } from '../merge/merge.ts';
import { usableEndpoints } from '../registry/usable-endpoints.ts';
import { endpointName } from './name-extensions.ts';
import { podUid } from './resource-names.ts';
import { type MeshEndpoint, type MeshService, servingPorts } from './service.ts';
import type { Workload } from './workload.ts';

/** An import with the clusterset addresses that it has here. */
export interface Import {
  readonly imported: ImportedService;
  readonly addresses: readonly string[];
}

type Part = ImportedService['clusters'][number];

/** A service of the clusterset. Pods of this cluster are behind it as what they are here; those of others as what their clusters say. */
export function importedMeshService({ imported, addresses }: Import, cluster: string): MeshService {
  const { namespace, name, ports } = imported;
  const headless = imported.type === 'Headless';
  const usable = new Set(usableEndpoints(imported.clusters.flatMap(({ endpoints }) => endpoints)));
  const found = new Map<string, MeshEndpoint>();
  for (const part of imported.clusters) {
    for (const endpoint of part.endpoints) {
      const uid = podUid(part.cluster, namespace, endpoint.workload);
      found.set(uid, {
        workload: part.cluster === cluster ? undefined : remoteWorkload(uid, namespace, endpoint, part),
        ports: usable.has(endpoint) ? servingPorts(ports, endpoint.ports) : [],
        name: headless && endpoint.ready ? endpointName(endpoint) : undefined,
      });
    }
  }
  return {
    namespace,
    name,
    hostname: clustersetHost(namespace, name),
    addresses,
    ranges: [],
    ports,
    headless,
    // Its addresses are of this cluster's families, its endpoints of any.
    families: [],
    loadBalancing: undefined,
    canonical: true,
    visibility: 'public',
    subjectAltNames: [],
    endpoints: found,
  };
}

/** Others may say any text. */
function remoteWorkload(uid: string, namespace: string, endpoint: Endpoint, { cluster, trustDomain, network }: Part): Workload {
  const { workload: name, tunnel, serviceAccount, node, region, zone, ready } = endpoint;
  return {
    uid,
    name,
    namespace,
    addresses: endpoint.addresses.map(routableAddress).filter((address) => address !== undefined),
    hostname: '',
    network,
    tunnel: tunnel === 'hbone',
    trustDomain,
    serviceAccount,
    node,
    cluster,
    hostNetwork: false,
    healthy: ready,
    locality: { region, zone, subzone: '' },
    capacity: undefined,
    authorizationPolicies: [],
    workloadType: 'pod',
    workloadName: name,
    canonicalName: name,
    canonicalRevision: 'latest',
  };
}
