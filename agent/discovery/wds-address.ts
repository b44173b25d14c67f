import { fromBinary } from '@bufbuild/protobuf';
import { parseSpiffeId, type SpiffeId } from '@landbridge/core/identity.ts';
import { type IpAddress, type IpPrefix, ipFromBytes, prefixFromBytes } from '@landbridge/core/ip-address.ts';
import { DEFAULT_LOAD_BALANCING, type LoadBalancing, type LoadBalancingScope, type Placed } from '@landbridge/core/load-balancing.ts';
import type { TrafficPolicy } from '@landbridge/core/route-plan.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { AddressSchema, ApplicationTunnel_Protocol, IPFamilies, LoadBalancing_HealthPolicy, LoadBalancing_Mode, LoadBalancing_Scope, NetworkMode, TunnelProtocol, Visibility, type GatewayAddress as WireGateway, type LoadBalancing as WireLoadBalancing, type Port, type Service as WireService, type Workload as WireWorkload, WorkloadStatus, WorkloadType } from '@landbridge/wire/gen/workload_pb.js';
import { restingServices } from './wds-resting.ts';
import { serviceTraffic } from './wds-traffic.ts';
import { SharedValues } from '@landbridge/core/shared-values.ts';
import { type EndpointName, endpointNames, type ServiceNames, serviceNames } from './wds-names.ts';

/** A part of a network's addresses. */
export interface AddressRange {
  readonly network: string;
  readonly prefix: IpPrefix;
}

/** Where a waypoint or a gateway is to be found, and the port at which it takes HBONE. */
export type GatewayAddress = (
  | { readonly kind: 'hostname'; readonly namespace: string; readonly hostname: string }
  | { readonly kind: 'address'; readonly network: string; readonly ip: IpAddress }
) & { readonly port: number };

export interface Workload extends Placed {
  readonly kind: 'workload';
  /** Opaque, such as `<cluster>//Pod/<namespace>/<name>`. */
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** `<network>/<ip>` */
  readonly addresses: readonly string[];
  /** To be resolved where there are no addresses; empty otherwise. */
  readonly hostname: string;
  readonly tunnel: 'hbone' | 'none';
  /** Takes HBONE by itself, without an agent. */
  readonly nativeTunnel: boolean;
  /** Wants what came by HBONE at one port, and behind `proxy` a PROXY header in front of it. */
  readonly applicationTunnel: { readonly protocol: 'none' | 'proxy'; readonly port: number | undefined } | undefined;
  readonly trustDomain: string;
  readonly serviceAccount: string;
  readonly workloadName: string;
  readonly workloadType: 'deployment' | 'cronjob' | 'pod' | 'job';
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly waypoint: GatewayAddress | undefined;
  /** How other networks reach it. */
  readonly networkGateway: GatewayAddress | undefined;
  /** Has its node's addresses, which therefore do not tell it from others. */
  readonly hostNetwork: boolean;
  /** Its share of connections. */
  readonly capacity: number;
  /** `<namespace>/<name>` of the policies that select it. */
  readonly authorizationPolicies: readonly string[];
  /** Target ports by service port, by service key. */
  readonly services: ReadonlyMap<string, ReadonlyMap<number, number>>;
  /** Likewise of services that send it no new connections: what was on its way is taken still. */
  readonly resting: ReadonlyMap<string, ReadonlyMap<number, number>>;
  /** As an endpoint of headless services, by their keys; nothing where the control plane does not tell. */
  readonly names: ReadonlyMap<string, EndpointName>;
}

export interface Service {
  readonly kind: 'service';
  /** `<namespace>/<hostname>` */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  readonly hostname: string;
  /** `<network>/<ip>` */
  readonly addresses: readonly string[];
  readonly ranges: readonly AddressRange[];
  /** Target ports by service port; 0 where each endpoint has its own (a named port). */
  readonly ports: ReadonlyMap<number, number>;
  /** Who may answer besides the endpoints' own identities. */
  readonly subjectAltNames: readonly SpiffeId[];
  readonly waypoint: GatewayAddress | undefined;
  /** Instead of `waypoint` where any has a weight. */
  readonly weightedWaypoints: readonly { readonly destination: GatewayAddress; readonly weight: number }[];
  readonly loadBalancing: LoadBalancing;
  readonly ipFamilies: 'automatic' | 'ipv4' | 'ipv6' | 'dual';
  /** The one to prefer where several namespaces define the hostname. */
  readonly canonical: boolean;
  /** Gateways at the edge use the waypoint too. */
  readonly ingressUseWaypoint: boolean;
  readonly visibility: 'public' | 'namespace';
  /** Undefined where the control plane does not tell. */
  readonly names: ServiceNames | undefined;
  readonly traffic: TrafficPolicy;
}

/** More than the largest services have; a resource beyond it is refused. */
export const MAX_ADDRESS_BYTES = 4 * 1024 * 1024;
const MAX_PORT = 65535;
const NO_RANGES: readonly AddressRange[] = [];

const SCOPES: Readonly<Record<number, LoadBalancingScope>> = {
  [LoadBalancing_Scope.REGION]: 'region',
  [LoadBalancing_Scope.ZONE]: 'zone',
  [LoadBalancing_Scope.SUBZONE]: 'subzone',
  [LoadBalancing_Scope.NODE]: 'node',
  [LoadBalancing_Scope.CLUSTER]: 'cluster',
  [LoadBalancing_Scope.NETWORK]: 'network',
};
const MODES: Readonly<Record<number, LoadBalancing['mode']>> = {
  [LoadBalancing_Mode.UNSPECIFIED_MODE]: 'unspecified',
  [LoadBalancing_Mode.STRICT]: 'strict',
  [LoadBalancing_Mode.FAILOVER]: 'failover',
  [LoadBalancing_Mode.PASSTHROUGH]: 'passthrough',
};
const HEALTH: Readonly<Record<number, LoadBalancing['health']>> = { [LoadBalancing_HealthPolicy.ONLY_HEALTHY]: 'only-healthy', [LoadBalancing_HealthPolicy.ALLOW_ALL]: 'allow-all' };
const FAMILIES: Readonly<Record<number, Service['ipFamilies']>> = { [IPFamilies.AUTOMATIC]: 'automatic', [IPFamilies.IPV4_ONLY]: 'ipv4', [IPFamilies.IPV6_ONLY]: 'ipv6', [IPFamilies.DUAL]: 'dual' };
// LEGACY_ISTIO_MTLS is not spoken by anyone any more.
const TUNNELS: Readonly<Record<number, Workload['tunnel']>> = { [TunnelProtocol.NONE]: 'none', [TunnelProtocol.HBONE]: 'hbone' };
const APPLICATION_TUNNELS: Readonly<Record<number, 'none' | 'proxy'>> = { [ApplicationTunnel_Protocol.NONE]: 'none', [ApplicationTunnel_Protocol.PROXY]: 'proxy' };
const TYPES: Readonly<Record<number, Workload['workloadType']>> = { [WorkloadType.DEPLOYMENT]: 'deployment', [WorkloadType.CRONJOB]: 'cronjob', [WorkloadType.POD]: 'pod', [WorkloadType.JOB]: 'job' };

export const networkAddress = (network: string, ip: string): string => `${network}/${ip}`;

/** The IP of a `<network>/<ip>` that {@link networkAddress} made; a network's name may hold a slash, an IP none. */
export const ipOf = (address: string): IpAddress => address.slice(address.lastIndexOf('/') + 1) as IpAddress;

/** The key of the service, or of a workload that is known by a hostname. */
export const hostKey = (namespace: string, hostname: string): string => `${namespace}/${hostname}`;

/** What a part of a resource is refused with; caught by {@link parseAddress}. */
class Refusal extends Error {}

/** Decodes one istio.workload.Address. Total: what can not be understood is an error that names it. What is equal in several of them is there once where they are given the same `shared`. */
export function parseAddress(bytes: Uint8Array, shared: SharedValues = new SharedValues()): Result<Workload | Service> {
  if (bytes.length > MAX_ADDRESS_BYTES) return err(`an Address of ${bytes.length} bytes`);
  try {
    const { type } = fromBinary(AddressSchema, bytes);
    switch (type.case) {
      case 'workload':
        return ok(workloadOf(type.value, shared));
      case 'service':
        return ok(serviceOf(type.value, shared));
      default:
        return err('an Address with neither workload nor service');
    }
  } catch (thrown) {
    return err(thrown instanceof Refusal ? thrown.message : `not an Address: ${String(thrown)}`);
  }
}

function workloadOf(wire: WireWorkload, shared: SharedValues): Workload {
  const text = (of: string): string => shared.text(of);
  if (wire.uid === '') throw new Refusal('a workload without uid');
  const what = `workload ${wire.uid}`;
  return {
    kind: 'workload',
    uid: text(wire.uid),
    name: wire.name,
    namespace: text(wire.namespace),
    addresses: wire.addresses.map((bytes) => networkAddress(wire.network, ipText(bytes, what))),
    hostname: text(wire.hostname),
    network: text(wire.network),
    tunnel: known(TUNNELS[wire.tunnelProtocol], what, 'tunnel protocol', wire.tunnelProtocol),
    nativeTunnel: wire.nativeTunnel,
    applicationTunnel: wire.applicationTunnel === undefined ? undefined : {
      protocol: known(APPLICATION_TUNNELS[wire.applicationTunnel.protocol], what, 'application tunnel', wire.applicationTunnel.protocol),
      port: wire.applicationTunnel.port === 0 ? undefined : portOf(wire.applicationTunnel.port, what),
    },
    // Istio leaves its defaults out (workload.proto, trust_domain, service_account, cluster_id).
    trustDomain: text(wire.trustDomain) || 'cluster.local',
    serviceAccount: text(wire.serviceAccount) || 'default',
    cluster: text(wire.clusterId) || 'Kubernetes',
    node: text(wire.node),
    workloadName: text(wire.workloadName),
    // A name in metrics only: one that is not known is no reason to lose the workload.
    workloadType: TYPES[wire.workloadType] ?? 'deployment',
    canonicalName: text(wire.canonicalName),
    canonicalRevision: text(wire.canonicalRevision),
    waypoint: optionalGateway(wire.waypoint, what),
    networkGateway: optionalGateway(wire.networkGateway, what),
    hostNetwork: known({ [NetworkMode.STANDARD]: false, [NetworkMode.HOST_NETWORK]: true }[wire.networkMode], what, 'network mode', wire.networkMode),
    healthy: known({ [WorkloadStatus.HEALTHY]: true, [WorkloadStatus.UNHEALTHY]: false }[wire.status], what, 'status', wire.status),
    region: text(wire.locality?.region ?? ''),
    zone: text(wire.locality?.zone ?? ''),
    subzone: text(wire.locality?.subzone ?? ''),
    capacity: wire.capacity ?? 1,
    authorizationPolicies: shared.made(`policies ${JSON.stringify(wire.authorizationPolicies)}`, () => wire.authorizationPolicies),
    services: servedPorts(wire.services, what, shared),
    resting: restingServices(wire.extensions, (services) => servedPorts(services, what, shared)),
    names: endpointNames(wire.extensions),
  };
}

function serviceOf(wire: WireService, shared: SharedValues): Service {
  if (wire.hostname === '' || wire.namespace === '') throw new Refusal('a service without hostname or namespace');
  const key = shared.text(hostKey(wire.namespace, wire.hostname));
  const what = `service ${key}`;
  const addresses: string[] = [];
  const ranges: AddressRange[] = [];
  for (const { network, address, length } of wire.addresses) {
    const prefix = length === undefined ? undefined : understood(prefixFromBytes(address, length), what);
    if (prefix === undefined || prefix.bits === prefix.bytes.length * 8) addresses.push(networkAddress(network, ipText(address, what)));
    else ranges.push({ network, prefix });
  }
  return {
    kind: 'service',
    key,
    name: shared.text(wire.name),
    namespace: shared.text(wire.namespace),
    hostname: wire.hostname,
    addresses,
    ranges: ranges.length === 0 ? NO_RANGES : ranges,
    ports: portMap(wire.ports, what, shared),
    subjectAltNames: wire.subjectAltNames.flatMap((text) => {
      const parsed = parseSpiffeId(text);
      return parsed.ok ? [parsed.value.id] : [];
    }),
    waypoint: optionalGateway(wire.waypoint, what),
    weightedWaypoints: wire.weightedWaypoints.map(({ destination, weight }) => ({ destination: gatewayOf(destination, what), weight })),
    loadBalancing: wire.loadBalancing === undefined ? DEFAULT_LOAD_BALANCING : loadBalancingOf(wire.loadBalancing, what),
    ipFamilies: known(FAMILIES[wire.ipFamilies], what, 'IP families', wire.ipFamilies),
    canonical: wire.canonical,
    ingressUseWaypoint: wire.ingressUseWaypoint,
    // Without the service its clients would leave the mesh: a visibility that is not known hides nothing.
    visibility: wire.visibility === Visibility.NAMESPACE ? 'namespace' : 'public',
    names: serviceNames(wire.extensions),
    traffic: serviceTraffic(wire.extensions),
  };
}

function loadBalancingOf({ routingPreference, mode, healthPolicy }: WireLoadBalancing, what: string): LoadBalancing {
  return {
    preferences: routingPreference.map((scope) => known(SCOPES[scope], what, 'routing preference', scope)),
    mode: known(MODES[mode], what, 'load balancing mode', mode),
    health: known(HEALTH[healthPolicy], what, 'health policy', healthPolicy),
  };
}

const optionalGateway = (wire: WireGateway | undefined, what: string): GatewayAddress | undefined => (wire === undefined ? undefined : gatewayOf(wire, what));

function gatewayOf(wire: WireGateway | undefined, what: string): GatewayAddress {
  const port = portOf(wire?.hboneMtlsPort ?? 0, what);
  switch (wire?.destination.case) {
    case 'hostname':
      return { kind: 'hostname', namespace: wire.destination.value.namespace, hostname: wire.destination.value.hostname, port };
    case 'address':
      return { kind: 'address', network: wire.destination.value.network, ip: ipText(wire.destination.value.address, what), port };
    default:
      throw new Refusal(`${what}: a gateway that is nowhere`);
  }
}

/** Workloads behind one service serve it by the same ports, most of the time. */
function servedPorts(services: WireWorkload['services'], what: string, shared: SharedValues): Workload['services'] {
  const served = Object.entries(services);
  return shared.made(`services ${JSON.stringify(served.map(([key, { ports }]) => [key, portsText(ports)]))}`, () => new Map(served.map(([key, { ports }]) => {
    if (!key.includes('/')) throw new Refusal(`${what}: service ${JSON.stringify(key.slice(0, 80))} is not NAMESPACE/HOSTNAME`);
    return [shared.text(key), portMap(ports, what, shared)];
  })));
}

function portMap(ports: readonly Port[], what: string, shared: SharedValues): ReadonlyMap<number, number> {
  return shared.made(`ports ${portsText(ports)}`, () => new Map(ports.map(({ servicePort, targetPort }) => [portOf(servicePort, what), portOf(targetPort, what)])));
}

const portsText = (ports: readonly Port[]): string => ports.map(({ servicePort, targetPort }) => `${servicePort}:${targetPort}`).join();

function portOf(port: number, what: string): number {
  if (port > MAX_PORT) throw new Refusal(`${what}: port ${port}`);
  return port;
}

const ipText = (bytes: Uint8Array, what: string): IpAddress => understood(ipFromBytes(bytes), what);

function understood<T>(result: Result<T>, what: string): T {
  if (!result.ok) throw new Refusal(`${what}: ${result.error}`);
  return result.value;
}

function known<T>(value: T | undefined, what: string, name: string, number: number): T {
  if (value === undefined) throw new Refusal(`${what}: ${name} ${number} is not known`);
  return value;
}
