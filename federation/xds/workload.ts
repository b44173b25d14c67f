import { create, toBinary } from '@bufbuild/protobuf';
import type { EndpointName } from '@landbridge/wire/gen/names_pb.js';
import { AddressSchema, AppProtocol, GatewayAddressSchema, NamespacedHostnameSchema, NetworkMode, type PortList, PortListSchema, PortSchema, TunnelProtocol, WorkloadSchema, WorkloadStatus, WorkloadType } from '@landbridge/wire/gen/workload_pb.js';
import type { ApplicationProtocol } from '../registry/application-protocol.ts';
import type { Locality } from '../registry/placement.ts';
import type { WorkloadNames } from '../registry/workload-names.ts';
import { endpointNames } from './name-extensions.ts';
import { addressBytes, type Resource, resource } from './resource.ts';
import { restingExtension } from './resting-extension.ts';

/** Something that takes connections, whatever services it is behind. */
export interface Workload extends WorkloadNames {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** Texts that are no addresses count as none. */
  readonly addresses: readonly string[];
  /** To be resolved where there are no addresses; empty otherwise. */
  readonly hostname: string;
  readonly network: string;
  /** How other networks reach it. */
  readonly networkGateway?: { readonly namespace: string; readonly hostname: string; readonly port: number };
  readonly tunnel: boolean;
  /** Whether it speaks HBONE itself, without an agent. */
  readonly nativeTunnel?: boolean;
  readonly trustDomain: string;
  readonly serviceAccount: string;
  readonly node: string;
  readonly cluster: string;
  readonly hostNetwork: boolean;
  readonly healthy: boolean;
  readonly locality: Locality;
  /** Its share of connections; undefined for one. */
  readonly capacity: number | undefined;
  /** Of other clusters' workloads none: their own agents have them. */
  readonly authorizationPolicies: readonly string[];
}

/** What a service says of a workload behind it. Plain data, so that what is the same has the same JSON. */
export interface Serving {
  readonly ports: readonly ServingPort[];
  /** Whether new connections may go to it. What is on its way by the service's name finds its ports in any case. */
  readonly isUsable: boolean;
  /** Of a headless service. */
  readonly name: EndpointName | undefined;
}

export interface ServingPort {
  /** Of the service. */
  readonly port: number;
  /** Of the workload. */
  readonly target: number;
  readonly protocol: ApplicationProtocol;
}

export const PROTOCOLS = {
  unknown: AppProtocol.UNKNOWN,
  http1: AppProtocol.HTTP11,
  http2: AppProtocol.HTTP2,
  grpc: AppProtocol.GRPC,
  tcp: AppProtocol.TCP,
  tls: AppProtocol.TLS,
} as const satisfies Record<ApplicationProtocol, AppProtocol>;

const TYPES = { deployment: WorkloadType.DEPLOYMENT, cronjob: WorkloadType.CRONJOB, pod: WorkloadType.POD, job: WorkloadType.JOB } as const satisfies Record<Workload['workloadType'], WorkloadType>;

/**
 * As an istio.workload.Address; `services` by key. The order in which they come makes no difference. Services that send
 * the workload no new connections are told apart, for its own agent alone: calls that name such a service may have been
 * sent before that was known, and nothing else says at which port they are to arrive. Istio's API has one status for all
 * services of a workload, of which some may use it when others do not.
 */
export function encodeWorkload(workload: Workload, services: ReadonlyMap<string, Serving>): Resource {
  const { uid, name, namespace, hostname, network, trustDomain, serviceAccount, node, canonicalName, canonicalRevision, workloadName, locality, capacity, networkGateway } = workload;
  const sorted = [...services].sort(([a], [b]) => (a < b ? -1 : 1));
  const served = sorted.filter(([, { ports }]) => ports.length > 0);
  const used = served.filter(([, { isUsable }]) => isUsable);
  const value = create(WorkloadSchema, {
    uid,
    name,
    namespace,
    addresses: workload.addresses.flatMap(addressBytes),
    hostname,
    network,
    tunnelProtocol: workload.tunnel ? TunnelProtocol.HBONE : TunnelProtocol.NONE,
    nativeTunnel: workload.nativeTunnel === true,
    trustDomain,
    serviceAccount,
    node,
    canonicalName,
    canonicalRevision,
    workloadType: TYPES[workload.workloadType],
    workloadName,
    authorizationPolicies: [...workload.authorizationPolicies],
    services: portLists(used),
    // One that nothing goes to by a service is still an address to be reached directly.
    status: workload.healthy || used.length > 0 ? WorkloadStatus.HEALTHY : WorkloadStatus.UNHEALTHY,
    clusterId: workload.cluster,
    ...(locality.region === '' && locality.zone === '' && locality.subzone === '' ? {} : { locality: { ...locality } }),
    networkMode: workload.hostNetwork ? NetworkMode.HOST_NETWORK : NetworkMode.STANDARD,
    extensions: [...endpointNames(new Map(sorted.flatMap(([key, each]) => (each.name === undefined ? [] : [[key, each.name]])))), ...restingExtension(portLists(served.filter(([, { isUsable }]) => !isUsable)))],
    ...(capacity === undefined ? {} : { capacity }),
    ...(networkGateway === undefined ? {} : { networkGateway: create(GatewayAddressSchema, { destination: { case: 'hostname', value: create(NamespacedHostnameSchema, { namespace: networkGateway.namespace, hostname: networkGateway.hostname }) }, hboneMtlsPort: networkGateway.port }) }),
  });
  return resource(toBinary(AddressSchema, create(AddressSchema, { type: { case: 'workload', value } })));
}

function portLists(services: readonly (readonly [key: string, serving: Serving])[]): Record<string, PortList> {
  return Object.fromEntries(services.map(([key, { ports }]) => [key, create(PortListSchema, { ports: ports.map(({ port, target, protocol }) => create(PortSchema, { servicePort: port, targetPort: target, appProtocol: PROTOCOLS[protocol] })) })]));
}
