import { create, toBinary } from '@bufbuild/protobuf';
import { formatPrefix, type IpPrefix } from '@landbridge/core/ip-address.ts';
import type { LoadBalancing } from '@landbridge/core/load-balancing.ts';
import type { TrafficPolicy } from '@landbridge/core/route-plan.ts';
import { AddressSchema, IPFamilies, LoadBalancing_HealthPolicy, LoadBalancing_Mode, LoadBalancing_Scope, PortSchema, ServiceSchema, Visibility } from '@landbridge/wire/gen/workload_pb.js';
import { isSameJson, type JsonValue } from '@landbridge/wire/record.ts';
import { applicationProtocol } from '../registry/application-protocol.ts';
import { type Port as NamedPort, serviceNames } from './name-extensions.ts';
import { addressBytes, type Resource, resource } from './resource.ts';
import { serviceKey } from './resource-names.ts';
import { trafficExtension } from './traffic-extension.ts';
import { PROTOCOLS, type Serving, type ServingPort, type Workload } from './workload.ts';

export interface MeshPort extends NamedPort {
  readonly appProtocol?: string | undefined;
}

/** A service as agents are told of it, and what it says of the workloads behind it. */
export interface MeshService {
  readonly namespace: string;
  readonly name: string;
  readonly hostname: string;
  readonly addresses: readonly string[];
  readonly ranges: readonly IpPrefix[];
  readonly ports: readonly MeshPort[];
  readonly headless: boolean;
  /** Empty where it does not say. */
  readonly families: readonly string[];
  readonly loadBalancing: LoadBalancing | undefined;
  readonly traffic: TrafficPolicy;
  /** The one to prefer where several namespaces define the hostname. */
  readonly canonical: boolean;
  readonly visibility: 'public' | 'namespace';
  readonly subjectAltNames: readonly string[];
  /** By uid of workload. */
  readonly endpoints: ReadonlyMap<string, MeshEndpoint>;
}

export interface MeshEndpoint extends Serving {
  /** What the workload is where nothing else says so; undefined where only a pod of this cluster can be meant. */
  readonly workload: Workload | undefined;
}

/** What a cluster says about itself. */
export interface ClusterIdentity {
  readonly cluster: string;
  readonly trustDomain: string;
  readonly network: string;
  /** Under which DNS has the cluster's own Services. */
  readonly domain: string;
}

const SCOPES = {
  region: LoadBalancing_Scope.REGION,
  zone: LoadBalancing_Scope.ZONE,
  subzone: LoadBalancing_Scope.SUBZONE,
  node: LoadBalancing_Scope.NODE,
  cluster: LoadBalancing_Scope.CLUSTER,
  network: LoadBalancing_Scope.NETWORK,
} as const satisfies Record<LoadBalancing['preferences'][number], LoadBalancing_Scope>;
const MODES = {
  unspecified: LoadBalancing_Mode.UNSPECIFIED_MODE,
  strict: LoadBalancing_Mode.STRICT,
  failover: LoadBalancing_Mode.FAILOVER,
  passthrough: LoadBalancing_Mode.PASSTHROUGH,
} as const satisfies Record<LoadBalancing['mode'], LoadBalancing_Mode>;
const HEALTH = { 'only-healthy': LoadBalancing_HealthPolicy.ONLY_HEALTHY, 'allow-all': LoadBalancing_HealthPolicy.ALLOW_ALL } as const satisfies Record<LoadBalancing['health'], LoadBalancing_HealthPolicy>;

export const keyOfService = ({ namespace, hostname }: MeshService): string => serviceKey(namespace, hostname);

/** Whether {@link encodeService} has the same of both. */
export function isSameBesidesEndpoints({ endpoints: _before, ...before }: MeshService, { endpoints: _after, ...after }: MeshService): boolean {
  return isSameJson(before as unknown as JsonValue, after as unknown as JsonValue);
}

/** With what a rule says of the service besides; what the service says of itself stays where the rule does not. */
export function withRule(service: MeshService, { limits, affinity }: TrafficPolicy): MeshService {
  return { ...service, traffic: { limits, affinity: affinity === 'none' ? service.traffic.affinity : affinity } };
}

const isTcp = ({ protocol }: { readonly protocol?: string }): boolean => (protocol ?? 'TCP') === 'TCP';

/** The ports of a service at an endpoint that has them, in the order of the service's. Connections are TCP. */
export function servingPorts(ports: readonly MeshPort[], targets: readonly NamedPort[]): readonly ServingPort[] {
  const found = new Map<number, ServingPort>();
  for (const port of ports.filter(isTcp)) {
    const target = targets.find((candidate) => candidate.name === port.name && isTcp(candidate));
    if (target !== undefined) found.set(port.port, { port: port.port, target: target.port, protocol: applicationProtocol(port) });
  }
  return [...found.values()].sort((a, b) => a.port - b.port);
}

/** As an istio.workload.Address. */
export function encodeService(service: MeshService, network: string): Resource {
  const { name, namespace, hostname, headless, ports, loadBalancing } = service;
  const value = create(ServiceSchema, {
    name,
    namespace,
    hostname,
    addresses: [...service.addresses.flatMap(addressBytes).map((address) => ({ network, address })), ...[...service.ranges].sort((a, b) => (formatPrefix(a) < formatPrefix(b) ? -1 : 1)).map(({ bytes, bits }) => ({ network, address: bytes, length: bits }))],
    // Target ports are the workloads': with one here, an endpoint without the port would be dialled all the same.
    ports: ports.filter(isTcp).map((port) => create(PortSchema, { servicePort: port.port, targetPort: 0, appProtocol: PROTOCOLS[applicationProtocol(port)] })),
    subjectAltNames: [...service.subjectAltNames],
    ...(loadBalancing === undefined ? {} : { loadBalancing: { routingPreference: loadBalancing.preferences.map((scope) => SCOPES[scope]), mode: MODES[loadBalancing.mode], healthPolicy: HEALTH[loadBalancing.health] } }),
    ipFamilies: familiesOf(service.families),
    canonical: service.canonical,
    visibility: service.visibility === 'namespace' ? Visibility.NAMESPACE : Visibility.PUBLIC,
    extensions: [serviceNames(headless, ports), ...trafficExtension(service.traffic)],
  });
  return resource(toBinary(AddressSchema, create(AddressSchema, { type: { case: 'service', value } })));
}

function familiesOf(families: readonly string[]): IPFamilies {
  const [v4, v6] = [families.includes('IPv4'), families.includes('IPv6')];
  if (v4 && v6) return IPFamilies.DUAL;
  return v4 ? IPFamilies.IPV4_ONLY : v6 ? IPFamilies.IPV6_ONLY : IPFamilies.AUTOMATIC;
}
