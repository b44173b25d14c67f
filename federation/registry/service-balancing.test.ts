import test from 'ava';
import { exampleService } from './example-objects.ts';
import { affinityPolicy, DISTRIBUTION_ANNOTATION, serviceBalancing } from './service-balancing.ts';

const balancing = (spec: object, annotation?: string): unknown => {
  const service = exampleService('cart', spec);
  if (annotation !== undefined) service.metadata = { ...service.metadata, annotations: { [DISTRIBUTION_ANNOTATION]: annotation } };
  return serviceBalancing(service);
};

test('a Service that says nothing has no preference', (t) => {
  for (const spec of [{}, { internalTrafficPolicy: 'Cluster' }, { trafficDistribution: 'constructor' }, { trafficDistribution: 'Nonsense' }]) t.is(balancing(spec), undefined);
});

test('Local keeps to the node, whatever else is said', (t) => {
  t.deepEqual(balancing({ internalTrafficPolicy: 'Local', trafficDistribution: 'PreferClose' }), { mode: 'strict', preferences: ['node'], health: 'only-healthy' });
});

test('a distribution prefers what is near, and an annotation wins', (t) => {
  const zone = { mode: 'failover', preferences: ['network', 'region', 'zone'], health: 'only-healthy' };
  for (const trafficDistribution of ['PreferClose', 'PreferSameZone']) t.deepEqual(balancing({ trafficDistribution }), zone);
  t.deepEqual(balancing({ trafficDistribution: 'PreferSameNode' }), { ...zone, preferences: ['network', 'region', 'zone', 'subzone', 'node'] });
  t.deepEqual(balancing({ trafficDistribution: 'PreferSameNode' }, 'PreferSameZone'), zone);
  t.is(balancing({ trafficDistribution: 'PreferSameNode' }, 'Any'), undefined);
});

test('what is published before it is ready is used before it is ready', (t) => {
  t.deepEqual(balancing({ publishNotReadyAddresses: true }), { mode: 'unspecified', preferences: [], health: 'allow-all' });
  t.like(balancing({ publishNotReadyAddresses: true, trafficDistribution: 'PreferClose' }) as object, { mode: 'failover', health: 'allow-all' });
});

test('affinity is by the address of the client, or there is none', (t) => {
  t.is(affinityPolicy('ClientIP').affinity, 'client-address');
  for (const other of ['None', undefined, 'clientip', 'constructor']) t.is(affinityPolicy(other).affinity, 'none');
});
