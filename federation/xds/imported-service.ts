import { clustersetHost } from '@landbridge/core/names.ts';
import type { Endpoint } from '@landbridge/core/records.ts';
import { routableAddress } from '@landbridge/core/routable-address.ts';
import { exposedPorts } from '../merge/merge-ports.ts';
import type { ImportedService } from '../merge/merge.ts';
import { farEndpoint, farIdentities, isBehindGateway } from '../networks/far-endpoint.ts';
import { importBalancing } from '../networks/import-balancing.ts';
import { clusterWeights, hasRules, NO_RULES, type ShareRules, withCaps } from '../networks/shares.ts';
import { othersFirst, subzoneOf } from '../peers/stale-subzone.ts';
import { affinityPolicy } from '../registry/service-balancing.ts';
import { usableEndpoints } from '../registry/usable-endpoints.ts';
import { endpointName } from './name-extensions.ts';
import { podUid, shareUid } from './resource-names.ts';
import { type MeshEndpoint, type MeshPort, type MeshService, servingPorts } from './service.ts';
import type { ServingPort, Workload } from './workload.ts';

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
 * @param before what was made of it last, whose endpoints stay the same objects where they would be the same
 */
export function importedMeshService({ imported, addresses, rules: routed = NO_RULES }: Import, cluster: string, before?: MeshService): MeshService {
  const rules = withCaps(routed, imported.clusters);
  const { namespace, name, ports } = imported;
  const headless = imported.type === 'Headless';
  const near = imported.clusters.filter(({ reach = 'direct' }) => reach === 'direct');
  const far = headless ? [] : imported.clusters.filter(({ reach }) => reach === 'gateway');
  const isUsable = new Set(usable(imported, [...near, ...far.map((part) => ({ endpoints: part.endpoints.filter(isBehindGateway) }))]));
  const usableOf = ({ endpoints }: Part): readonly Endpoint[] => endpoints.filter((endpoint) => isUsable.has(endpoint));
  // Clients of a headless service choose for themselves.
  const weights = headless || !hasRules(rules) ? undefined : clusterWeights(new Map([...near, ...far].map((part) => [part.cluster, usableOf(part).length])), cluster, rules);
  const found = new Map<string, MeshEndpoint>();
  for (const part of far) {
    const told = farEndpoint(imported, part, usableOf(part), weights?.get(part.cluster)?.all);
    if (told !== undefined) found.set(...told);
  }
  const made = madeOf(before);
  for (const part of near) {
    const weight = weights?.get(part.cluster)?.each;
    const exposed = exposedPorts(ports, part.ports);
    const isOwn = part.cluster === cluster;
    const facts = { pod: new Map<boolean, EndpointFacts>(), share: new Map<boolean, EndpointFacts>() };
    const factsFor = (kind: Kind, isUsed: boolean): EndpointFacts => {
      let needed = facts[kind].get(isUsed);
      if (needed !== undefined) return needed;
      const fresh = factsOf(part, { namespace, service: name, weight: kind === 'pod' ? undefined : weight, headless, exposed, isOwnPod: kind === 'pod' && isOwn, isUsable: isUsed });
      // The same object for all that are made with it, sooner or later.
      needed = made.facts.get(fresh.text) ?? fresh;
      facts[kind].set(isUsed, needed);
      return needed;
    };
    const put = (kind: Kind, isUsed: boolean, endpoint: Endpoint): void => {
      const needed = factsFor(kind, isUsed);
      const known = made[kind].get(endpoint);
      if (known !== undefined && known.facts.text === needed.text) {
        found.set(known.uid, known);
        return;
      }
      const uid = kind === 'pod' ? podUid(part.cluster, namespace, endpoint.workload) : shareUid(part.cluster, namespace, name, endpoint.workload);
      found.set(uid, new ImportedEndpoint(uid, endpoint, needed));
    };
    for (const endpoint of part.endpoints) {
      // Where clients here are to use none of this cluster's own, those of other networks use them all the same, through its gateway.
      const isUsed = isUsable.has(endpoint) && (isOwn || weight !== 0);
      // A weight is a workload's, whatever service it is behind: one that is only for this service is of a workload of its own.
      put(weight === undefined ? 'pod' : 'share', isUsed, endpoint);
      // Its agent knows a pod by what it is itself, and is asked for the service by name.
      if (isOwn && weight !== undefined) put('pod', false, endpoint);
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

type Kind = 'pod' | 'share';

interface Made extends Readonly<Record<Kind, ReadonlyMap<Endpoint, ImportedEndpoint>>> {
  /** By their text. */
  readonly facts: ReadonlyMap<string, EndpointFacts>;
}

/** What was made before, by the endpoint that it was made of. Of one that several clusters have the last counts: the others are made again. */
function madeOf(before: MeshService | undefined): Made {
  const made = { pod: new Map<Endpoint, ImportedEndpoint>(), share: new Map<Endpoint, ImportedEndpoint>(), facts: new Map<string, EndpointFacts>() };
  for (const each of before?.endpoints.values() ?? []) {
    if (!(each instanceof ImportedEndpoint)) continue;
    made[each.facts.weight === undefined ? 'pod' : 'share'].set(each.endpoint, each);
    made.facts.set(each.facts.text, each.facts);
  }
  return made;
}

/** All that an endpoint of an import follows from besides itself: the same for those of one cluster. Of what is made with it nothing else is kept. */
interface EndpointFacts {
  readonly text: string;
  readonly namespace: string;
  readonly cluster: string;
  readonly trustDomain: string;
  readonly network: string;
  readonly subzone: string;
  readonly weight: number | undefined;
  readonly headless: boolean;
  /** Whether it is a pod of this cluster, told by what it is here. */
  readonly isOwnPod: boolean;
  readonly isUsable: boolean;
  /** Ports for each list of ports that endpoints have. */
  readonly portsOf: (ports: Endpoint['ports']) => readonly ServingPort[];
}

function factsOf(part: Part, context: { readonly namespace: string; readonly service: string; readonly weight: number | undefined; readonly headless: boolean; readonly exposed: readonly MeshPort[]; readonly isOwnPod: boolean; readonly isUsable: boolean }): EndpointFacts {
  const { cluster, trustDomain, network, isLast } = part;
  const { namespace, weight, headless, exposed, isOwnPod, isUsable } = context;
  const made = new Map<Endpoint['ports'], readonly ServingPort[]>();
  const portsOf = (ports: Endpoint['ports']): readonly ServingPort[] => {
    let found = made.get(ports);
    if (found === undefined) made.set(ports, (found = isUsable || isOwnPod ? servingPorts(exposed, ports) : []));
    return found;
  };
  return { text: JSON.stringify([cluster, trustDomain, network, isLast, context]), namespace, cluster, trustDomain, network, subzone: subzoneOf(part), weight, headless, isOwnPod, isUsable, portsOf };
}

/**
 * There are many of them, and of a large service few change at a time: what the workload is, is worked out when it is asked
 * for, and what is made of an endpoint that stays the same object is the same object too, as long as all else does.
 */
class ImportedEndpoint implements MeshEndpoint {
  readonly ports: readonly ServingPort[];
  readonly isUsable: boolean;
  readonly name: MeshEndpoint['name'];
  readonly endpoint: Endpoint;
  readonly facts: EndpointFacts;
  readonly uid: string;

  constructor(uid: string, endpoint: Endpoint, facts: EndpointFacts) {
    this.ports = facts.portsOf(endpoint.ports);
    this.isUsable = facts.isUsable;
    this.name = facts.headless && endpoint.ready ? endpointName(endpoint) : undefined;
    this.uid = uid;
    this.endpoint = endpoint;
    this.facts = facts;
  }

  get workload(): Workload | undefined {
    return this.facts.isOwnPod ? undefined : remoteWorkload(this.uid, this.endpoint, this.facts);
  }

  /** As one whose members are all plain ones. */
  toJSON(): MeshEndpoint {
    const { workload, ports, isUsable, name } = this;
    return { workload, ports, isUsable, name };
  }
}

/** Where clients use their own node's endpoints only, each node of each cluster is looked at by itself. */
function usable({ internalTrafficPolicy }: ImportedService, parts: readonly Pick<Part, 'endpoints'>[]): readonly Endpoint[] {
  return internalTrafficPolicy === 'Local' ? parts.flatMap(({ endpoints }) => usableEndpoints(endpoints, true)) : usableEndpoints(parts.flatMap(({ endpoints }) => endpoints));
}

/** Others may say any text. */
function remoteWorkload(uid: string, endpoint: Endpoint, { namespace, cluster, trustDomain, network, subzone, weight }: EndpointFacts): Workload {
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
    locality: { region, zone, subzone },
    capacity: weight,
    authorizationPolicies: [],
    workloadType: 'pod',
    workloadName: name,
    canonicalName: name,
    canonicalRevision: 'latest',
  };
}
