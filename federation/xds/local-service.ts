import type { V1Service, V1ServicePort } from '@kubernetes/client-node';
import { clusterHost } from '@landbridge/core/names.ts';
import { routableAddress } from '@landbridge/core/routable-address.ts';
import type { WorkloadEntry } from '../entries/workload-entry.ts';
import { isOurs } from '../kubernetes/types.ts';
import type { LocalEndpoint, LocalService } from '../registry/local-endpoints.ts';
import { type Locality, NOWHERE } from '../registry/placement.ts';
import { affinityPolicy, serviceBalancing } from '../registry/service-balancing.ts';
import { usableEndpoints } from '../registry/usable-endpoints.ts';
import { endpointName } from './name-extensions.ts';
import { podUid, workloadEntryUid } from './resource-names.ts';
import { type ClusterIdentity, type MeshEndpoint, type MeshPort, type MeshService, servingPorts } from './service.ts';
import type { Workload } from './workload.ts';

/** What is to be known besides the Service and its endpoints. */
export interface LocalServiceContext extends ClusterIdentity {
  readonly localityOf: (node: string) => Locality;
  /** Those of a namespace that have all of the labels, sorted by name. */
  readonly workloadEntries: (namespace: string, labels: Readonly<Record<string, string>>) => readonly WorkloadEntry[];
  /** Whether an address of a load balancer leads to this Service alone. */
  readonly isOwnAddress: (address: string) => boolean;
}

/** A Service of this cluster; none for one of type ExternalName, which is a matter of DNS, and for a derived one, whose address belongs to its import. */
export function localMeshService({ service, endpoints }: LocalService, context: LocalServiceContext): MeshService | undefined {
  if (!isTold(service)) return undefined;
  const { namespace = '', name = '' } = service.metadata ?? {};
  const { spec } = service;
  const ports = meshPorts(spec?.ports ?? []);
  const headless = spec?.clusterIP === 'None';
  const usable = new Set(usableEndpoints(endpoints, spec?.internalTrafficPolicy === 'Local'));
  const found = new Map<string, MeshEndpoint>();
  for (const endpoint of endpoints) {
    const { pod } = endpoint;
    // A pod that is not known yet is waited for: by its address alone it would be dialled without a tunnel.
    if (pod === undefined && endpoint.isPod) continue;
    const workload = pod === undefined ? addressWorkload(endpoint, namespace, context) : undefined;
    if (pod === undefined && workload === undefined) continue;
    const uid = workload?.uid ?? podUid(context.cluster, pod?.metadata?.namespace ?? '', pod?.metadata?.name ?? '');
    found.set(uid, {
      workload,
      ports: servingPorts(ports, endpoint.ports),
      isUsable: usable.has(endpoint),
      name: headless && endpoint.ready ? endpointName(endpoint) : undefined,
    });
  }
  for (const [uid, endpoint] of selectedEntries(service, context)) found.set(uid, endpoint);
  return {
    namespace,
    name,
    hostname: clusterHost(namespace, name, context.domain),
    addresses: [...(spec?.clusterIPs ?? []).filter((ip) => ip !== 'None' && ip !== ''), ...balancerAddresses(service).filter(context.isOwnAddress)],
    ranges: [],
    ports,
    headless,
    families: spec?.ipFamilies ?? [],
    loadBalancing: serviceBalancing(service),
    traffic: affinityPolicy(spec?.sessionAffinity),
    canonical: true,
    visibility: 'public',
    subjectAltNames: [],
    endpoints: found,
  };
}

const meshPorts = (ports: readonly V1ServicePort[]): MeshPort[] => ports.filter(({ port }) => port !== undefined).map(({ name = '', protocol = 'TCP', port, appProtocol }) => ({ name, protocol, port, appProtocol }));

/** Whether agents are told of it as a Service of this cluster. */
export function isTold(service: V1Service): boolean {
  return !isOurs(service) && service.spec?.type !== 'ExternalName';
}

/** All addresses that lead to it, for its own sake or for that of an import. */
export function serviceAddresses(service: V1Service): readonly string[] {
  return [...(service.spec?.clusterIPs ?? []).flatMap((text) => routableAddress(text) ?? []), ...balancerAddresses(service)];
}

/**
 * Addresses of load balancers that lead straight to the endpoints here, as kube-proxy has it too. Those of KEP-1860 that
 * are proxies do something on the way. Any text may stand there, and some controllers put addresses of nodes.
 */
export function balancerAddresses({ spec, status }: V1Service): readonly string[] {
  if (spec?.type !== 'LoadBalancer') return [];
  return (status?.loadBalancer?.ingress ?? []).filter(({ ipMode }) => ipMode !== 'Proxy').map(({ ip }) => routableAddress(ip ?? '')).filter((ip) => ip !== undefined);
}

/** An endpoint that no pod has, such as the API server's. Its name is as Istio's for the same. */
function addressWorkload(endpoint: LocalEndpoint, namespace: string, { cluster, trustDomain, network, localityOf }: LocalServiceContext): Workload | undefined {
  const addresses = endpoint.addresses.map(routableAddress).filter((address) => address !== undefined);
  if (addresses.length === 0) return undefined;
  const node = endpoint.node ?? '';
  const locality = node === '' ? NOWHERE : localityOf(node);
  return {
    uid: `${cluster}/discovery.k8s.io/EndpointSlice/${namespace}/${endpoint.slice}/${addresses.join()}`,
    name: endpoint.slice,
    namespace,
    addresses,
    hostname: '',
    network,
    tunnel: false,
    trustDomain,
    serviceAccount: '',
    node,
    cluster,
    hostNetwork: true,
    healthy: true,
    locality: { ...locality, zone: endpoint.zone ?? locality.zone },
    capacity: undefined,
    authorizationPolicies: [],
    workloadType: 'pod',
    workloadName: endpoint.slice,
    canonicalName: endpoint.slice,
    canonicalRevision: 'latest',
  };
}

/** WorkloadEntries that a Service selects beside pods, as istiod has it: no EndpointSlice names them. */
function selectedEntries({ metadata, spec }: V1Service, { cluster, workloadEntries }: LocalServiceContext): [string, MeshEndpoint][] {
  const { selector = {}, clusterIP, ports = [] } = spec ?? {};
  if (Object.keys(selector).length === 0) return [];
  return workloadEntries(metadata?.namespace ?? '', selector).map(({ namespace, name, endpoint, isHealthy }) => {
    const targets = ports.flatMap((port) => {
      const target = entryPort(port, endpoint.ports);
      return target === undefined ? [] : [{ name: port.name ?? '', protocol: port.protocol ?? 'TCP', port: target }];
    });
    const named = { addresses: endpoint.address === undefined ? [] : [endpoint.address], ports: targets };
    return [workloadEntryUid(cluster, namespace, name), { workload: undefined, ports: servingPorts(meshPorts(ports), targets), isUsable: isHealthy, name: clusterIP === 'None' && isHealthy && named.addresses.length > 0 ? endpointName(named) : undefined }];
  });
}

/** By the name that the Service has for its target, else by that of its port; a name that the entry lacks is no port of it. */
function entryPort({ name = '', port, targetPort }: V1ServicePort, ports: ReadonlyMap<string, number>): number | undefined {
  return typeof targetPort === 'string' ? ports.get(targetPort) : (ports.get(name) ?? targetPort ?? port);
}
