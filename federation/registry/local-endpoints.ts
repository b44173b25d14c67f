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

/** Services of this cluster with their endpoints, by `<namespace>/<name>`; endpoints of imports are not among them. */
export function localServices(objects: ClusterObjects): ReadonlyMap<string, LocalService> {
  const pods = new Map(objects.pods.map((pod) => [keyOf(pod), pod]));
  const slices = new Map<string, V1EndpointSlice[]>();
  for (const slice of objects.slices) {
    const { labels = {}, namespace = '' } = slice.metadata ?? {};
    const name = labels[SERVICE_NAME_LABEL];
    if (name === undefined || labels[SLICE_MANAGER_LABEL] === SLICE_MANAGER) continue;
    const key = `${namespace}/${name}`;
    const list = slices.get(key);
    if (list === undefined) slices.set(key, [slice]);
    else list.push(slice);
  }
  return new Map(objects.services.map((service) => {
    const key = keyOf(service);
    return [key, { service, endpoints: mergeFamilies((slices.get(key) ?? []).flatMap((slice) => endpointsOf(slice, pods))) }];
  }));
}

/** Whether a pod's agent takes HBONE for it. */
export function takesHbone(pod: V1Pod | undefined): boolean {
  return pod?.metadata?.annotations?.[REDIRECTION_ANNOTATION] === 'enabled' && pod.spec?.hostNetwork !== true;
}

function endpointsOf(slice: V1EndpointSlice, pods: ReadonlyMap<string, V1Pod>): LocalEndpoint[] {
  if (slice.addressType === 'FQDN') return [];
  const ports = (slice.ports ?? []).flatMap(({ name, protocol, port, appProtocol }) => (port === undefined ? [] : [{ name: name ?? '', protocol: protocol ?? 'TCP', port, appProtocol }]));
  return (slice.endpoints ?? []).map((endpoint) => {
    const { namespace = slice.metadata?.namespace, name } = endpoint.targetRef?.kind === 'Pod' ? endpoint.targetRef : {};
    return {
      pod: name === undefined ? undefined : pods.get(`${namespace ?? ''}/${name}`),
      isPod: name !== undefined,
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
