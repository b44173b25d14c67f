import type { KubernetesObject } from '@kubernetes/client-node';
import test from 'ava';
import { type Belonging, CLUSTER_PROPERTY, CLUSTERSET_PROPERTY, clustersetId, propertyChanges } from './cluster-properties.ts';

const VERSION = 'about.k8s.io/v1beta1';
const set = clustersetId('key');

function settle(objects: Map<string, KubernetesObject>, belonging: Belonging): readonly string[] {
  const changes = propertyChanges(VERSION, belonging, (name) => objects.get(name));
  for (const { verb, object } of changes) {
    if (verb === 'delete') objects.delete(object.metadata?.name ?? '');
    else objects.set(object.metadata?.name ?? '', object);
  }
  return changes.map(({ verb, object }) => `${verb} ${object.metadata?.name}`);
}

test('a cluster says its name, and its clusterset for as long as it is in one', (t) => {
  const objects = new Map<string, KubernetesObject>();
  t.deepEqual(settle(objects, { cluster: 'east', clusterset: 'unknown' }), [`apply ${CLUSTER_PROPERTY}`]);
  t.deepEqual(settle(objects, { cluster: 'east', clusterset: set }), [`apply ${CLUSTERSET_PROPERTY}`]);
  t.deepEqual(settle(objects, { cluster: 'east', clusterset: set }), []);
  t.deepEqual([...objects.values()].map((object) => (object as { spec?: unknown }).spec), [{ value: 'east' }, { value: set }]);
  t.deepEqual(settle(objects, { cluster: 'east', clusterset: 'unknown' }), [], 'as after a restart');
  t.deepEqual(settle(objects, { cluster: 'east', clusterset: undefined }), [`delete ${CLUSTERSET_PROPERTY}`]);
});

test('properties of somebody else stay as they are', (t) => {
  const objects = new Map<string, KubernetesObject>([CLUSTER_PROPERTY, CLUSTERSET_PROPERTY].map((name) => [name, { metadata: { name } }]));
  for (const clusterset of [set, undefined]) t.deepEqual(settle(objects, { cluster: 'east', clusterset }), []);
});

test('a clusterset has the same name for all of its members', (t) => {
  t.regex(set, /^[0-9a-f]{20}$/);
  t.not(clustersetId('other'), set);
});
