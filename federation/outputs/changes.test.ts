import type { KubernetesObject } from '@kubernetes/client-node';
import test from 'ava';
import { MCS_SOURCE_LABEL } from '../kubernetes/types.ts';
import { changes, covers, type Knowledge } from './changes.ts';

function object(kind: string, name: string, more: object = {}): KubernetesObject {
  return { apiVersion: 'v1', kind, metadata: { name, namespace: 'shop' }, ...more };
}

const slice = (name: string, cluster: string): KubernetesObject => object('EndpointSlice', name, { metadata: { name, namespace: 'shop', labels: { [MCS_SOURCE_LABEL]: cluster } } });
const knows = (all: boolean, ...clusters: readonly string[]): Knowledge => ({ isComplete: (cluster) => clusters.includes(cluster), all });
const summary = (list: readonly { readonly verb: string; readonly object: KubernetesObject }[]): string[] => list.map((each) => `${each.verb} ${each.object.kind} ${each.object.metadata?.name}`);

test('what is missing or says something else is applied, in the order that was wished for', (t) => {
  const todo = changes([object('Service', 'a', { spec: { x: 1 } }), object('Service', 'b', { spec: { x: 2 } }), object('Service', 'c')], [object('Service', 'b', { spec: { x: 2, y: 3 } }), object('Service', 'a', { spec: { x: 0 } })], knows(false));
  t.deepEqual(summary(todo), ['apply Service a', 'apply Service c']);
});

test('objects of one name are different objects by kind, version and namespace', (t) => {
  const elsewhere = { ...object('Service', 'a'), metadata: { name: 'a', namespace: 'bank' } };
  t.deepEqual(summary(changes([object('Service', 'a')], [object('ServiceImport', 'a'), elsewhere, { ...object('Service', 'a'), apiVersion: 'v2' }], knows(false))), ['apply Service a']);
});

test('a slice goes when its source is complete, everything else when all are', (t) => {
  const existing = [object('ServiceImport', 'a'), object('Service', 'a'), object('ServiceEntry', 'a'), slice('w', 'west'), slice('e', 'east')];
  t.deepEqual(summary(changes([], existing, knows(false))), []);
  t.deepEqual(summary(changes([], existing, knows(false, 'west'))), ['delete EndpointSlice w']);
  t.deepEqual(summary(changes([], existing, knows(true, 'west', 'east'))), ['delete ServiceImport a', 'delete Service a', 'delete ServiceEntry a', 'delete EndpointSlice w', 'delete EndpointSlice e']);
});

test('what is being deleted already is not deleted again', (t) => {
  const going = object('Service', 'a', { metadata: { name: 'a', namespace: 'shop', deletionTimestamp: new Date() } });
  t.deepEqual(changes([], [going], knows(true)), []);
});

test('defaults and additions of others do not count as differences', (t) => {
  const wanted = { metadata: { labels: { ours: 'x' } }, spec: { ports: [{ port: 80, protocol: 'TCP' }], clusterIP: 'None' } };
  t.true(covers({ metadata: { uid: '1', labels: { ours: 'x', theirs: 'y' } }, spec: { ports: [{ port: 80, protocol: 'TCP', targetPort: 80, nodePort: 0 }], clusterIP: 'None', ipFamilies: ['IPv4'] } }, wanted));
  t.false(covers({ metadata: { labels: { ours: 'y' } }, spec: wanted.spec }, wanted));
  t.false(covers({ metadata: wanted.metadata, spec: { ports: [], clusterIP: 'None' } }, wanted));
  t.false(covers({ metadata: wanted.metadata, spec: { ports: [...wanted.spec.ports, { port: 81 }], clusterIP: 'None' } }, wanted), 'a list is exactly as it is wanted');
});

test('an empty list may be left out or be null', (t) => {
  t.true(covers({}, { ips: [] }));
  t.true(covers({ ports: null }, { ports: [] }));
  t.false(covers({ ports: [{}] }, { ports: [] }));
  t.false(covers({}, { spec: {} }));
  t.true(covers({}, { annotations: { away: undefined } }), 'what must not be there is not');
  t.false(covers({ annotations: { away: 'x' } }, { annotations: { away: undefined } }));
  t.false(covers({}, { annotations: { away: undefined, here: 'x' } }));
  t.false(covers({ ports: null }, { ports: [1] }));
});

test('a member that is undefined must not be there', (t) => {
  t.true(covers({ port: 80 }, { port: 80, name: undefined }));
  t.false(covers({ port: 80, name: 'http' }, { port: 80, name: undefined }));
});

test('values of different types are different', (t) => {
  for (const [have, wanted] of [['1', 1], [null, 0], [undefined, false], [{}, []], ['x', ['x']], [1, null]] as const) t.false(covers(have, wanted), JSON.stringify([have, wanted]));
});
