/** From what an API server may say of objects to what agents are told of them. */
import type { KubernetesObject, V1EndpointSlice, V1Node, V1Pod, V1Service } from '@kubernetes/client-node';
import { parseAddress } from '@landbridge/agent/discovery/wds-address.ts';
import { NO_TRAFFIC_POLICY } from '@landbridge/core/route-plan.ts';
import { allEntries } from '@landbridge/federation/entries/all-entries.ts';
import { AddressPool } from '@landbridge/federation/entries/address-pool.ts';
import { entryConditions } from '@landbridge/federation/entries/entry-conditions.ts';
import { exampleServiceEntry, exampleWorkloadEntry } from '@landbridge/federation/entries/example-entries.ts';
import { readServiceEntry } from '@landbridge/federation/entries/service-entry.ts';
import { readWorkloadEntry } from '@landbridge/federation/entries/workload-entry.ts';
import { objectParser } from '@landbridge/federation/kubernetes/object-shapes.ts';
import type { ServiceExport } from '@landbridge/federation/kubernetes/types.ts';
import { exampleEndpoint, exampleExport, examplePod, exampleService, exampleSlice } from '@landbridge/federation/registry/example-objects.ts';
import { exportRecords, exportedServices } from '@landbridge/federation/registry/exports.ts';
import { localServices } from '@landbridge/federation/registry/local-endpoints.ts';
import { addressResources } from '@landbridge/federation/xds/address-resources.ts';
import { expect, type FuzzTarget, latin1Text, utf8 } from './fuzz-target.ts';

const KINDS = ['Pod', 'Service', 'EndpointSlice', 'Node', 'ServiceExport', 'ServiceEntry', 'WorkloadEntry'] as const;
const IDENTITY = { cluster: 'west', trustDomain: 'west.landbridge', network: 'n', domain: 'cluster.local' };
const node = { kind: 'Node', metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'z' } }, status: { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] } };
const cluster = [
  examplePod('cart-1'),
  { ...exampleService('cart', { type: 'LoadBalancer', internalTrafficPolicy: 'Local', trafficDistribution: 'PreferClose', ports: [{ name: 'http', port: 80, appProtocol: 'h2c' }] }), status: { loadBalancer: { ingress: [{ ip: '203.0.113.1', ipMode: 'VIP' }] } } },
  exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1', { nodeName: 'node-1', zone: 'z', hostname: 'h' }), exampleEndpoint(undefined, '198.51.100.1')]),
  node,
  { ...exampleExport('cart'), spec: { exportedLabels: { team: 'a' }, exportedAnnotations: { 'example.org/note': 'n' } } },
];
const entries = [
  exampleServiceEntry('db', { resolution: 'STATIC', hosts: ['db.example', '*.db.example', 'cart.shop.svc.cluster.local'], addresses: ['203.0.113.7', '198.51.100.0/24'], workloadSelector: { labels: { app: 'db' } }, exportTo: ['.'], subjectAltNames: ['spiffe://x/ns/y/sa/z'] }, {}, { addresses: [{ host: 'db.example', value: '240.240.0.1' }], conditions: [{ type: 'Accepted', status: 'True' }] }),
  exampleServiceEntry('api', { resolution: 'DNS', hosts: ['api.example'], ports: [{ number: 443, name: 'tls', protocol: 'TLS', targetPort: 8443 }], endpoints: [{ address: 'real.example', ports: { tls: 9443 }, labels: { a: 'b' }, network: 'n2', locality: 'r/z', weight: 3, serviceAccount: 'api' }, { address: '2001:db8::1' }] }),
  exampleWorkloadEntry('vm', { address: '192.0.2.9', labels: { app: 'db' }, ports: { http: 8080 }, weight: 2 }, { labels: { 'networking.istio.io/tunnel': 'http' }, annotations: { 'proxy.istio.io/health-checks-enabled': 'true' } }, { conditions: [{ type: 'Healthy', status: 'True' }] }),
  { ...examplePod('db-1', '10.0.0.9', { spec: { containers: [{ ports: [{ name: 'http', containerPort: 8080 }] }] } }), metadata: { name: 'db-1', namespace: 'shop', labels: { app: 'db' } } },
];

/** Objects of a cluster, each refused or taken as what it says it is. */
const clusterObjects: FuzzTarget = {
  name: 'cluster-objects',
  examples: [cluster, entries].map((objects) => Uint8Array.from(utf8(JSON.stringify(objects)))),
  dictionary: ['null', '[]', '{}', '1e999', '-1', '65536', '"0177.0.0.1"', '"::ffff:127.0.0.1"', '"None"', '"Headless"', '"__proto__":', '"constructor"', '"Pod"', '"ExternalName"', '"DNS"', '"NONE"', '"*.a.example"', '"10.0.0.0/8"', '"unix:///x"', '"\ud83d"'].map(utf8),
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
    const [serviceEntries, workloadEntries] = [of<KubernetesObject>('ServiceEntry'), of<KubernetesObject>('WorkloadEntry')];
    const told = allEntries({ serviceEntries, workloadEntries, pods: all.pods, hasService: (key) => services.has(key) }, IDENTITY.domain);
    for (const { bytes } of addressResources({ ...IDENTITY, pods: all.pods, nodes: all.nodes, services, policiesOf: () => [], trafficOf: () => NO_TRAFFIC_POLICY, imports: [], entries: told }).values()) {
      const parsed = parseAddress(bytes);
      expect(parsed.ok || /hostname or namespace/.test(parsed.error) || /port \d+$/.test(parsed.error), 'a resource that agents can not read');
    }
    checkStatuses(serviceEntries, workloadEntries);
    exportRecords(exportedServices(all.exports, services, all.nodes), { trustDomain: 'west.landbridge', network: 'n', version: '0' });
  },
};

/** Whatever entries say, what is to be said of them is bounded, and addresses that are found for them are each host's own. */
function checkStatuses(serviceEntries: readonly KubernetesObject[], workloadEntries: readonly KubernetesObject[]): void {
  const pool = new AddressPool();
  for (const [objects, read] of [[serviceEntries, readServiceEntry], [workloadEntries, readWorkloadEntry]] as const) {
    for (const object of objects) {
      const said = read(object);
      if (said === undefined) continue;
      const ours = entryConditions(object, said, new Date(0))?.find(({ type }) => type === 'Accepted');
      expect(ours === undefined || ours.message.length < 32_768, 'a condition that the API server does not take');
    }
  }
  const known = new Map(serviceEntries.flatMap((object) => {
    const entry = readServiceEntry(object)?.entry;
    return entry === undefined ? [] : [[entry.key, entry] as const];
  }));
  for (const [key, entry] of known) pool.set(key, entry);
  const found = [...known.keys()].flatMap((key) => pool.wanted(key) ?? []).map(({ value }) => value);
  expect(new Set(found).size === found.length, 'an address that two hosts have');
}

export const KUBERNETES_TARGETS: readonly FuzzTarget[] = [clusterObjects];
