import type { V1EndpointSlice, V1Node, V1Service } from '@kubernetes/client-node';
import { formatPrefix, ipBytes, type IpPrefix, parseIp } from '@landbridge/core/ip-address.ts';
import { type Endpoint, MAX_RANGES } from '@landbridge/core/records.ts';
import test from 'ava';
import { endpoint } from '../records/example-records.ts';
import { OwnPlacesIndex } from './own-places.ts';

const node = (name: string, podCIDRs: string[], ...addresses: string[]): V1Node => ({ metadata: { name }, spec: { podCIDRs }, status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) } });
const service = (...clusterIPs: string[]): V1Service => ({ spec: { clusterIPs } });
const apiServers = (...addresses: string[]): V1EndpointSlice => ({ addressType: 'IPv4', endpoints: [{ addresses }] });

class Cluster {
  readonly nodes = new Map<string, V1Node>();
  readonly services = new Map<string, V1Service>();
  readonly slices = new Map<string, V1EndpointSlice>();
  readonly index: OwnPlacesIndex;

  constructor(podRanges: string[] = [], serviceRanges: string[] = []) {
    this.index = new OwnPlacesIndex({ podRanges, serviceRanges });
  }

  apply(): boolean {
    return this.index.apply({ nodes: new Set(this.nodes.keys()), services: new Set(this.services.keys()), slices: new Set(this.slices.keys()) }, { node: (key) => this.nodes.get(key), service: (key) => this.services.get(key), slice: (key) => this.slices.get(key) });
  }

  declared(...endpoints: Endpoint[]): string[] | undefined {
    return this.index.toDeclare(endpoints)?.map(formatPrefix);
  }
}

const texts = (prefixes: readonly IpPrefix[]): string[] => prefixes.map(formatPrefix);

test('places are what nodes, Services and the API server’s slice say, and new only where they are others', (t) => {
  const cluster = new Cluster();
  cluster.nodes.set('/n1', node('n1', ['10.1.0.0/24', 'fd00:1::/64'], '172.16.0.1', 'n1.example'));
  cluster.nodes.set('/n2', node('n2', ['10.1.1.0/24'], '172.16.0.2'));
  cluster.services.set('default/kubernetes', service('10.96.0.1'));
  cluster.services.set('shop/headless', service('None'));
  cluster.slices.set('default/kubernetes', apiServers('172.16.0.1'));
  t.true(cluster.apply());
  const { places } = cluster.index;
  t.deepEqual([[...places.nodes], [...places.apiServers], texts(places.podRanges.prefixes), texts(places.serviceRanges.prefixes)].map((each) => each.map(String)), [['172.16.0.1', '172.16.0.2'], ['172.16.0.1'], ['10.1.0.0/23', 'fd00:1::/64'], ['10.96.0.1/32']]);
  t.false(cluster.apply());
  t.is(cluster.index.places, places);
  cluster.nodes.set('/n2', { ...node('n2', ['10.1.1.0/24'], '172.16.0.2'), metadata: { name: 'n2', resourceVersion: '7' } });
  t.false(cluster.apply());
  cluster.index.apply({ nodes: new Set(['/n1']), services: new Set(), slices: new Set() }, { node: () => undefined, service: () => undefined, slice: () => undefined });
  t.deepEqual(texts(cluster.index.places.podRanges.prefixes), ['10.1.1.0/24']);
});

test('the range of Services grows with what is seen, and holds nothing that is not between two of them', (t) => {
  const cluster = new Cluster();
  const seen = (...ips: string[]): string[] => {
    cluster.services.set('x/y', service(...ips));
    cluster.apply();
    return texts(cluster.index.places.serviceRanges.prefixes);
  };
  t.deepEqual(seen('10.96.0.1'), ['10.96.0.1/32']);
  t.deepEqual(seen('10.96.0.10'), ['10.96.0.0/28']);
  t.deepEqual(seen('10.96.217.3'), ['10.96.0.0/16']);
  t.deepEqual(seen('10.200.0.1'), ['10.96.0.0/16', '10.200.0.1/32'], 'another range');
  t.deepEqual(seen('fd00::1', 'fd00::f:0:0:1'), ['10.96.0.0/16', '10.200.0.1/32', 'fd00::/76']);
});

test('what is configured counts in the place of what is seen', (t) => {
  const cluster = new Cluster(['10.5.0.0/16'], ['10.96.0.0/12']);
  cluster.nodes.set('/n1', node('n1', ['10.1.0.0/24'], '172.16.0.1'));
  cluster.services.set('default/kubernetes', service('10.96.0.1'));
  cluster.apply();
  t.deepEqual([texts(cluster.index.places.podRanges.prefixes), texts(cluster.index.places.serviceRanges.prefixes), cluster.declared(endpoint('x', '192.168.0.1'))], [['10.5.0.0/16'], ['10.96.0.0/12'], ['10.5.0.0/16']]);
});

test('declared is where nodes have pods, and nodes that are endpoints; nothing where pods are elsewhere, or nodes say nothing', (t) => {
  const cluster = new Cluster();
  t.is(cluster.declared(), undefined);
  cluster.nodes.set('/n1', node('n1', ['10.1.0.0/24'], '172.16.0.1'));
  cluster.apply();
  t.deepEqual(cluster.declared(endpoint('a', '10.1.0.7')), ['10.1.0.0/24']);
  t.deepEqual(cluster.declared(endpoint('a', '10.1.0.7'), endpoint('host', '172.16.0.1')), ['10.1.0.0/24', '172.16.0.1/32']);
  t.is(cluster.declared(endpoint('a', '10.1.0.7'), endpoint('b', '192.168.0.1')), undefined);
});

test('more ranges than a record takes are joined to wider ones', (t) => {
  const cluster = new Cluster();
  for (let i = 0; i < 1000; i++) cluster.nodes.set(`/n${i}`, node(`n${i}`, [`10.${Math.floor(i / 100)}.${(i % 100) * 2}.0/24`]));
  cluster.apply();
  const declared = cluster.index.toDeclare([]) ?? [];
  t.true(declared.length > 1 && declared.length <= MAX_RANGES, String(declared.length));
  const ip = parseIp('10.9.198.5');
  t.true(ip.ok && cluster.index.places.podRanges.has(ipBytes(ip.value)));
  t.true(new OwnPlacesIndex({ podRanges: texts(declared), serviceRanges: [] }).places.podRanges.has(ip.ok ? ipBytes(ip.value) : new Uint8Array()));
});
