import type { V1EndpointSlice, V1Node, V1Pod, V1Service } from '@kubernetes/client-node';
import { RecordBodySchema, recordKey } from '@landbridge/core/records.ts';
import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import fc from 'fast-check';
import { Value } from 'typebox/value';
import { SERVICE_NAME_LABEL } from '../kubernetes/types.ts';
import { clusterObjects, exampleExport } from './example-objects.ts';
import { exportedServices, exportRecords } from './exports.ts';
import { localServices } from './local-endpoints.ts';

/** Names and limits as the API server validates them. */
const label = fc.stringMatching(/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/);
const portName = fc.stringMatching(/^[a-z][a-z0-9]{0,14}$/);
const subdomain = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.').slice(0, 253).replace(/[-.]+$/, ''));
const qualifiedName = fc.tuple(fc.option(subdomain), label).map(([prefix, rest]) => (prefix === null ? rest : `${prefix}/${rest}`));
const portNumber = fc.integer({ min: 1, max: 65535 });
const protocol = fc.constantFrom('TCP', 'UDP', 'SCTP');
const optional = { requiredKeys: [] as never[] };

const servicePorts = fc.oneof(
  { weight: 9, arbitrary: fc.uniqueArray(fc.record({ name: portName, port: portNumber, protocol, appProtocol: qualifiedName, nodePort: portNumber }, { requiredKeys: ['name', 'port'] }), { selector: ({ name }) => name, maxLength: 5 }) },
  { weight: 1, arbitrary: fc.constant(Array.from({ length: 300 }, (_, index) => ({ name: `p${index}`, port: 1000 + index }))) },
);

const service: fc.Arbitrary<V1Service> = fc.record({
  metadata: fc.record({ name: label, namespace: label }),
  spec: fc.record({
    ports: servicePorts,
    type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'),
    clusterIP: fc.constantFrom('None', '10.96.0.1', 'fd00::1'),
    ipFamilies: fc.constantFrom(['IPv4'], ['IPv6'], ['IPv4', 'IPv6']),
    sessionAffinity: fc.constantFrom('None', 'ClientIP'),
    sessionAffinityConfig: fc.record({ clientIP: fc.record({ timeoutSeconds: fc.integer({ min: 1, max: 86400 }) }, optional) }, optional),
    internalTrafficPolicy: fc.constantFrom('Local', 'Cluster'),
    trafficDistribution: fc.constantFrom('PreferClose', 'PreferSameZone', 'PreferSameNode'),
  }, optional),
});

const address = fc.oneof(fc.ipV4(), fc.ipV6());
const conditions = fc.record({ ready: fc.boolean(), serving: fc.boolean(), terminating: fc.boolean() }, optional);

const pod: fc.Arbitrary<V1Pod> = fc.record({
  metadata: fc.record({ name: subdomain, annotations: fc.constantFrom({}, { [REDIRECTION_ANNOTATION]: 'enabled' }) }, { requiredKeys: ['name'] }),
  spec: fc.record({ containers: fc.constant([]), nodeName: subdomain, serviceAccountName: subdomain, hostNetwork: fc.boolean() }, { requiredKeys: ['containers'] }),
});

/** A Service with its slices and pods. */
const exportable = fc.tuple(service, fc.uniqueArray(fc.tuple(pod, address, conditions, fc.record({ zone: label, nodeName: subdomain, hostname: label }, optional)), { selector: ([{ metadata }]) => metadata?.name, maxLength: 6 }), servicePorts)
  .map(([one, members, ports]) => {
    const { namespace = '', name = '' } = one.metadata ?? {};
    const slice: V1EndpointSlice = {
      metadata: { namespace, name: `${name}-x`, labels: { [SERVICE_NAME_LABEL]: name } },
      addressType: 'IPv4',
      ports: ports.map(({ name: port, port: number, protocol: kind }: { name: string; port: number; protocol?: string }) => ({ name: port, port: number, ...(kind === undefined ? {} : { protocol: kind }) })),
      endpoints: members.map(([{ metadata }, ip, told, more]) => ({ addresses: [ip], conditions: told, targetRef: { kind: 'Pod', namespace, name: metadata?.name ?? '' }, ...more })),
    };
    return { service: one, slice, pods: members.map(([each]) => ({ ...each, metadata: { ...each.metadata, namespace } })) };
  });

test('whatever a cluster holds, each of its records is valid, and none has another’s key', (t) => {
  fc.assert(fc.property(fc.array(exportable, { maxLength: 3 }), fc.array(fc.record({ name: subdomain, region: label, zone: label }), { maxLength: 3 }), (list, places) => {
    const nodes = places.map(({ name, region, zone }): V1Node => ({ metadata: { name, labels: { 'topology.kubernetes.io/region': region, 'topology.kubernetes.io/zone': zone } } }));
    const exports = list.map((each) => {
      const made = exampleExport(each.service.metadata?.name ?? '');
      return { ...made, metadata: { ...made.metadata, namespace: each.service.metadata?.namespace ?? '' } };
    });
    const objects = clusterObjects({ services: list.map((each) => each.service), slices: list.map(({ slice }) => slice), pods: list.flatMap(({ pods }) => pods), nodes, exports });
    const records = exportRecords(exportedServices(exports, localServices(objects), nodes), { trustDomain: 'west.landbridge', network: '', version: '0.1.0' });
    t.true(records.has('meta'));
    for (const [key, record] of records) {
      t.is(key, recordKey(record));
      t.true(Value.Check(RecordBodySchema, record), [...Value.Errors(RecordBodySchema, record)].map((error) => `${error.instancePath} ${error.message}`).join('; '));
    }
  }), { numRuns: 80 });
});
