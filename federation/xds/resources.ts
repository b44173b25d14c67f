import { createHash } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import type { V1Pod } from '@kubernetes/client-node';
import { ipBytes, parseIp } from '@landbridge/core/ip-address.ts';
import { CLUSTERSET_DOMAIN, clusterHost, clustersetHost } from '@landbridge/core/names.ts';
import type { Endpoint } from '@landbridge/core/records.ts';
import type { EndpointName } from '@landbridge/wire/gen/names_pb.js';
import { TrustBundleSchema } from '@landbridge/wire/gen/trust_pb.js';
import { AddressSchema, IPFamilies, NetworkMode, type Port, PortListSchema, PortSchema, ServiceSchema, TunnelProtocol, WorkloadSchema, WorkloadStatus, WorkloadType } from '@landbridge/wire/gen/workload_pb.js';
import { isOurs } from '../kubernetes/types.ts';
import type { ImportedService } from '../merge/merge.ts';
import { type LocalEndpoint, type LocalService, takesHbone } from '../registry/local-endpoints.ts';
import { endpointName, endpointNames, type Port as NamedPort, serviceNames, type ToldEndpoint } from './name-extensions.ts';

export interface Resource {
  /** Changes with the bytes. */
  readonly version: string;
  readonly bytes: Uint8Array;
}

export interface AddressInputs {
  readonly cluster: string;
  readonly trustDomain: string;
  readonly network: string;
  readonly domain: string;
  readonly pods: readonly V1Pod[];
  readonly services: ReadonlyMap<string, LocalService>;
  /** Policies that a pod of this cluster names, sorted. */
  readonly policiesOf: (namespace: string, labels: Readonly<Record<string, string>>) => readonly string[];
  /** With the clusterset addresses that they have here. */
  readonly imports: readonly { readonly imported: ImportedService; readonly addresses: readonly string[] }[];
}

type PortMap = Map<number, number>;

/** A workload before it is encoded; one may be an endpoint of several services. */
interface WorkloadDraft {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly addresses: readonly string[];
  readonly network: string;
  readonly tunnel: boolean;
  readonly trustDomain: string;
  readonly serviceAccount: string;
  readonly node: string;
  readonly cluster: string;
  readonly hostNetwork: boolean;
  readonly healthy: boolean;
  readonly region: string;
  readonly zone: string;
  /** Of other clusters' workloads none: their own agents have them. */
  readonly authorizationPolicies: readonly string[];
  readonly services: Map<string, PortMap>;
  /** Of headless services, by their keys. */
  readonly names: Map<string, EndpointName>;
}

/** All workloads and services that agents of this cluster balance over, by resource name. */
export function addressResources(inputs: AddressInputs): ReadonlyMap<string, Resource> {
  const workloads = new Map<string, WorkloadDraft>();
  const resources = new Map<string, Resource>();
  for (const pod of inputs.pods) {
    const draft = localWorkload(pod, inputs);
    if (draft !== undefined) workloads.set(draft.uid, draft);
  }
  for (const { service, endpoints } of inputs.services.values()) {
    // The address of a derived Service belongs to the import.
    if (isOurs(service) || service.spec?.type === 'ExternalName') continue;
    const { namespace = '', name = '' } = service.metadata ?? {};
    const host = clusterHost(namespace, name, inputs.domain);
    const ports = (service.spec?.ports ?? []).map(({ name: portName = '', protocol = 'TCP', port }) => ({ name: portName, protocol, port }));
    const addresses = (service.spec?.clusterIPs ?? []).filter((ip) => ip !== 'None' && ip !== '');
    const headless = service.spec?.clusterIP === 'None';
    resources.set(`${namespace}/${host}`, encodeService({ namespace, name, hostname: host, addresses, ports, headless, network: inputs.network }));
    for (const endpoint of endpoints) {
      const draft = workloads.get(podUid(inputs.cluster, endpoint.pod)) ?? addressWorkload(endpoint, namespace, inputs, workloads);
      addEndpoint(draft, { key: `${namespace}/${host}`, ports, headless }, endpoint);
    }
  }
  for (const { imported, addresses } of inputs.imports) {
    const { namespace, name } = imported;
    const host = clustersetHost(namespace, name);
    const { ports } = imported;
    const headless = imported.type === 'Headless';
    resources.set(`${namespace}/${host}`, encodeService({ namespace, name, hostname: host, addresses, ports, headless, network: inputs.network }));
    for (const part of imported.clusters) {
      for (const endpoint of part.endpoints) {
        const uid = workloadUid(part.cluster, namespace, endpoint.workload);
        let draft = workloads.get(uid);
        if (draft === undefined && part.cluster !== inputs.cluster) workloads.set(uid, (draft = remoteWorkload(uid, namespace, endpoint, part)));
        if (draft !== undefined) addEndpoint(draft, { key: `${namespace}/${host}`, ports, headless }, endpoint);
      }
    }
  }
  for (const draft of workloads.values()) resources.set(draft.uid, encodeWorkload(draft));
  return resources;
}

/** The roots of each trust domain, by its name. */
export function trustBundleResources(roots: ReadonlyMap<string, readonly Uint8Array[]>): ReadonlyMap<string, Resource> {
  return new Map([...roots].map(([trustDomain, certificates]) => [trustDomain, resource(toBinary(TrustBundleSchema, create(TrustBundleSchema, { trustDomain, roots: [...certificates] })))]));
}

export function workloadUid(cluster: string, namespace: string, name: string): string {
  return `${cluster}//Pod/${namespace}/${name}`;
}

/** The cluster that a resource's existence depends on: of a workload its own, of an import all (`*`), of a service here none. */
export function sourceOf(name: string): string | '*' | undefined {
  const workload = /^([^/]+)\/[^/]*\/[^/]+\/[^/]+\/.+$/.exec(name);
  if (workload !== null) return workload[1];
  return name.endsWith(`.${CLUSTERSET_DOMAIN}`) ? '*' : undefined;
}

const podUid = (cluster: string, pod: V1Pod | undefined): string => (pod === undefined ? '' : workloadUid(cluster, pod.metadata?.namespace ?? '', pod.metadata?.name ?? ''));

const isTcp = ({ protocol }: { readonly protocol?: string }): boolean => (protocol ?? 'TCP') === 'TCP';

function localWorkload(pod: V1Pod, { cluster, trustDomain, network, policiesOf }: AddressInputs): WorkloadDraft | undefined {
  const { metadata, spec, status } = pod;
  const addresses = (status?.podIPs ?? []).map(({ ip }) => ip).filter((ip) => ip !== undefined);
  if (addresses.length === 0 || status?.phase === 'Succeeded' || status?.phase === 'Failed') return undefined;
  const ready = status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;
  return {
    uid: podUid(cluster, pod),
    name: metadata?.name ?? '',
    namespace: metadata?.namespace ?? '',
    addresses,
    network,
    tunnel: takesHbone(pod),
    trustDomain,
    serviceAccount: spec?.serviceAccountName ?? 'default',
    node: spec?.nodeName ?? '',
    cluster,
    hostNetwork: spec?.hostNetwork === true,
    healthy: ready,
    region: '',
    zone: '',
    authorizationPolicies: policiesOf(metadata?.namespace ?? '', metadata?.labels ?? {}),
    services: new Map(),
    names: new Map(),
  };
}

/** An endpoint that no pod has, such as the API server's. Its name is as Istio's for the same. */
function addressWorkload(endpoint: LocalEndpoint, namespace: string, { cluster, trustDomain, network }: AddressInputs, workloads: Map<string, WorkloadDraft>): WorkloadDraft {
  const uid = `${cluster}/discovery.k8s.io/EndpointSlice/${namespace}/${endpoint.slice}/${endpoint.addresses.join()}`;
  const known = workloads.get(uid);
  if (known !== undefined) return known;
  const draft: WorkloadDraft = { uid, name: endpoint.slice, namespace, addresses: endpoint.addresses, network, tunnel: false, trustDomain, serviceAccount: '', node: endpoint.node ?? '', cluster, hostNetwork: true, healthy: true, region: '', zone: '', authorizationPolicies: [], services: new Map(), names: new Map() };
  workloads.set(uid, draft);
  return draft;
}

function remoteWorkload(uid: string, namespace: string, endpoint: Endpoint, part: { readonly cluster: string; readonly trustDomain: string; readonly network: string }): WorkloadDraft {
  const { workload, addresses, tunnel, serviceAccount, node, region, zone, ready } = endpoint;
  return { uid, name: workload, namespace, addresses, network: part.network, tunnel: tunnel === 'hbone', trustDomain: part.trustDomain, serviceAccount, node, cluster: part.cluster, hostNetwork: false, healthy: ready, region, zone, authorizationPolicies: [], services: new Map(), names: new Map() };
}

/**
 * Only ready endpoints serve: a workload that is not ready has no ports in the service, and no name. An API server calls
 * those ready that a Service publishes before they are (publishNotReadyAddresses).
 */
function addEndpoint(draft: WorkloadDraft, { key, ports, headless }: { readonly key: string; readonly ports: readonly NamedPort[]; readonly headless: boolean }, endpoint: ToldEndpoint & { readonly ready: boolean }): void {
  if (!endpoint.ready) return;
  if (headless) draft.names.set(key, endpointName(endpoint));
  const map: PortMap = draft.services.get(key) ?? new Map();
  for (const { name, port } of ports.filter(isTcp)) {
    const target = endpoint.ports.find((candidate) => candidate.name === name && isTcp(candidate));
    if (target !== undefined) map.set(port, target.port);
  }
  if (map.size > 0) draft.services.set(key, map);
}

function encodeWorkload(draft: WorkloadDraft): Resource {
  const { uid, name, namespace, network, trustDomain, serviceAccount, node, region, zone } = draft;
  const value = create(WorkloadSchema, {
    uid,
    name,
    namespace,
    addresses: draft.addresses.flatMap(addressBytes),
    network,
    tunnelProtocol: draft.tunnel ? TunnelProtocol.HBONE : TunnelProtocol.NONE,
    trustDomain,
    serviceAccount,
    node,
    canonicalName: name,
    canonicalRevision: 'latest',
    workloadType: WorkloadType.POD,
    workloadName: name,
    authorizationPolicies: [...draft.authorizationPolicies],
    services: Object.fromEntries([...draft.services].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, ports]) => [key, create(PortListSchema, { ports: [...ports].sort(([a], [b]) => a - b).map(([servicePort, targetPort]) => create(PortSchema, { servicePort, targetPort })) })])),
    // A workload without a ready endpoint is still an address to be reached directly.
    status: draft.healthy || draft.services.size > 0 ? WorkloadStatus.HEALTHY : WorkloadStatus.UNHEALTHY,
    clusterId: draft.cluster,
    ...(region === '' && zone === '' ? {} : { locality: { region, zone, subzone: '' } }),
    networkMode: draft.hostNetwork ? NetworkMode.HOST_NETWORK : NetworkMode.STANDARD,
    extensions: endpointNames(draft.names),
  });
  return resource(toBinary(AddressSchema, create(AddressSchema, { type: { case: 'workload', value } })));
}

interface ServiceDraft {
  readonly namespace: string;
  readonly name: string;
  readonly hostname: string;
  readonly addresses: readonly string[];
  readonly ports: readonly NamedPort[];
  readonly headless: boolean;
  readonly network: string;
}

function encodeService({ namespace, name, hostname, addresses, ports, headless, network }: ServiceDraft): Resource {
  const value = create(ServiceSchema, {
    name,
    namespace,
    hostname,
    addresses: addresses.flatMap(addressBytes).map((address) => ({ network, address })),
    // Target ports are the workloads': with one here, an endpoint without the port would be dialled all the same.
    ports: ports.filter(isTcp).map(({ port }): Port => create(PortSchema, { servicePort: port, targetPort: 0 })),
    ipFamilies: IPFamilies.AUTOMATIC,
    canonical: true,
    extensions: [serviceNames(headless, ports)],
  });
  return resource(toBinary(AddressSchema, create(AddressSchema, { type: { case: 'service', value } })));
}

export function resource(bytes: Uint8Array): Resource {
  return { version: createHash('sha256').update(bytes).digest('base64url').slice(0, 16), bytes };
}

/** Peers may say any text: what is no address, or one that only means something on its own host, is left out. */
function addressBytes(text: string): Uint8Array[] {
  const ip = parseIp(text);
  return ip.ok ? [ipBytes(ip.value)] : [];
}
