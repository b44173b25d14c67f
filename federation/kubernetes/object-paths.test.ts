import test from 'ava';
import { KINDS, OPTIONAL_KINDS } from '../clusterset/kinds.ts';
import { objectPath, objectsPath } from './object-paths.ts';

test('an object is where its kind, its namespace and its name say', (t) => {
  t.is(objectPath({ apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'shop', name: 'cart' } }), '/api/v1/namespaces/shop/services/cart');
  t.is(objectPath({ apiVersion: 'about.k8s.io/v1beta1', kind: 'ClusterProperty', metadata: { name: 'cluster.clusterset.k8s.io' } }), '/apis/about.k8s.io/v1beta1/clusterproperties/cluster.clusterset.k8s.io');
  t.is(objectPath({ apiVersion: 'security.istio.io/v1', metadata: { namespace: 'shop', name: 'deny' } }, 'authorizationpolicies'), '/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies/deny');
});

test('kinds have the names that they are read by, and others are not written', (t) => {
  for (const { kind, plural } of [...Object.values(KINDS), ...Object.values(OPTIONAL_KINDS)]) {
    try {
      t.is(objectsPath({ apiVersion: 'v1', kind }), `/api/v1/${plural}`);
    } catch (thrown) {
      t.like(thrown, { code: 'internal' });
    }
  }
  t.throws(() => objectsPath({ apiVersion: 'v1', kind: 'Nothing' }), { message: /Nothing/ });
});
