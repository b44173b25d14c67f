/** From what an API server may say of objects to what agents are told of them. */
import type { KubernetesObject, V1EndpointSlice, V1Node, V1Pod, V1Service } from '@kubernetes/client-node';
import { parseAddress } from '@landbridge/agent/discovery/wds-address.ts';
import { objectParser } from '@landbridge/federation/kubernetes/object-shapes.ts';
import type { ServiceExport } from '@landbridge/federation/kubernetes/types.ts';
import { exampleEndpoint, exampleExport, examplePod, exampleService, exampleSlice } from '@landbridge/federation/registry/example-objects.ts';
import { exportRecords, exportedServices } from '@landbridge/federation/registry/exports.ts';
import { localServices } from '@landbridge/federation/registry/local-endpoints.ts';
import { addressResources } from '@landbridge/federation/xds/address-resources.ts';
import { expect, type FuzzTarget, latin1Text, utf8 } from './fuzz-target.ts';

const KINDS = ['Pod', 'Service', 'EndpointSlice', 'Node', 'ServiceExport'] as const;
const IDENTITY = { cluster: 'west', trustDomain: 'west.landbridge', network: 'n', domain: 'cluster.local' };
const node = { kind: 'Node', metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'z' } }, status: { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] } };
const cluster = [
  examplePod('cart-1'),
  { ...exampleService('cart', { type: 'LoadBalancer', internalTrafficPolicy: 'Local', trafficDistribution: 'PreferClose', ports: [{ name: 'http', port: 80, appProtocol: 'h2c' }] }), status: { loadBalancer: { ingress: [{ ip: '203.0.113.1', ipMode: 'VIP' }] } } },
  exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1', { nodeName: 'node-1', zone: 'z', hostname: 'h' }), exampleEndpoint(undefined, '198.51.100.1')]),
  node,
  exampleExport('cart'),
];

/** Objects of a cluster, each refused or taken as what it says it is. */
const clusterObjects: FuzzTarget = {
  name: 'cluster-objects',
  examples: [Uint8Array.from(utf8(JSON.stringify(cluster)))],
  dictionary: ['null', '[]', '{}', '1e999', '-1', '65536', '"0177.0.0.1"', '"::ffff:127.0.0.1"', '"None"', '"Headless"', '"__proto__":', '"constructor"', '"Pod"', '"ExternalName"', '"\ud83d"'].map(utf8),
  check: (input) => {
    let said: unknown;
    try {
      said = JSON.parse(latin1Text(input));
    } catch {
      return;
    }
    if (!Array.isArray(said)) return;
    const objects = new Map<string, KubernetesObject[]>(KINDS.map((kind) => [kind, []]));
    for (const object of said as unknown[]) {
      const kind = KINDS.find((each) => each === (object as { kind?: unknown } | null)?.kind) ?? 'Pod';
      const parsed = objectParser({ apiVersion: 'v1', kind, plural: '' })(object);
      if (parsed.ok) objects.get(kind)?.push(parsed.value);
    }
    const of = <T>(kind: (typeof KINDS)[number]): T[] => (objects.get(kind) ?? []) as T[];
    const all = { services: of<V1Service>('Service'), slices: of<V1EndpointSlice>('EndpointSlice'), pods: of<V1Pod>('Pod'), nodes: of<V1Node>('Node'), namespaces: [], exports: of<ServiceExport>('ServiceExport'), imports: [] };
    const services = localServices(all);
    for (const { bytes } of addressResources({ ...IDENTITY, pods: all.pods, nodes: all.nodes, services, policiesOf: () => [], imports: [] }).values()) {
      const told = parseAddress(bytes);
      expect(told.ok || /hostname or namespace/.test(told.error) || /port \d+$/.test(told.error), 'a resource that agents can not read');
    }
    exportRecords(exportedServices(all.exports, services, all.nodes), { trustDomain: 'west.landbridge', network: 'n', version: '0' });
  },
};

export const KUBERNETES_TARGETS: readonly FuzzTarget[] = [clusterObjects];
