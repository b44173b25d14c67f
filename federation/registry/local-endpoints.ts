import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import type { V1Endpoint, V1EndpointSlice, V1Pod, V1Service } from '@kubernetes/client-node';
import { type ClusterObjects, keyOf, SERVICE_NAME_LABEL, SLICE_MANAGER, SLICE_MANAGER_LABEL } from '../kubernetes/types.ts';

/** One endpoint of a service of this cluster. */
export interface LocalEndpoint {
  /** Undefined for addresses that no pod has: external ones, or the API server's. */
  readonly pod: V1Pod | undefined;
  /** Whether a pod has it, also while that pod is not known yet. */
  readonly isPod: boolean;
  /** Distinguishes endpoints without a pod. */
  readonly slice: string;
  readonly addresses: readonly string[];
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number; readonly appProtocol: string | undefined }[];
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zone: string | undefined;
  readonly node: string | undefined;
  readonly hostname: string | undefined;
}

export interface LocalService {
  readonly service: V1Service;
  readonly endpoints: readonly LocalEndpoint[];
}

type PodOf = (key: string) => V1Pod | undefined;

/** Services of this cluster with their endpoints, by `<namespace>/<name>`; endpoints of imports are not among them. What {@link LocalIndex} keeps up to date is this. */
export function localServices(objects: ClusterObjects): ReadonlyMap<string, LocalService> {
  const pods = new Map(objects.pods.map((pod) => [keyOf(pod), pod]));
  const slices = new Map<string, V1EndpointSlice[]>();
  for (const slice of objects.slices) {
    const key = serviceOfSlice(slice);
    if (key === undefined) continue;
    const list = slices.get(key);
    if (list === undefined) slices.set(key, [slice]);
    else list.push(slice);
  }
  return new Map(objects.services.map((service) => [keyOf(service), localService(service, slices.get(keyOf(service)) ?? [], (key) => pods.get(key))]));
}

/** `<namespace>/<name>` of the service that a slice belongs to; none for our own slices of imports. */
export function serviceOfSlice({ metadata }: V1EndpointSlice): string | undefined {
  const { labels = {}, namespace = '' } = metadata ?? {};
  const name = labels[SERVICE_NAME_LABEL];
  return name === undefined || labels[SLICE_MANAGER_LABEL] === SLICE_MANAGER ? undefined : `${namespace}/${name}`;
}

/** The result does not depend on the order of the slices. */
export function localService(service: V1Service, slices: readonly V1EndpointSlice[], podOf: PodOf): LocalService {
  const sorted = [...slices].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  return { service, endpoints: mergeFamilies(sorted.flatMap((slice) => endpointsOf(slice, podOf))) };
}

/** `<namespace>/<name>` of the pod that has the endpoint, as far as one is said to. */
export function podOfEndpoint({ targetRef }: V1Endpoint, slice: V1EndpointSlice): string | undefined {
  if (targetRef?.kind !== 'Pod' || targetRef.name === undefined) return undefined;
  return `${targetRef.namespace ?? slice.metadata?.namespace ?? ''}/${targetRef.name}`;
}

/** Whether a pod's agent takes HBONE for it. */
export function takesHbone(pod: V1Pod | undefined): boolean {
  return pod?.metadata?.annotations?.[REDIRECTION_ANNOTATION] === 'enabled' && pod.spec?.hostNetwork !== true;
}

function endpointsOf(slice: V1EndpointSlice, podOf: PodOf): LocalEndpoint[] {
  if (slice.addressType === 'FQDN') return [];
  const ports = (slice.ports ?? []).flatMap(({ name, protocol, port, appProtocol }) => (port === undefined ? [] : [{ name: name ?? '', protocol: protocol ?? 'TCP', port, appProtocol }]));
  return (slice.endpoints ?? []).map((endpoint) => {
    const pod = podOfEndpoint(endpoint, slice);
    return {
      pod: pod === undefined ? undefined : podOf(pod),
      isPod: pod !== undefined,
      slice: slice.metadata?.name ?? '',
      addresses: (endpoint.addresses ?? []).slice(0, 1),
      ports,
      ...conditions(endpoint),
      zone: endpoint.zone,
      node: endpoint.nodeName,
      hostname: endpoint.hostname,
    };
  });
}

/** EndpointSlice v1, EndpointConditions: unknown means ready, and serving follows ready. */
function conditions({ conditions: told }: V1Endpoint): { ready: boolean; serving: boolean; terminating: boolean } {
  const ready = told?.ready ?? true;
  return { ready, serving: told?.serving ?? ready, terminating: told?.terminating ?? false };
}

/** A dual-stack pod is in a slice of each family: here it is one endpoint with two addresses. */
function mergeFamilies(endpoints: readonly LocalEndpoint[]): LocalEndpoint[] {
  const merged = new Map<string, LocalEndpoint>();
  for (const endpoint of endpoints) {
    const key = endpoint.pod === undefined ? `${endpoint.slice} ${endpoint.addresses.join()}` : keyOf(endpoint.pod);
    const known = merged.get(key);
    merged.set(key, known === undefined ? endpoint : { ...known, addresses: [...new Set([...known.addresses, ...endpoint.addresses])].slice(0, 2) });
  }
  return [...merged.values()];
}
