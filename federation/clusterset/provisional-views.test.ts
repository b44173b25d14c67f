/** What was read from a mirror while the hub is away: used where there is nothing else, in the place of nothing. */
import type { V1EndpointSlice } from '@kubernetes/client-node';
import type { ServiceRecord } from '@landbridge/core/records.ts';
import { ADDRESS_TYPE } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { MCS_SOURCE_LABEL } from '../kubernetes/types.ts';
import { endpoint } from '../records/example-records.ts';
import type { ClusterView } from '../records/peer-table.ts';
import { mayReplace } from '../xds/snapshot.ts';
import { ExampleCluster, exampleView, settled } from './example-cluster.ts';

const record = (name: string): ServiceRecord => ({ kind: 'svc', namespace: 'shop', name, exportedAt: 1, type: 'ClusterSetIP', ports: [{ name: 'http', protocol: 'TCP', port: 80 }], sessionAffinity: 'None', ipFamilies: ['IPv4'] });

/** What west exports: addresses by name. */
function west(addresses: Readonly<Record<string, string>>, isProvisional: boolean): ReadonlyMap<string, ClusterView> {
  const services = new Map(Object.keys(addresses).map((name) => [`shop/${name}`, record(name)]));
  const endpoints = new Map(Object.entries(addresses).map(([name, address]) => [`shop/${name}`, [{ ...endpoint(`${name}-w`, address), ports: [{ name: 'http', protocol: 'TCP' as const, port: 8080 }] }]]));
  return new Map([['west', exampleView('west', { services, endpoints, ...(isProvisional ? { isProvisional } : {}) })]]);
}

const written = (cluster: ExampleCluster): string[] => (cluster.list('EndpointSlice') as V1EndpointSlice[]).filter(({ metadata }) => metadata?.labels?.[MCS_SOURCE_LABEL] === 'west').flatMap(({ endpoints = [] }) => endpoints.flatMap(({ addresses }) => addresses)).sort();
const imports = (cluster: ExampleCluster): string[] => cluster.list('ServiceImport').map(({ metadata }) => metadata?.name ?? '').sort();
const WORKLOAD = 'west//Pod/shop/cart-w';

test('after a restart an old mirror changes and deletes no object that is there, and makes those that are not', async (t) => {
  const cluster = new ExampleCluster();
  cluster.membership.views = west({ cart: '10.2.0.9', pay: '10.2.0.2' }, false);
  await using _ = await settled(cluster);
  t.deepEqual([imports(cluster), written(cluster)], [['cart', 'pay'], ['10.2.0.2', '10.2.0.9']]);

  await cluster.restart({ views: west({ cart: '10.2.0.1', till: '10.2.0.3' }, true), allListed: false });
  t.deepEqual(imports(cluster), ['cart', 'pay', 'till']);
  t.deepEqual(written(cluster), ['10.2.0.2', '10.2.0.3', '10.2.0.9']);
  const told = cluster.told.at(-1);
  if (told === undefined) return t.fail('agents are told');
  t.true(told.types.get(ADDRESS_TYPE)?.has(WORKLOAD), 'agents that have nothing get what there is');
  t.false(mayReplace(told, WORKLOAD), 'those that have it keep it');

  await cluster.restart({ views: west({ cart: '10.2.0.1', till: '10.2.0.3' }, false), allListed: true });
  t.deepEqual([imports(cluster), written(cluster)], [['cart', 'till'], ['10.2.0.1', '10.2.0.3']]);
  const known = cluster.told.at(-1);
  t.true(known !== undefined && mayReplace(known, WORKLOAD));
});
