/** A member of a clusterset: an API server with the federation service beside it. What the MCS API is about can be made, and looked at. */
import { CoreV1Api, CustomObjectsApi, DiscoveryV1Api, type KubeConfig, type V1Condition, type V1EndpointSlice, type V1ServiceSpec } from '@kubernetes/client-node';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { MCS_GROUP, MCS_SERVICE_LABEL, MCS_VERSION, type ServiceExport, type ServiceImport } from '@landbridge/federation/kubernetes/types.ts';

const VERSION = MCS_VERSION.slice(MCS_GROUP.length + 1);
const ofMcs = (namespace: string, plural: 'serviceexports' | 'serviceimports', name: string) => ({ group: MCS_GROUP, version: VERSION, namespace, plural, name });

export class Member {
  readonly cluster: string;
  readonly core: CoreV1Api;
  readonly custom: CustomObjectsApi;
  readonly discovery: DiscoveryV1Api;

  constructor(cluster: string, config: KubeConfig) {
    this.cluster = cluster;
    this.core = config.makeApiClient(CoreV1Api);
    this.custom = config.makeApiClient(CustomObjectsApi);
    this.discovery = config.makeApiClient(DiscoveryV1Api);
  }

  async createNamespace(name: string, labels: Record<string, string> = {}): Promise<void> {
    await this.core.createNamespace({ body: { metadata: { name, labels } } });
  }

  /** Called `hello`, as in the suite. */
  async createService(namespace: string, spec: V1ServiceSpec, labels: Record<string, string> = {}): Promise<V1ServiceSpec> {
    const made = await this.core.createNamespacedService({ namespace, body: { metadata: { name: 'hello', labels }, spec } });
    return made.spec ?? {};
  }

  async export(namespace: string, spec: ServiceExport['spec'] = undefined): Promise<void> {
    const { name: _, ...target } = ofMcs(namespace, 'serviceexports', 'hello');
    await this.custom.createNamespacedCustomObject({ ...target, body: { apiVersion: MCS_VERSION, kind: 'ServiceExport', metadata: { name: 'hello' }, ...(spec === undefined ? {} : { spec }) } });
  }

  async unexport(namespace: string): Promise<void> {
    await this.custom.deleteNamespacedCustomObject(ofMcs(namespace, 'serviceexports', 'hello'));
  }

  async serviceExport(namespace: string): Promise<ServiceExport | undefined> {
    return await orUndefined(async () => (await this.custom.getNamespacedCustomObject(ofMcs(namespace, 'serviceexports', 'hello'))) as ServiceExport);
  }

  async serviceImport(namespace: string): Promise<ServiceImport | undefined> {
    return await orUndefined(async () => (await this.custom.getNamespacedCustomObject(ofMcs(namespace, 'serviceimports', 'hello'))) as ServiceImport);
  }

  async condition(namespace: string, type: string): Promise<V1Condition | undefined> {
    return (await this.serviceExport(namespace))?.status?.conditions?.find((condition) => condition.type === type);
  }

  /** Those of the import. */
  async slices(namespace: string): Promise<readonly V1EndpointSlice[]> {
    return (await this.discovery.listNamespacedEndpointSlice({ namespace, labelSelector: `${MCS_SERVICE_LABEL}=hello` })).items;
  }

  /** A pod behind the Service, as the controllers of a cluster with nodes would have it. */
  async createEndpoint(namespace: string, address: string, ports: V1EndpointSlice['ports']): Promise<void> {
    await this.core.createNamespacedPod({ namespace, body: { metadata: { name: 'hello-1' }, spec: { containers: [{ name: 'hello', image: 'hello' }] } } });
    await this.discovery.createNamespacedEndpointSlice({ namespace, body: {
      metadata: { name: 'hello-1', labels: { 'kubernetes.io/service-name': 'hello', 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' } },
      addressType: 'IPv4',
      ...(ports === undefined ? {} : { ports }),
      endpoints: [{ addresses: [address], conditions: { ready: true }, targetRef: { kind: 'Pod', namespace, name: 'hello-1' } }],
    } });
  }
}

async function orUndefined<T>(read: () => Promise<T>): Promise<T | undefined> {
  return await read().catch((thrown: unknown) => {
    if ((thrown as { code?: unknown }).code === 404) return undefined;
    throw LandbridgeError.from(thrown);
  });
}
