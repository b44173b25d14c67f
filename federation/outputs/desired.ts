import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { KubernetesObject, V1EndpointSlice, V1OwnerReference, V1Service } from '@kubernetes/client-node';
import { clustersetHost } from '@landbridge/core/names.ts';
import type { Endpoint } from '@landbridge/core/records.ts';
import { DERIVED_SERVICE_ANNOTATION, keyOf, MANAGED_BY, MANAGED_BY_LABEL, MCS_SERVICE_LABEL, MCS_SOURCE_LABEL, MCS_VERSION, type ServiceImport, SERVICE_NAME_LABEL, SLICE_MANAGER, SLICE_MANAGER_LABEL } from '../kubernetes/types.ts';
import type { ImportedService } from '../merge/merge.ts';
import { CLOSED_NAMESPACES, derivedServiceName } from './names.ts';

/** EndpointSlice v1: at most 1000 endpoints. */
const MAX_ENDPOINTS = 1000;

export interface ExistingObjects {
  /** By `<namespace>/<name>`. */
  readonly imports: Pick<ReadonlyMap<string, ServiceImport>, 'get'>;
  readonly services: Pick<ReadonlyMap<string, V1Service>, 'get'>;
  readonly namespaces: Pick<ReadonlySet<string>, 'has'>;
  /** Whether Istio's ServiceEntry is installed. */
  readonly serviceEntries: boolean;
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

function reasonToSkip({ namespace, name, type, ports }: ImportedService, existing: ExistingObjects): string | undefined {
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
  const ips = (service?.spec?.clusterIPs ?? []).filter((ip) => ip !== 'None' && ip !== '');
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
    ...makeSlices(imported, derived, ownerReferences),
    ...(existing.serviceEntries && ips.length > 0 ? [makeServiceEntry(imported, ips, ownerReferences)] : []),
  ];
}

/** What is undefined is taken away from an object that still has it. */
const portsOf = ({ ports }: ImportedService): object[] => ports.map(({ name, protocol, port, appProtocol }) => ({ name: name === '' ? undefined : name, protocol, port, appProtocol }));

function makeImport(imported: ImportedService, derived: string, ips: readonly string[]): KubernetesObject {
  const { namespace, name, type, sessionAffinity, sessionAffinityTimeoutSeconds } = imported;
  return {
    apiVersion: MCS_VERSION,
    kind: 'ServiceImport',
    metadata: { name, namespace, labels: { [MANAGED_BY_LABEL]: MANAGED_BY }, annotations: { [DERIVED_SERVICE_ANNOTATION]: derived } },
    spec: {
      type,
      ports: portsOf(imported),
      ips: type === 'ClusterSetIP' ? [...ips] : undefined,
      sessionAffinity,
      sessionAffinityConfig: sessionAffinityTimeoutSeconds === undefined ? undefined : { clientIP: { timeoutSeconds: sessionAffinityTimeoutSeconds } },
    },
  } as KubernetesObject;
}

/** The part of an import that only its status may say. */
export function importStatus(imported: ImportedService): object {
  return { clusters: imported.clusters.map(({ cluster }) => ({ cluster })) };
}

function makeService(imported: ImportedService, derived: string, ownerReferences: V1OwnerReference[]): KubernetesObject {
  const { namespace, name, type, sessionAffinity, sessionAffinityTimeoutSeconds } = imported;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: derived, namespace, labels: { [MANAGED_BY_LABEL]: MANAGED_BY, [MCS_SERVICE_LABEL]: name }, ownerReferences },
    spec: {
      type: 'ClusterIP',
      ...(type === 'Headless' ? { clusterIP: 'None' } : {}),
      ports: portsOf(imported),
      sessionAffinity,
      ...(sessionAffinity === 'ClientIP' && sessionAffinityTimeoutSeconds !== undefined ? { sessionAffinityConfig: { clientIP: { timeoutSeconds: sessionAffinityTimeoutSeconds } } } : {}),
    },
  } as KubernetesObject;
}

/** A slice for each cluster, family and set of target ports, since all endpoints of a slice share its ports. */
function makeSlices(imported: ImportedService, derived: string, ownerReferences: V1OwnerReference[]): V1EndpointSlice[] {
  return imported.clusters.flatMap(({ cluster, endpoints }) => {
    const groups = new Map<string, { addressType: string; ports: Endpoint['ports']; endpoints: { address: string; endpoint: Endpoint }[] }>();
    for (const endpoint of endpoints) {
      const ports = imported.ports.flatMap(({ name, protocol }) => endpoint.ports.filter((port) => port.name === name && port.protocol === protocol));
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
          conditions: { ready: endpoint.ready, serving: endpoint.serving, terminating: endpoint.terminating },
          hostname: endpoint.hostname,
          zone: endpoint.zone === '' ? undefined : endpoint.zone,
        })),
      } as V1EndpointSlice));
    });
  });
}

/** networking.istio.io/v1 ServiceEntry: Istio does not read EndpointSlices of imports. */
function makeServiceEntry(imported: ImportedService, addresses: readonly string[], ownerReferences: V1OwnerReference[]): KubernetesObject {
  const { namespace, name } = imported;
  const tcpPorts = imported.ports.filter(({ protocol }) => protocol === 'TCP').map(({ name: port, port: number }) => ({ name: port, entryName: port || `tcp-${number}`, number }));
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: derivedServiceName(namespace, name), namespace, labels: { [MANAGED_BY_LABEL]: MANAGED_BY, [MCS_SERVICE_LABEL]: name }, ownerReferences },
    spec: {
      hosts: [clustersetHost(namespace, name)],
      addresses: [...addresses],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: tcpPorts.map(({ number, entryName }) => ({ number, name: entryName, protocol: 'TCP' })),
      endpoints: imported.clusters.flatMap(({ cluster, network, endpoints }) => endpoints.filter(({ ready }) => ready).map((endpoint) => ({
        address: endpoint.addresses[0],
        // Istio refuses an entry whose endpoints have ports that the entry itself has not.
        ports: Object.fromEntries(tcpPorts.flatMap(({ name: port, entryName }) => endpoint.ports.filter((target) => target.name === port && target.protocol === 'TCP').map((target) => [entryName, target.port]))),
        labels: { 'topology.istio.io/cluster': cluster },
        network: network === '' ? undefined : network,
        serviceAccount: endpoint.serviceAccount,
      }))),
    },
  } as KubernetesObject;
}
