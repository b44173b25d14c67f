/** Imports for tests, and an API server that applies what is made of them. */
import type { KubernetesObject, V1Service } from '@kubernetes/client-node';
import type { Endpoint, ServicePort } from '@landbridge/core/records.ts';
import fc from 'fast-check';
import { keyOf, type ServiceImport } from '../kubernetes/types.ts';
import type { ImportedService } from '../merge/merge.ts';
import { endpoint } from '../records/example-records.ts';
import { type Change, identity } from './changes.ts';
import type { ExistingObjects } from './desired.ts';

/** Of a cluster that exposes what the import has. */
const ALL_PORTS: readonly ServicePort[] = [];

export function exampleImport(changes: Partial<ImportedService> = {}): ImportedService {
  return withPorts({
    namespace: 'shop',
    name: 'cart',
    type: 'ClusterSetIP',
    ports: [{ name: '', protocol: 'TCP', port: 80 }],
    sessionAffinity: 'None',
    sessionAffinityTimeoutSeconds: undefined,
    ipFamilies: ['IPv4'],
    internalTrafficPolicy: 'Cluster',
    trafficDistribution: undefined,
    labels: {},
    annotations: {},
    clusters: [part('west', endpoint('cart-1'))],
    precedence: ['west'],
    conflicts: [],
    ...changes,
  });
}

function withPorts(imported: ImportedService): ImportedService {
  return { ...imported, clusters: imported.clusters.map((each) => (each.ports === ALL_PORTS ? { ...each, ports: imported.ports } : each)) };
}

export function part(cluster: string, ...endpoints: readonly Endpoint[]): ImportedService['clusters'][number] {
  return { cluster, trustDomain: `${cluster}.landbridge`, network: '', ports: ALL_PORTS, endpoints };
}

/** Holds what was applied as an API server does: completed with defaults, and without what an apply no longer says. */
export class ExampleApiServer {
  readonly #objects = new Map<string, KubernetesObject>();
  #uids = 0;

  constructor(objects: readonly KubernetesObject[] = []) {
    for (const object of objects) this.write({ verb: 'apply', object });
  }

  write({ verb, object }: Change): void {
    if (verb === 'delete') this.#objects.delete(identity(object));
    else this.#objects.set(identity(object), this.#complete(object, this.#objects.get(identity(object))?.metadata?.uid ?? `uid-${++this.#uids}`));
  }

  list(): readonly KubernetesObject[] {
    return [...this.#objects.values()];
  }

  existing(serviceEntries = true, namespaces: readonly string[] = ['shop', 'bank']): ExistingObjects {
    const ofKind = (kind: string): [string, KubernetesObject][] => this.list().filter((object) => object.kind === kind).map((object) => [keyOf(object), object]);
    return {
      cluster: 'east',
      imports: new Map(ofKind('ServiceImport') as [string, ServiceImport][]),
      services: new Map(ofKind('Service') as [string, V1Service][]),
      namespaces: new Set(namespaces),
      serviceEntries,
    };
  }

  #complete(applied: KubernetesObject, uid: string): KubernetesObject {
    const object = JSON.parse(JSON.stringify(applied)) as KubernetesObject & { spec?: Record<string, unknown>; ports?: unknown[] | null };
    object.metadata = { ...object.metadata, uid, resourceVersion: '7', managedFields: [{ manager: 'landbridge-federation' }] };
    const { spec } = object;
    if (object.kind === 'EndpointSlice' && object.ports?.length === 0) object.ports = null;
    if (object.kind === 'ServiceImport' && (spec?.['ips'] as unknown[] | undefined)?.length === 0) delete spec?.['ips'];
    if (object.kind === 'Service' && spec !== undefined) {
      const clusterIP = spec['clusterIP'] ?? '10.96.0.7';
      const ports = (spec['ports'] as { port: number }[]).map((port) => ({ ...port, targetPort: port.port }));
      Object.assign(spec, { clusterIP, clusterIPs: [clusterIP], ipFamilies: ['IPv4'], ipFamilyPolicy: spec['ipFamilyPolicy'] ?? 'SingleStack', internalTrafficPolicy: spec['internalTrafficPolicy'] ?? 'Cluster', ports });
    }
    return object;
  }
}

/** What the lists of a Service or of a peer's record may be: names and numbers occur once, and only a single port has no name. */
const ports = fc.oneof(
  fc.constantFrom<ServicePort[][]>([], [{ name: '', protocol: 'TCP', port: 80 }]),
  fc.uniqueArray<ServicePort, string>(
    fc.record({ name: fc.constantFrom('http', 'grpc', 'dns'), protocol: fc.constantFrom('TCP' as const, 'UDP' as const), port: fc.integer({ min: 80, max: 90 }), appProtocol: fc.constant('h2c') }, { requiredKeys: ['name', 'protocol', 'port'] }),
    { selector: ({ name }) => name, maxLength: 3 },
  ).map((list) => list.filter((each, index) => list.findIndex((other) => other.port === each.port && other.protocol === each.protocol) === index)),
);

const endpointArbitrary: fc.Arbitrary<Endpoint> = fc.record({ number: fc.nat({ max: 5 }), zone: fc.constantFrom('', 'a'), hostname: fc.option(fc.constantFrom('h0', 'h1'), { nil: undefined }), ready: fc.boolean(), ipv6: fc.boolean(), http: fc.constantFrom(8080, 8081) })
  .map(({ number, zone, hostname, ready, ipv6, http }) => ({
    ...endpoint(`pod-${number}`),
    addresses: [`10.0.0.${number}`, ...(ipv6 ? [`fd00::${number + 1}`] : [])],
    ports: [{ name: '', protocol: 'TCP', port: 8000 }, { name: 'http', protocol: 'TCP', port: http }, { name: 'dns', protocol: 'UDP', port: 5353 }],
    zone,
    ready,
    ...(hostname === undefined ? {} : { hostname }),
  }));

/** An import of any clusters; `key` is unique in a list of them. */
export const importedArbitrary: fc.Arbitrary<ImportedService> = fc.record({
  namespace: fc.constantFrom('shop', 'bank'),
  name: fc.constantFrom('cart', 'pay'),
  type: fc.constantFrom('ClusterSetIP' as const, 'Headless' as const),
  ports,
  affinity: fc.constantFrom(['None', undefined] as const, ['ClientIP', 10] as const, ['ClientIP', 20] as const),
  clusters: fc.uniqueArray(fc.record({ cluster: fc.constantFrom('east', 'north', 'west'), network: fc.constantFrom('', 'n1'), exposesAll: fc.boolean(), endpoints: fc.uniqueArray(endpointArbitrary, { selector: ({ workload }) => workload, maxLength: 4 }) }), { selector: ({ cluster }) => cluster, minLength: 1 }),
  internalTrafficPolicy: fc.constantFrom('Cluster' as const, 'Local' as const, undefined),
  trafficDistribution: fc.constantFrom('PreferSameZone', undefined),
  labels: fc.constantFrom<Record<string, string>[]>({}, { team: 'a' }, { team: 'b', tier: 'front' }),
  annotations: fc.constantFrom<Record<string, string>[]>({}, { 'example.org/note': 'n' }),
  precedence: fc.constantFrom<string[][]>([], ['east', 'west'], ['west']),
}).map(({ affinity: [sessionAffinity, sessionAffinityTimeoutSeconds], clusters, ...rest }) => withPorts({
  ...rest,
  sessionAffinity,
  sessionAffinityTimeoutSeconds,
  ipFamilies: ['IPv4'],
  clusters: clusters.map(({ cluster, network, exposesAll, endpoints }) => ({ ...part(cluster, ...endpoints), network, ...(exposesAll ? {} : { ports: rest.ports.slice(1) }) })).sort((a, b) => (a.cluster < b.cluster ? -1 : 1)),
  conflicts: [],
}));

export const importsArbitrary: fc.Arbitrary<ImportedService[]> = fc.uniqueArray(importedArbitrary, { selector: ({ namespace, name }) => `${namespace}/${name}`, maxLength: 4 });
