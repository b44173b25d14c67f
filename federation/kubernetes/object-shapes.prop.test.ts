import type { KubernetesObject } from '@kubernetes/client-node';
import test from 'ava';
import fc from 'fast-check';
import { changes } from '../outputs/changes.ts';
import { desiredObjects } from '../outputs/desired.ts';
import { ExampleApiServer, importsArbitrary } from '../outputs/example-imports.ts';
import { objectParser } from './object-shapes.ts';

const KINDS = ['Pod', 'Service', 'EndpointSlice', 'Node', 'Namespace', 'ServiceExport', 'ServiceImport', 'CustomResourceDefinition', 'AuthorizationPolicy', 'Other'] as const;
/** Names that objects have, with values that they have not. */
const name = fc.constantFrom('metadata', 'spec', 'status', 'name', 'namespace', 'labels', 'annotations', 'ports', 'endpoints', 'addresses', 'conditions', 'podIPs', 'ip', 'ports', 'clusterIPs', 'ownerReferences', 'creationTimestamp', '__proto__', 'constructor', 'type');
const value = fc.letrec<{ value: unknown }>((tie) => ({ value: fc.oneof({ maxDepth: 5 }, fc.string(), fc.double(), fc.constant(null), fc.boolean(), fc.array(tie('value'), { maxLength: 4 }), fc.dictionary(name, tie('value'), { maxKeys: 6 })) })).value;

const foreignObject = fc.oneof(value, fc.record({ metadata: fc.dictionary(name, value, { maxKeys: 6 }).map((members) => ({ ...members, name: 'x' })), spec: value, status: value, ports: value, endpoints: value, addressType: value }));

test('whatever comes for an object is refused, or becomes one that has a name and the kind', (t) => {
  fc.assert(fc.property(fc.constantFrom(...KINDS), foreignObject, (kind, foreign) => {
    const parsed = objectParser({ apiVersion: 'v1', kind, plural: 'things' })(foreign);
    if (!parsed.ok) return;
    t.is(parsed.value.kind, kind);
    t.is(typeof parsed.value.metadata?.name, 'string');
    for (const labels of [parsed.value.metadata?.labels, parsed.value.metadata?.annotations]) for (const each of Object.values(labels ?? {})) t.is(typeof each, 'string');
    const created = parsed.value.metadata?.creationTimestamp;
    t.true(created === undefined || !Number.isNaN(created.getTime()));
  }));
});

test('of what is written all is read: otherwise it would be written again at each look', (t) => {
  fc.assert(fc.property(importsArbitrary, (imports) => {
    const server = new ExampleApiServer();
    let objects: readonly KubernetesObject[] = [];
    // The import, its Service, and what the Service leads to.
    for (let pass = 0; pass < 3; pass++) {
      objects = desiredObjects(imports, server.existing(true)).objects;
      for (const object of objects) server.write({ verb: 'apply', object });
    }
    const read = objects.flatMap((object) => {
      const parsed = objectParser({ apiVersion: object.apiVersion ?? '', kind: object.kind ?? '', plural: '' })(JSON.parse(JSON.stringify(object)));
      return parsed.ok ? [parsed.value] : [];
    });
    t.deepEqual(changes(objects, read, { isComplete: () => true, all: true }), []);
  }), { numRuns: 50 });
});

test('of lists and members only what has the right type is left', (t) => {
  const parse = objectParser<never>({ apiVersion: 'v1', kind: 'Service', plural: 'services' });
  const parsed = parse({ metadata: { name: 'a', labels: { good: 'x', bad: 1 }, managedFields: [{}], annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', kept: 'y' } }, spec: { ports: [{ port: '80' }, 'x', { port: 81, name: 5 }], clusterIPs: ['10.0.0.1', null], type: ['ClusterIP'] } });
  t.deepEqual(parsed, { ok: true, value: { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a', labels: { good: 'x' }, annotations: { kept: 'y' } }, spec: { ports: [{}, { port: 81 }], clusterIPs: ['10.0.0.1'] } } as never });
});

test('of containers those with named ports are left, and are the same object where they are alike', (t) => {
  const parse = objectParser<KubernetesObject & { spec: { containers?: object; initContainers?: object } }>({ apiVersion: 'v1', kind: 'Pod', plural: 'pods' });
  const pod = (containers: unknown): unknown => ({ metadata: { name: 'a' }, spec: { containers, initContainers: [{ restartPolicy: 'Always', image: 'x', ports: [{ name: 'b', containerPort: 1 }] }, 'x'] } });
  const specOf = (containers: unknown): { containers?: object; initContainers?: object } => {
    const parsed = parse(pod(containers));
    return parsed.ok ? parsed.value.spec : {};
  };
  const containers = [{ name: 'c', image: 'x', ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP', hostPort: 1 }, 7] }, { name: 'd', ports: [{ containerPort: 1 }] }];
  t.deepEqual(specOf(containers), { containers: [{ ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }] }], initContainers: [{ restartPolicy: 'Always', ports: [{ name: 'b', containerPort: 1 }] }] });
  t.is(specOf(containers).containers, specOf(structuredClone(containers)).containers);
  for (const none of [[], [{ name: 'd', ports: [{ containerPort: 1 }] }], 'x', undefined]) t.is(specOf(none).containers, undefined);
});

test('a policy is kept with whatever its spec is, and with the conditions of others as they are', (t) => {
  const parse = objectParser<never>({ apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', plural: 'authorizationpolicies' });
  const theirs = { type: 'Theirs', observedGeneration: '7', lastProbeTime: null };
  const parsed = parse({ metadata: { namespace: 'shop', name: 'a', resourceVersion: '5', managedFields: [{}] }, spec: [{ action: 1 }], status: { conditions: ['x', null, { status: 'True' }, theirs], other: 1 } });
  t.deepEqual(parsed, { ok: true, value: { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { namespace: 'shop', name: 'a', resourceVersion: '5' }, spec: [{ action: 1 }], status: { conditions: [theirs] } } as never });
});

test('a port’s number is one, or absent', (t) => {
  const parse = objectParser<never>({ apiVersion: 'v1', kind: 'EndpointSlice', plural: 'endpointslices' });
  const parsed = parse({ metadata: { name: 'a' }, ports: [-1, 0, 65_536, 1.5, '80', 80].map((port) => ({ port })) });
  t.deepEqual(parsed, { ok: true, value: { apiVersion: 'v1', kind: 'EndpointSlice', metadata: { name: 'a' }, ports: [{}, {}, {}, {}, {}, { port: 80 }] } } as never);
});
