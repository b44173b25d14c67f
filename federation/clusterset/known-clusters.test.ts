import type { ServiceRecord } from '@landbridge/core/records.ts';
import { ADDRESS_TYPE } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { mayRemove } from '../xds/snapshot.ts';
import { endpoint, service } from '../records/example-records.ts';
import { ExampleCluster, exampleView, settled } from './example-cluster.ts';

const whole = exampleView('west', { services: new Map([['shop/cart', service('cart') as ServiceRecord]]), endpoints: new Map([['shop/cart', [endpoint('cart-1')]]]) });

test('a cluster that becomes known completely after all was worked out without it loses nothing for that', async (t) => {
  const cluster = new ExampleCluster();
  cluster.membership.views = new Map([['west', whole]]);
  await using _ = await settled(cluster);
  const objects = (): unknown => ['ServiceImport', 'Service', 'EndpointSlice'].map((kind) => cluster.list(kind).map(({ metadata }) => metadata?.uid));
  const before = objects();
  t.is(JSON.stringify(before).match(/"/g)?.length, 6, 'each is there');

  cluster.leadership.set(false);
  await cluster.restart({ views: new Map([['west', exampleView('west', { complete: false })]]) });
  cluster.membership.views = new Map([['west', whole]]);
  // Nobody has told the clusterset yet. Who takes the lead writes all, and agents come with what they have.
  cluster.leadership.set(true);
  const told = cluster.told.at(-1);
  t.deepEqual([told === undefined || mayRemove(told, ADDRESS_TYPE, 'west//Pod/shop/cart-1'), told?.allComplete], [false, false]);
  await cluster.settle();
  t.deepEqual(objects(), before);
  t.deepEqual(cluster.written.filter((each) => each.startsWith('delete')), []);
  t.true(cluster.told.at(-1)?.allComplete);
});
