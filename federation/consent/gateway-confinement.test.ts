import { parseIp } from '@landbridge/core/ip-address.ts';
import type { Gateway } from '@landbridge/core/records.ts';
import test from 'ava';
import { exampleGateway } from '../networks/example-gateways.ts';
import type { RemoteGateways } from '../networks/remote-gateways.ts';
import { AddressRanges, readPrefixes } from './address-ranges.ts';
import type { OwnPlaces } from './endpoint-confinement.ts';
import { confineGateways, type ConfinedGateways } from './gateway-confinement.ts';

const ip = (text: string) => {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
};
const ranges = (...texts: string[]): AddressRanges => new AddressRanges(readPrefixes(texts));
const places: OwnPlaces = { nodes: new Set([ip('172.16.0.10')]), apiServers: new Set([ip('172.16.0.2')]), serviceRanges: ranges('10.96.0.0/16'), podRanges: ranges('10.1.0.0/16', 'fd00:1::/48') };

interface ExampleMember {
  readonly network: string;
  readonly ranges?: readonly string[];
  readonly gateways?: readonly Gateway[];
  readonly trustDomain?: string;
}

/** Members join in the order in which they are named. */
function confined(members: Readonly<Record<string, ExampleMember>>): ConfinedGateways {
  const remotes = new Map(Object.entries(members).flatMap(([cluster, { network, gateways = [], trustDomain = `${cluster}.landbridge` }]): [string, RemoteGateways][] => (network === 'here' ? [] : [[cluster, { cluster, trustDomain, network, gateways }]])));
  const declarations = Object.entries(members).map(([cluster, { network, ranges: declared }], joinedAt) => ({ cluster, network, joinedAt, ranges: declared }));
  // Whoever comes first on the bus is not who joined first.
  return confineGateways(remotes, { network: 'here', trustDomain: 'east.landbridge', places, gateways: [exampleGateway('198.51.100.1')], members: declarations.reverse() }, new Map());
}

const keptOf = ({ kept }: ConfinedGateways, cluster: string): readonly string[] => (kept.get(cluster)?.gateways ?? []).map(({ address }) => address);
const droppedOf = ({ dropped }: ConfinedGateways, cluster: string): object => Object.fromEntries(dropped.get(cluster) ?? []);

test('what an address means to clients here is no gateway of another network', (t) => {
  const gateways = ['172.16.0.10', '172.16.0.2', '10.96.0.1', '10.1.7.1', 'fd00:1::7', '10.3.0.1', '198.51.100.1', '192.0.2.1', 'gw.example'].map((address) => exampleGateway(address));
  const result = confined({ north: { network: 'here', ranges: ['10.3.0.0/16'] }, west: { network: 'far', gateways } });
  t.deepEqual(keptOf(result, 'west'), ['192.0.2.1', 'gw.example']);
  t.deepEqual(droppedOf(result, 'west'), { 'node': 1, 'api-server': 1, 'service-range': 1, 'pod-range': 2, 'other-cluster': 1, 'gateway': 1 });
});

test('places of clusters in other networks mean nothing here, and who declares nothing has none', (t) => {
  const result = confined({ south: { network: 'other', ranges: ['192.0.2.0/24'] }, north: { network: 'here' }, west: { network: 'far', gateways: [exampleGateway('192.0.2.1')] } });
  t.deepEqual(keptOf(result, 'west'), ['192.0.2.1']);
});

test('whoever joins later takes no gateway from those before, neither by ranges nor by gateways', (t) => {
  const gateways = [exampleGateway('192.0.2.1'), exampleGateway('gw.example')];
  const result = confined({ west: { network: 'far', gateways }, mallory: { network: 'here', ranges: ['192.0.0.0/8'] }, mallet: { network: 'near', gateways } });
  t.deepEqual(keptOf(result, 'west'), ['192.0.2.1', 'gw.example']);
  t.false(result.kept.has('mallet'));
  t.deepEqual(droppedOf(result, 'mallet'), { 'other-cluster': 1, 'gateway': 1 });
});

test('ranges that no cluster can have take nothing either', (t) => {
  const result = confined({ mallory: { network: 'here', ranges: ['0.0.0.0/0', '192.0.0.0/7', '::/0'] }, west: { network: 'far', gateways: [exampleGateway('192.0.2.1'), exampleGateway('2001:db8::1')] } });
  t.deepEqual(keptOf(result, 'west'), ['192.0.2.1', '2001:db8::1']);
});

test('one address may lead to several clusters by port, and one gateway to several of one trust domain', (t) => {
  const shared = exampleGateway('192.0.2.1');
  const result = confined({
    west: { network: 'far', gateways: [shared], trustDomain: 'same' },
    south: { network: 'far', gateways: [shared], trustDomain: 'same' },
    north: { network: 'far', gateways: [{ ...shared, port: 15009 }] },
  });
  t.deepEqual([...result.kept.keys()].sort(), ['north', 'south', 'west']);
  t.is(result.dropped.size, 0);
});
