/** Ways into other networks: each goes through a gateway, and another tunnel inside it to the far end (double HBONE). */
import type { SpiffeId } from '@landbridge/core/identity.ts';
import type { IpAddress } from '@landbridge/core/ip-address.ts';
import { rankEndpoints } from '@landbridge/core/load-balancing.ts';
import { type CandidateDraft, commonLabels, identitiesOf, identityOf, idOf, labelsOf, ranked } from './candidates.ts';
import type { RegistryReads } from './registry-reads.ts';
import { addressesToDial, DEFAULT_HBONE_PORT, type Destination, onlyUpstream, type RouteSource, type Upstream, upstreamsOfGateway } from './upstreams.ts';
import type { GatewayAddress, Service } from './wds-address.ts';

/** How near a gateway is. */
const NEAREST = { preferences: ['region', 'zone', 'subzone'], mode: 'failover', health: 'allow-all' } as const;

/** One address of a gateway. */
interface Door {
  readonly id: string;
  readonly ip: IpAddress;
  readonly port: number;
  readonly identities: readonly SpiffeId[];
  /** 0 is the best of its network. */
  readonly rank: number;
}

/** Upstreams of one network behind the same gateways: the client does not choose among them, their gateway does. */
interface Group {
  readonly members: Upstream[];
  readonly doors: readonly Door[];
}

/**
 * One candidate for each address of a gateway. `service` is what the client asked for: both tunnels name it, so nothing
 * but a service can be reached so. `found` are upstreams of other networks than the client's.
 */
export function gatewayDrafts(reads: RegistryReads, source: RouteSource, service: Service, destination: Destination, found: readonly Upstream[], shareOf: (upstream: Upstream) => number): readonly CandidateDraft[] {
  return groups(reads, source, destination, found).flatMap(({ members, doors }) => {
    const innerIdentities = farIdentities(members);
    if (innerIdentities.length === 0) return [];
    const share = members.reduce((sum, member) => sum + shareOf(member), 0);
    const labels = { ...commonLabels(members.map(({ workload }) => labelsOf(workload))), principal: innerIdentities.length === 1 ? (innerIdentities[0] ?? '') : '' };
    return doors.map(({ id, ip, port, identities, rank }): CandidateDraft => ({
      candidate: { id, hop: 'double-hbone', address: ip, port, authority: `${service.hostname}:${destination.port}`, identities, innerIdentities, localPod: undefined, target: undefined, labels },
      order: [members[0]?.rank ?? 0, rank],
      share: share / doors.filter((door) => door.rank === rank).length,
    }));
  });
}

/**
 * Who may answer inside. Istio tells only the service's names, as it does not tell of the workloads of other networks;
 * where a control plane does tell of these and names nobody for the service, it is they. Of the names those of the
 * workloads' own trust domains, where there are any: the gateways of one cluster do not lead to another's.
 */
function farIdentities(members: readonly Upstream[]): readonly SpiffeId[] {
  const named = [...new Set(members.flatMap(({ service }) => service?.subjectAltNames ?? []))];
  const domains = [...new Set(members.map(({ workload }) => `spiffe://${workload.trustDomain}/`))];
  const own = named.filter((id) => domains.some((domain) => id.startsWith(domain)));
  if (named.length > 0) return own.length > 0 ? own : named;
  return [...new Set(members.flatMap(({ workload }) => (workload.addresses.length === 0 ? [] : (identityOf(workload) ?? []))))];
}

function groups(reads: RegistryReads, source: RouteSource, destination: Destination, found: readonly Upstream[]): readonly Group[] {
  const grouped = new Map<string, Group>();
  for (const upstream of found) {
    const { rank, service, workload: { network, networkGateway } } = upstream;
    if (networkGateway === undefined) continue;
    const key = JSON.stringify([rank, network, service?.key, networkGateway]);
    const group = grouped.get(key);
    if (group === undefined) grouped.set(key, { members: [upstream], doors: doorsTo(reads, source, destination, network, networkGateway) });
    else group.members.push(upstream);
  }
  return [...grouped.values()];
}

/** The gateways that are named for a network, and the others of it; healthy and near ones first. */
function doorsTo(reads: RegistryReads, source: RouteSource, destination: Destination, network: string, gateway: GatewayAddress): readonly Door[] {
  const named = upstreamsOfGateway(reads, source, gateway, destination.ip, 'standard');
  const known = new Set(named.map(({ workload }) => workload.uid));
  const others = reads.gatewaysOf(network).filter(({ uid }) => !known.has(uid)).map((workload) => onlyUpstream(workload, portOfUid(workload.uid) ?? DEFAULT_HBONE_PORT, destination.ip));
  const usable = [...named, ...others].filter((upstream) => identitiesOf(upstream).length > 0 && addressesToDial(reads, upstream).length > 0);
  const distances = new Map(rankEndpoints(source, usable.map((upstream) => ({ ...upstream.workload, upstream })), NEAREST).map(({ endpoint, rank }) => [endpoint.upstream, rank]));
  const ranks = ranked(usable, (upstream) => [upstream.workload.healthy ? 0 : 1, upstream.rank, distances.get(upstream) ?? 0]);
  return ranks.flatMap(({ item, rank }) => addressesToDial(reads, item).map((ip, _, ips) => ({ id: `${idOf(item.workload, ip, ips)} for ${network}`, ip, port: item.port, identities: identitiesOf(item), rank })));
}

/** Istio writes a gateway's port nowhere but at the end of its uid. */
function portOfUid(uid: string): number | undefined {
  const port = Number(/\/([1-9][0-9]{0,4})$/.exec(uid)?.[1]);
  return port <= 65535 ? port : undefined;
}
