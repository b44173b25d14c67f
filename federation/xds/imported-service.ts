import { clustersetHost } from '@landbridge/core/names.ts';
import type { Endpoint } from '@landbridge/core/records.ts';
import { routableAddress } from '@landbridge/core/routable-address.ts';
import { exposedPorts } from '../merge/merge-ports.ts';
import type { ImportedService } from '../merge/merge.ts';
import { farEndpoint, farIdentities, isBehindGateway } from '../networks/far-endpoint.ts';
import { importBalancing } from '../networks/import-balancing.ts';
import { clusterWeights, NO_RULES, type ShareRules, withCaps } from '../networks/shares.ts';
import { othersFirst, subzoneOf } from '../peers/stale-subzone.ts';
import { affinityPolicy } from '../registry/service-balancing.ts';
import { usableEndpoints } from '../registry/usable-endpoints.ts';
import { endpointName } from './name-extensions.ts';
import { podUid, shareUid } from './resource-names.ts';
import { type MeshEndpoint, type MeshService, servingPorts } from './service.ts';
import type { Workload } from './workload.ts';

/** An import with the clusterset addresses that it has here. */
export interface Import {
  readonly imported: ImportedService;
  readonly addresses: readonly string[];
  /** None where they are left out. */
  readonly rules?: ShareRules;
}

type Part = ImportedService['clusters'][number];

/**
 * A service of the clusterset. Pods of this cluster are behind it as what they are here; those of others as what their
 * clusters say. Pods of other networks are behind their gateways, and behind nothing where a client has to name one of
 * them: no way through a gateway leads to a pod's address.
 */
export function importedMeshService({ imported, addresses, rules: routed = NO_RULES }: Import, cluster: string): MeshService {
  const rules = withCaps(routed, imported.clusters);
  const { namespace, name, ports } = imported;
  const headless = imported.type === 'Headless';
  const near = imported.clusters.filter(({ reach = 'direct' }) => reach === 'direct');
  const far = headless ? [] : imported.clusters.filter(({ reach }) => reach === 'gateway');
  const isUsable = new Set(usable(imported, [...near, ...far.map((part) => ({ endpoints: part.endpoints.filter(isBehindGateway) }))]));
  const usableOf = ({ endpoints }: Part): readonly Endpoint[] => endpoints.filter((endpoint) => isUsable.has(endpoint));
  // Clients of a headless service choose for themselves.
  const weights = headless ? undefined : clusterWeights(new Map([...near, ...far].map((part) => [part.cluster, usableOf(part).length])), cluster, rules);
  const found = new Map<string, MeshEndpoint>();
  for (const part of far) {
    const told = farEndpoint(imported, part, usableOf(part), weights?.get(part.cluster)?.all);
    if (told !== undefined) found.set(...told);
  }
  for (const part of near) {
    const weight = weights?.get(part.cluster)?.each;
    const exposed = exposedPorts(ports, part.ports);
    const made = knownEndpoints(part, { namespace, name, weight, headless, exposed, isOwn: part.cluster === cluster });
    for (const endpoint of part.endpoints) {
      // A weight is a workload's, whatever service it is behind: one that is only for this service is of a workload of its own.
      const uid = weight === undefined ? podUid(part.cluster, namespace, endpoint.workload) : shareUid(part.cluster, namespace, name, endpoint.workload);
      const serves = isUsable.has(endpoint) && weight !== 0;
      found.set(uid, made(endpoint, serves, () => ({
        workload: part.cluster === cluster && weight === undefined ? undefined : remoteWorkload(uid, namespace, endpoint, part, weight),
        ports: serves ? servingPorts(exposed, endpoint.ports) : [],
        name: headless && endpoint.ready ? endpointName(endpoint) : undefined,
      })));
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
    loadBalancing: imported.prefersOthers === true ? othersFirst(importBalancing(rules, imported)) : importBalancing(rules, imported),
    traffic: affinityPolicy(imported.sessionAffinity),
    canonical: true,
    visibility: 'public',
    subjectAltNames: farIdentities(imported, far),
    endpoints: found,
  };
}

interface KnownEndpoint {
  /** All that it follows from besides the endpoint. */
  readonly of: string;
  readonly made: MeshEndpoint;
}

const known = new WeakMap<Endpoint, KnownEndpoint>();

/** What is made of an endpoint that stays the same object is the same object too, as long as all else does: of a large service few change at a time. */
function knownEndpoints({ cluster, trustDomain, network, isLast }: Part, context: object): (endpoint: Endpoint, serves: boolean, make: () => MeshEndpoint) => MeshEndpoint {
  const of = JSON.stringify([cluster, trustDomain, network, isLast, context]);
  return (endpoint, serves, make) => {
    const text = serves ? of : `${of} -`;
    const before = known.get(endpoint);
    if (before?.of === text) return before.made;
    const made = make();
    known.set(endpoint, { of: text, made });
    return made;
  };
}

/** Where clients use their own node's endpoints only, each node of each cluster is looked at by itself. */
function usable({ internalTrafficPolicy }: ImportedService, parts: readonly Pick<Part, 'endpoints'>[]): readonly Endpoint[] {
  return internalTrafficPolicy === 'Local' ? parts.flatMap(({ endpoints }) => usableEndpoints(endpoints, true)) : usableEndpoints(parts.flatMap(({ endpoints }) => endpoints));
}

/** Others may say any text. */
function remoteWorkload(uid: string, namespace: string, endpoint: Endpoint, part: Part, capacity: number | undefined): Workload {
  const { cluster, trustDomain, network } = part;
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
    locality: { region, zone, subzone: subzoneOf(part) },
    capacity,
    authorizationPolicies: [],
    workloadType: 'pod',
    workloadName: name,
    canonicalName: name,
    canonicalRevision: 'latest',
  };
}
