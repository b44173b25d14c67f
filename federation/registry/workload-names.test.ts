import test from 'ava';
import { examplePod } from './example-objects.ts';
import { workloadNames } from './workload-names.ts';

const names = (owner: { kind: string; name: string; controller?: boolean } | undefined, labels: Record<string, string> = {}): string[] => {
  const pod = examplePod('cart-5d9-x2');
  pod.metadata = { ...pod.metadata, labels, ...(owner === undefined ? {} : { ownerReferences: [{ controller: true, apiVersion: 'v1', uid: 'u', ...owner }] }) };
  const { workloadType, workloadName, canonicalName, canonicalRevision } = workloadNames(pod);
  return [workloadType, workloadName, canonicalName, canonicalRevision];
};

test('a pod belongs to the Deployment of its ReplicaSet, to its Job, or to the CronJob of that', (t) => {
  t.deepEqual(names({ kind: 'ReplicaSet', name: 'cart-5d9' }, { 'pod-template-hash': '5d9' }), ['deployment', 'cart', 'cart', 'latest']);
  t.deepEqual(names({ kind: 'Job', name: 'import' }), ['job', 'import', 'import', 'latest']);
  t.deepEqual(names({ kind: 'Job', name: 'nightly-28512345' }), ['cronjob', 'nightly', 'nightly', 'latest']);
});

test('otherwise it is what it is called', (t) => {
  for (const owner of [undefined, { kind: 'StatefulSet', name: 'cart' }, { kind: 'ReplicaSet', name: 'cart-5d9' }, { kind: 'Job', name: 'import', controller: false }]) t.deepEqual(names(owner), ['pod', 'cart-5d9-x2', 'cart-5d9-x2', 'latest']);
});

test('labels say what it is called, the first of them that says something', (t) => {
  t.deepEqual(names(undefined, { app: 'c', 'app.kubernetes.io/name': 'b', 'service.istio.io/canonical-name': 'a', version: '1', 'service.istio.io/canonical-revision': '3' }).slice(2), ['a', '3']);
  t.deepEqual(names(undefined, { app: 'c', 'app.kubernetes.io/name': '', version: '1' }).slice(2), ['c', '1']);
});
