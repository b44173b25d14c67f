import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { KubernetesObject, V1EndpointSlice, V1OwnerReference, V1Service } from '@kubernetes/client-node';
import type { Endpoint } from '@landbridge/core/records.ts';
import { keyOf, MANAGED_BY, MANAGED_BY_LABEL, MCS_SERVICE_LABEL, MCS_SOURCE_LABEL, MCS_VERSION, type ServiceImport, SERVICE_NAME_LABEL, SLICE_MANAGER, SLICE_MANAGER_LABEL } from '../kubernetes/types.ts';
import type { ImportedService } from '../merge/merge.ts';
import { exposedPorts } from '../merge/merge-ports.ts';
import { clustersetAddresses, familyOf } from './clusterset-addresses.ts';
import { importMetadata } from './import-metadata.ts';
import { ALONE_IN_ISTIO, type IstioContext } from './istio/istio-context.ts';
import { istioObjects } from './istio/service-entry.ts';
import { isPassedOverDirectly } from '../peers/standing.ts';
import { CLOSED_NAMESPACES, derivedServiceName } from './names.ts';

/** EndpointSlice v1: at most 1000 endpoints. */
const MAX_ENDPOINTS = 1000;

export interface ExistingObjects {
  /** Whose objects they are: what of its endpoints is this cluster's own is said of no others. */
  readonly cluster: string;
  /** By `<namespace>/<name>`. */
  readonly imports: Pick<ReadonlyMap<string, ServiceImport>, 'get'>;
  readonly services: Pick<ReadonlyMap<string, V1Service>, 'get'>;
  readonly namespaces: Pick<ReadonlySet<string>, 'has'>;
  /** Whether Istio's ServiceEntry is installed. */
  readonly serviceEntries: boolean;
  /** How it is spoken to. */
  readonly istio?: IstioContext;
}

export interface DesiredObjects {
  /** In the order of writing: an object's owner comes before it. */
  readonly objects: readonly KubernetesObject[];
  /** Imports that can not be written, with the reason. */
  readonly skipped: ReadonlyMap<string, string>;
}

/** The objects that make imports known to a cluster. What depends on an object that is not there yet follows once it is. */
export function desiredObjects(imports: Iterable<ImportedService>, existing: ExistingObjects): DesiredObjects {
  const objects: KubernetesObject[] = [];
  const skipped = new Map<string, string>();
  for (const imported of imports) {
    const key = `${imported.namespace}/${imported.name}`;
    const reason = reasonToSkip(imported, existing);
    if (reason !== undefined) skipped.set(key, reason);
    else objects.push(...objectsOf(imported, existing));
  }
  return { objects, skipped };
}

/** Why an import is not written; undefined for one that is. */
export function reasonToSkip({ namespace, name, type, ports }: ImportedService, existing: Pick<ExistingObjects, 'imports' | 'services' | 'namespaces'>): string | undefined {
  if (CLOSED_NAMESPACES.has(namespace)) return `nothing is imported into ${namespace}`;
  if (!existing.namespaces.has(namespace)) return `there is no namespace ${namespace} here`;
  // A Service needs one; only a headless one can do without.
  if (type === 'ClusterSetIP' && ports.length === 0) return 'no cluster says a port of it';
  const derived = derivedServiceName(namespace, name);
  for (const object of [existing.imports.get(`${namespace}/${name}`), existing.services.get(`${namespace}/${derived}`)]) {
    if (object !== undefined && object.metadata?.labels?.[MANAGED_BY_LABEL] !== MANAGED_BY) return `${object.kind ?? 'an object'} ${keyOf(object)} is somebody else's`;
  }
  return undefined;
}

function objectsOf(imported: ImportedService, existing: ExistingObjects): KubernetesObject[] {
  const { namespace, name } = imported;
  const derived = derivedServiceName(namespace, name);
  const service = existing.services.get(`${namespace}/${derived}`);
  const ips = clustersetAddresses(imported, service);
  const serviceImport = makeImport(imported, derived, ips);
  const owner = existing.imports.get(`${namespace}/${name}`);
  if (owner?.metadata?.uid === undefined) return [serviceImport];
  const ownerReferences: V1OwnerReference[] = [{ apiVersion: MCS_VERSION, kind: 'ServiceImport', name, uid: owner.metadata.uid }];
  const derivedService = makeService(imported, derived, ownerReferences);
  if (service === undefined) return [serviceImport, derivedService];
  // A Service can not become headless or cease to be: the old one is not wished for, and the new one follows once it is gone.
  if ((service.spec?.clusterIP === 'None') !== (imported.type === 'Headless')) return [serviceImport];
  return [
    serviceImport,
    derivedService,
    ...makeSlices(imported, derived, ownerReferences, existing.cluster),
    ...(existing.serviceEntries && ips.length > 0 ? istioObjects(imported, ips, ownerReferences, existing.istio ?? ALONE_IN_ISTIO) : []),
  ];
}

/** What is undefined is taken away from an object that still has it. */
const portsOf = ({ ports }: ImportedService): object[] => ports.map(({ name, protocol, port, appProtocol }) => ({ name: name === '' ? undefined : name, protocol, port, appProtocol }));

function makeImport(imported: ImportedService, derived: string, ips: readonly string[]): KubernetesObject {
  const { namespace, name, type, ipFamilies, sessionAffinity, sessionAffinityTimeoutSeconds, internalTrafficPolicy, trafficDistribution } = imported;
  return {
    apiVersion: MCS_VERSION,
    kind: 'ServiceImport',
    metadata: { name, namespace, ...importMetadata(imported, derived) },
    spec: {
      type,
      ports: portsOf(imported),
      ips: type === 'ClusterSetIP' ? [...ips] : undefined,
      // Those that it has here, once it has any: an address for each, in the same order.
      ipFamilies: ips.length > 0 ? ips.map(familyOf) : [...ipFamilies],
      internalTrafficPolicy,
      trafficDistribution,
      sessionAffinity,
      sessionAffinityConfig: sessionAffinityTimeoutSeconds === undefined ? undefined : { clientIP: { timeoutSeconds: sessionAffinityTimeoutSeconds } },
    },
  } as KubernetesObject;
}

function makeService(imported: ImportedService, derived: string, ownerReferences: V1OwnerReference[]): KubernetesObject {
  const { namespace, name, type, sessionAffinity, sessionAffinityTimeoutSeconds, internalTrafficPolicy = 'Cluster' } = imported;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: derived, namespace, labels: { [MANAGED_BY_LABEL]: MANAGED_BY, [MCS_SERVICE_LABEL]: name }, ownerReferences },
    spec: {
      type: 'ClusterIP',
      // An address of each family that the cluster has: which these are nothing else tells.
      ...(type === 'Headless' ? { clusterIP: 'None' } : { ipFamilyPolicy: 'PreferDualStack' }),
      internalTrafficPolicy,
      ports: portsOf(imported),
      sessionAffinity,
      ...(sessionAffinity === 'ClientIP' && sessionAffinityTimeoutSeconds !== undefined ? { sessionAffinityConfig: { clientIP: { timeoutSeconds: sessionAffinityTimeoutSeconds } } } : {}),
    },
  } as KubernetesObject;
}

/**
 * A slice for each cluster, family and set of target ports, since all endpoints of a slice share its ports. An endpoint
 * that has none of the import's ports is left out: a slice without ports would lead every port to it. Who goes by slices has
 * no way through a gateway: other networks have none.
 */
function makeSlices(imported: ImportedService, derived: string, ownerReferences: V1OwnerReference[], own: string): V1EndpointSlice[] {
  return imported.clusters.filter(({ reach = 'direct' }) => reach === 'direct').flatMap((part) => {
    const { cluster, ports: exposed, endpoints } = part;
    const isReady = ({ ready }: Endpoint): boolean => ready && !isPassedOverDirectly(imported, part);
    const exposedHere = exposedPorts(imported.ports, exposed);
    const groups = new Map<string, { addressType: string; ports: Endpoint['ports']; endpoints: { address: string; endpoint: Endpoint }[] }>();
    for (const endpoint of endpoints) {
      const ports = exposedHere.flatMap(({ name, protocol }) => endpoint.ports.filter((port) => port.name === name && port.protocol === protocol));
      if (ports.length === 0 && imported.ports.length > 0) continue;
      for (const address of endpoint.addresses) {
        const addressType = isIPv6(address) ? 'IPv6' : 'IPv4';
        const key = `${addressType} ${JSON.stringify(ports)}`;
        let group = groups.get(key);
        if (group === undefined) groups.set(key, (group = { addressType, ports, endpoints: [] }));
        group.endpoints.push({ address, endpoint });
      }
    }
    return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([key, group]) => {
      const sorted = group.endpoints.sort((a, b) => (a.address < b.address ? -1 : 1));
      const part = createHash('sha256').update(key).digest('hex').slice(0, 6);
      return Array.from({ length: Math.ceil(sorted.length / MAX_ENDPOINTS) }, (_, index) => ({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          name: `${derived}-${cluster}-${part}${index === 0 ? '' : `-${index}`}`,
          namespace: imported.namespace,
          labels: { [MANAGED_BY_LABEL]: MANAGED_BY, [SLICE_MANAGER_LABEL]: SLICE_MANAGER, [SERVICE_NAME_LABEL]: derived, [MCS_SERVICE_LABEL]: imported.name, [MCS_SOURCE_LABEL]: cluster },
          ownerReferences,
        },
        addressType: group.addressType,
        ports: group.ports.map(({ name, protocol, port }) => ({ name, protocol, port })),
        endpoints: sorted.slice(index * MAX_ENDPOINTS, (index + 1) * MAX_ENDPOINTS).map(({ address, endpoint }) => ({
          addresses: [address],
          conditions: { ready: isReady(endpoint), serving: endpoint.serving, terminating: endpoint.terminating },
          hostname: endpoint.hostname,
          // Another cluster's node may have the name of one of ours.
          nodeName: cluster === own && endpoint.node !== '' ? endpoint.node : undefined,
          zone: endpoint.zone === '' ? undefined : endpoint.zone,
        })),
      } as V1EndpointSlice));
    });
  });
}
