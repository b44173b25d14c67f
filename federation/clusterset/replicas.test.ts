import { X509Certificate } from 'node:crypto';
import type { KubernetesObject } from '@kubernetes/client-node';
import type { MetaRecord } from '@landbridge/core/records.ts';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import { makeRoot } from '../ca/own-root.ts';
import type { ServiceImport } from '../kubernetes/types.ts';
import { exampleAuthorization } from '../policy/example-policies.ts';
import { exampleEndpoint, examplePod, exampleSlice } from '../registry/example-objects.ts';
import { exampleView, exporting, settled } from './example-cluster.ts';
import { bundleDigest } from './trust-distribution.ts';

const POLICIES = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'authorizationpolicies.security.istio.io' }, spec: { versions: [{ name: 'v1', served: true }] } } as KubernetesObject;

test('a replica that does not lead tells agents everything and writes nothing; once it leads it writes what is missing, and nothing twice', async (t) => {
  const cluster = exporting();
  cluster.leadership.set(false);
  cluster.put(POLICIES);
  await using _ = await settled(cluster);
  cluster.put(exampleAuthorization({}, { name: 'closed' }));
  await cluster.settle();
  t.deepEqual([cluster.written, cluster.list('ServiceImport').length], [[], 0]);
  t.deepEqual([...cluster.membership.published.keys()], ['meta', 'svc.shop.cart', 'eps.shop.cart.0'], 'whoever publishes knows who leads');
  t.true(cluster.told.length > 0);

  cluster.leadership.set(true);
  await cluster.settle();
  t.true(cluster.written.some((each) => each.startsWith('apply EndpointSlice')));
  t.true(cluster.written.includes('status authorizationpolicies closed'));
  t.true(cluster.written.includes('status serviceexports cart'));

  // The same objects for the next one, which was there before.
  await cluster.restart({});
  cluster.leadership.set(false);
  cluster.written.length = 0;
  const uids = (cluster.list('ServiceImport') as ServiceImport[]).map(({ metadata }) => metadata?.uid);
  cluster.leadership.set(true);
  await cluster.settle();
  t.deepEqual(cluster.written, []);
  cluster.leadership.set(false);
  cluster.put(examplePod('cart-2'));
  cluster.put(exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1'), exampleEndpoint('cart-2', '10.0.0.2')], { ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] }));
  await cluster.settle();
  t.deepEqual(cluster.written, []);
  cluster.leadership.set(true);
  await cluster.settle();
  t.deepEqual(cluster.written.map((each) => each.split(' ').slice(0, 2).join(' ')), ['apply EndpointSlice']);
  t.deepEqual((cluster.list('ServiceImport') as ServiceImport[]).map(({ metadata }) => metadata?.uid), uids);
});

test('other clusters are told that roots are everywhere only once the agents of all replicas have them', async (t) => {
  const root = new X509Certificate(makeRoot('west.landbridge', Date.now()).certificatePem).raw;
  const cluster = exporting();
  cluster.confirmation = { connected: 2, confirmed: 2 };
  cluster.otherReplicas = [{ pod: 'pod-b', report: undefined }];
  cluster.membership.views = new Map([['west', exampleView('west', { meta: { kind: 'meta', trustDomain: 'west.landbridge', network: '', version: '0.1.0', roots: [root.toString('base64')] } })]]);
  await using _ = await settled(cluster);
  const published = (): MetaRecord['trusted'] => (cluster.membership.published.get('meta') as MetaRecord).trusted;
  const trusted = [{ cluster: 'west', digest: bundleDigest({ roots: [root] }) }];
  const roots = bundleDigest({ roots: cluster.roots });
  t.deepEqual(published(), []);
  t.deepEqual(cluster.report, { v: 1, roots, connected: 2, confirmed: 2, trusted }, 'what this one says to the others');
  t.deepEqual(cluster.clusterset.rootsToldTo().agents, { connected: 2, confirmed: 2, replicasBehind: ['pod-b'] });
  const report = { v: 1, roots, connected: 3, confirmed: 1, trusted: [] } as const;
  cluster.otherReplicas = [{ pod: 'pod-b', report: { ...report, trusted: [] } }];
  cluster.clusterset.lookAtTrust();
  await cluster.settle();
  t.deepEqual(published(), []);
  t.deepEqual(cluster.clusterset.rootsToldTo().agents, { connected: 5, confirmed: 3, replicasBehind: [] });
  cluster.otherReplicas = [{ pod: 'pod-b', report: { ...report, trusted } }];
  cluster.clusterset.lookAtTrust();
  await until('the others to be told', () => published()?.length === 1);
  t.deepEqual(published(), trusted);
});
