/** What istiod is told of an import: a ServiceEntry, and WorkloadEntries where it can not hold its endpoints. */
import { createHash } from 'node:crypto';
import type { KubernetesObject, V1OwnerReference } from '@kubernetes/client-node';
import { spiffeId } from '@landbridge/core/identity.ts';
import { clustersetHost } from '@landbridge/core/names.ts';
import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import { MANAGED_BY, MANAGED_BY_LABEL, MCS_SERVICE_LABEL, MCS_SOURCE_LABEL } from '../../kubernetes/types.ts';
import type { ImportedService } from '../../merge/merge.ts';
import { derivedServiceName } from '../names.ts';
import { type EntryEndpoint, entryEndpoints, type EntryPort } from './entry-endpoints.ts';
import type { IstioContext } from './istio-context.ts';

/** Of the entries that are written. */
export const SERVICE_ENTRY_VERSION = 'networking.istio.io/v1';
/** istio/api: of one ServiceEntry. */
export const MAX_INLINE_ENDPOINTS = 4096;
/** Of one entry: a service with more accounts is not verified by those beyond. */
const MAX_SUBJECT_ALT_NAMES = 256;
/** By which a ServiceEntry finds its WorkloadEntries, and no Service of anybody else does. */
const ENTRY_LABEL = 'landbridge.dev/service-entry';

/** `addresses`: of the clusterset in this cluster. */
export function istioObjects(imported: ImportedService, addresses: readonly string[], ownerReferences: V1OwnerReference[], context: IstioContext): KubernetesObject[] {
  const ports = imported.ports.filter(({ protocol }) => protocol === 'TCP').map((port): EntryPort => ({ port, entryName: port.name || `tcp-${port.port}` }));
  const endpoints = entryEndpoints(imported, ports, context);
  const { namespace, name } = imported;
  const entryName = derivedServiceName(namespace, name);
  const isInline = fitsInline(endpoints, context);
  const entry = {
    apiVersion: SERVICE_ENTRY_VERSION,
    kind: 'ServiceEntry',
    metadata: { name: entryName, namespace, labels: { [MANAGED_BY_LABEL]: MANAGED_BY, [MCS_SERVICE_LABEL]: name }, annotations: redirection(isInline && endpoints.some(({ tunnel }) => tunnel), context), ownerReferences },
    spec: {
      hosts: [clustersetHost(namespace, name)],
      addresses: [...addresses],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: ports.map(({ port, entryName: name }) => ({ number: port.port, name, protocol: 'TCP' })),
      subjectAltNames: subjectAltNames(imported),
      endpoints: isInline ? endpoints.map(({ spec }) => spec) : undefined,
      workloadSelector: isInline ? undefined : { labels: { [ENTRY_LABEL]: entryName } },
    },
  } as KubernetesObject;
  // What is to be selected is there before the entry lets go of its own list.
  return [...(isInline ? [] : endpoints.map((endpoint) => workloadEntry(endpoint, imported, entryName, ownerReferences, context))), entry];
}

/** One entry is of HBONE as a whole or not at all, and knows its endpoints by their addresses. */
function fitsInline(endpoints: readonly EntryEndpoint[], { shape }: IstioContext): boolean {
  if (endpoints.length > MAX_INLINE_ENDPOINTS) return false;
  if (new Set(endpoints.map(({ spec }) => spec['address'])).size < endpoints.length) return false;
  return shape === 'sidecar' || endpoints.every(({ tunnel }) => tunnel === endpoints[0]?.tunnel);
}

/** As a captured pod has it; undefined takes it away. A label for it would say that the endpoint needs no agent (native tunnel). */
const redirection = (tunnel: boolean, { shape }: IstioContext): Readonly<Record<string, string | undefined>> => ({ [REDIRECTION_ANNOTATION]: tunnel && shape === 'ambient' ? 'enabled' : undefined });

function workloadEntry({ cluster, name, tunnel, spec }: EntryEndpoint, imported: ImportedService, entryName: string, ownerReferences: V1OwnerReference[], context: IstioContext): KubernetesObject {
  const { namespace } = imported;
  const part = createHash('sha256').update(`${name} ${String(spec['address'])}`).digest('hex').slice(0, 16);
  return {
    apiVersion: SERVICE_ENTRY_VERSION,
    kind: 'WorkloadEntry',
    metadata: { name: `${entryName}-${cluster}-${part}`, namespace, labels: { [MANAGED_BY_LABEL]: MANAGED_BY, [MCS_SERVICE_LABEL]: imported.name, [MCS_SOURCE_LABEL]: cluster, [ENTRY_LABEL]: entryName }, annotations: redirection(tunnel, context), ownerReferences },
    spec: { ...spec, labels: { ...(spec['labels'] as object), [ENTRY_LABEL]: entryName } },
  } as KubernetesObject;
}

/**
 * Whom ztunnel accepts besides: behind gateways these alone, and before them the identity that istiod gives endpoints,
 * which is always of its own trust domain.
 */
function subjectAltNames({ namespace, clusters }: ImportedService): readonly string[] {
  const found = new Set<string>();
  for (const { trustDomain, endpoints } of clusters) {
    for (const serviceAccount of new Set(endpoints.map((endpoint) => endpoint.serviceAccount))) {
      const id = spiffeId({ trustDomain, namespace, serviceAccount });
      if (id.ok) found.add(id.value);
    }
  }
  return [...found].sort().slice(0, MAX_SUBJECT_ALT_NAMES);
}
