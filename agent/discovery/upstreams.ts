import type { SpiffeId } from '@landbridge/core/identity.ts';
import { type IpAddress, isIpv4 } from '@landbridge/core/ip-address.ts';
import { type Place, rankEndpoints } from '@landbridge/core/load-balancing.ts';
import type { RegistryReads } from './registry-reads.ts';
import { type GatewayAddress, ipOf, networkAddress, type Service, type Workload } from './wds-address.ts';

export interface RouteSource extends Place {
  readonly namespace: string;
  /** Undefined for names that make no SPIFFE ID. */
  readonly identity: SpiffeId | undefined;
  readonly address: IpAddress;
}

export interface Destination {
  readonly ip: IpAddress;
  readonly port: number;
}

/** A workload that a connection may go to, before it is known how. */
export interface Upstream {
  readonly workload: Workload;
  /** The application's. */
  readonly port: number;
  /** Through which it was found. */
  readonly service: Service | undefined;
  /** The address asked for, whose family is preferred. */
  readonly original: IpAddress;
  /** 0 is the best. */
  readonly rank: number;
  /** Of connections, among those of the same rank; more than 0. */
  readonly share: number;
}

/** Waypoints are asked for by a port that their service need not have, where they take everything at one port. */
export type UpstreamMode = 'standard' | 'waypoint';

/** Where waypoints and gateways take HBONE, if nothing else is said. */
export const DEFAULT_HBONE_PORT = 15008;

/** The endpoints of a service that a client may use. */
export function upstreamsOfService(reads: RegistryReads, source: Place, service: Service, port: number, original: IpAddress, mode: UpstreamMode): readonly Upstream[] {
  return endpointsOfService(reads, source, service, port, original, mode, hasCapacity);
}

/**
 * The endpoints of a service for clients of other clusters: what those here are to send to each cluster is not said of them,
 * where it says that nobody here is to use any of these.
 */
export function upstreamsForOthers(reads: RegistryReads, source: Place, service: Service, port: number, original: IpAddress, isMeant: (workload: Workload) => boolean): readonly Upstream[] {
  const used = endpointsOfService(reads, source, service, port, original, 'standard', (workload) => isMeant(workload) && hasCapacity(workload));
  return used.length > 0 ? used : endpointsOfService(reads, source, service, port, original, 'standard', isMeant).map((upstream) => ({ ...upstream, share: 1 }));
}

const hasCapacity = ({ capacity }: Workload): boolean => capacity > 0;

/** The share of one without capacity is 0. */
function endpointsOfService(reads: RegistryReads, source: Place, service: Service, port: number, original: IpAddress, mode: UpstreamMode, isMeant: (workload: Workload) => boolean): readonly Upstream[] {
  if (mode === 'standard' && !service.ports.has(port)) return [];
  const ports = new Map<Workload, number>();
  const endpoints = reads.endpointsOf(service).filter((workload) => {
    const target = targetPort(service, workload, port, mode);
    if (target !== undefined) ports.set(workload, target);
    return target !== undefined && isMeant(workload) && isReachable(workload, source);
  });
  return rankEndpoints(source, endpoints, service.loadBalancing).map(({ endpoint, rank }) => ({ workload: endpoint, port: ports.get(endpoint) ?? port, service, original, rank, share: endpoint.capacity }));
}

/** The endpoint's own port, else the service's, else that of a waypoint which takes everything at one. */
export function targetPort(service: Service, workload: Workload, port: number, mode: UpstreamMode): number | undefined {
  if (mode === 'waypoint' && !service.ports.has(port) && workload.applicationTunnel === undefined) return undefined;
  return workload.services.get(service.key)?.get(port) || service.ports.get(port) || (mode === 'waypoint' && workload.applicationTunnel?.port !== undefined ? port : undefined);
}

/** What has no address is behind a gateway, which only others than its own network use. */
function isReachable({ addresses, hostname, network, networkGateway }: Workload, source: Place): boolean {
  return addresses.length > 0 || hostname !== '' || (network !== source.network && networkGateway !== undefined);
}

/** What waits at an address of a network: a service before a workload. */
export function upstreamsAt(reads: RegistryReads, source: RouteSource, network: string, { ip, port }: Destination, mode: UpstreamMode): readonly Upstream[] {
  const at = networkAddress(network, ip);
  const service = reads.serviceAt(at, source.namespace);
  if (service !== undefined) return upstreamsOfService(reads, source, service, port, ip, mode);
  const workload = reads.workloadAt(at);
  return workload === undefined ? [] : [onlyUpstream(workload, port, ip)];
}

/** The workloads that a waypoint, or a gateway, consists of. */
export function upstreamsOfGateway(reads: RegistryReads, source: RouteSource, gateway: GatewayAddress, original: IpAddress, mode: UpstreamMode): readonly Upstream[] {
  const port = gateway.port || DEFAULT_HBONE_PORT;
  if (gateway.kind === 'address') return upstreamsAt(reads, source, gateway.network, { ip: gateway.ip, port }, mode);
  const service = reads.service(gateway.namespace, gateway.hostname);
  if (service !== undefined) return upstreamsOfService(reads, source, service, port, original, mode);
  const workload = reads.workloadByHost(gateway.namespace, gateway.hostname);
  return workload === undefined ? [] : [onlyUpstream(workload, port, original)];
}

/** A workload that was not found through a service: there is nothing to compare it with. */
export function onlyUpstream(workload: Workload, port: number, original: IpAddress): Upstream {
  return { workload, port, service: undefined, original, rank: 0, share: 1 };
}

/** All workloads behind a gateway's name or address, whatever their state. */
export function membersOfGateway(reads: RegistryReads, gateway: GatewayAddress): readonly Workload[] {
  const at = gateway.kind === 'address' ? networkAddress(gateway.network, gateway.ip) : undefined;
  // Here an address is a workload's before it is a service's.
  const atAddress = at === undefined ? undefined : reads.workloadAt(at);
  if (atAddress !== undefined) return [atAddress];
  const service = gateway.kind === 'hostname' ? reads.service(gateway.namespace, gateway.hostname) : at === undefined ? undefined : reads.serviceAt(at, undefined);
  if (service !== undefined) return reads.endpointsOf(service);
  const named = gateway.kind === 'hostname' ? reads.workloadByHost(gateway.namespace, gateway.hostname) : undefined;
  return named === undefined ? [] : [named];
}

/**
 * The addresses to dial: the one asked for where it is the workload's, else one of the service's families, the asked
 * one's first. Only names have several: what DNS says, of the asked family where there are any.
 */
export function addressesToDial(reads: RegistryReads, { workload, service, original }: Pick<Upstream, 'workload' | 'service' | 'original'>): readonly IpAddress[] {
  const ips = workload.addresses.map(ipOf);
  if (ips.includes(original)) return [original];
  const families = service?.ipFamilies ?? 'automatic';
  const allowed = ips.filter((ip) => families === 'automatic' || families === 'dual' || isIpv4(ip) === (families === 'ipv4'));
  const sameFamily = (ip: IpAddress): boolean => isIpv4(ip) === isIpv4(original);
  const chosen = allowed.find(sameFamily) ?? allowed[0];
  if (chosen !== undefined) return [chosen];
  if (workload.hostname === '') return [];
  const resolved = reads.resolve(workload.hostname) ?? [];
  return resolved.some(sameFamily) ? resolved.filter(sameFamily) : resolved;
}
