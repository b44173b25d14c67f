import { parsePrefix } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import { Registry } from './registry.ts';
import { registryOf, servesAt, serviceOf, workloadOf } from './test-resources.ts';
import type { AddressRange, Workload } from './wds-address.ts';

const AT = '/10.1.0.9';
const range = (text: string, network = ''): AddressRange => {
  const prefix = parsePrefix(text);
  if (!prefix.ok) throw new Error(prefix.error);
  return { network, prefix: prefix.value };
};

test('of several that claim an address, pods of the mesh are believed before pods, what is in the mesh before the rest', (t) => {
  const claims: Partial<Workload>[] = [
    { uid: 'east//Pod/demo/a', tunnel: 'hbone' },
    { uid: 'east//Pod/demo/b', tunnel: 'none' },
    { uid: 'east/networking.istio.io/WorkloadEntry/demo/c', tunnel: 'hbone' },
    { uid: 'east/networking.istio.io/WorkloadEntry/demo/d', tunnel: 'none' },
  ];
  const workloads = claims.map((claim) => workloadOf(9, claim));
  for (const order of [workloads, [...workloads].reverse()]) {
    const registry = registryOf(...order);
    for (const workload of workloads) {
      t.is(registry.workloadAt(AT)?.uid, workload.uid);
      registry.apply({ updated: [], removed: [workload.uid] });
    }
    t.is(registry.workloadAt(AT), undefined);
  }
});

test('a pod that ended does not keep its address from the one that has it now', (t) => {
  const ended = workloadOf(1, { addresses: [AT], healthy: false });
  const successor = workloadOf(2, { addresses: [AT] });
  t.is(registryOf(successor, ended).workloadAt(AT), successor);
  t.is(registryOf(ended, successor).workloadAt(AT), successor);
});

test('the addresses of a workload with the network of its node lead to nobody', (t) => {
  const registry = registryOf(workloadOf(9, { hostNetwork: true }));
  t.is(registry.workloadAt(AT), undefined);
  t.truthy(registry.workload('east//Pod/demo/echo-9'));
});

test('a pod of this node is found among those that claim its address', (t) => {
  const entry = workloadOf(9, { uid: 'east//Pod/other/x', namespace: 'other', name: 'x' });
  const registry = registryOf(entry, workloadOf(9));
  t.is(registry.localWorkload(AT, { namespace: 'demo', name: 'echo-9', serviceAccount: 'echo' })?.name, 'echo-9');
  t.is(registry.localWorkload(AT, { namespace: 'demo', name: 'echo-9', serviceAccount: 'other' }), undefined);
});

test('of services that share an address the one of the client is preferred, then the canonical one', (t) => {
  const a = serviceOf('a', { namespace: 'a', addresses: [AT] });
  const b = serviceOf('b', { namespace: 'b', addresses: [AT], canonical: true });
  const c = serviceOf('c', { namespace: 'c', addresses: [AT] });
  for (const registry of [registryOf(a, b, c), registryOf(c, b, a)]) {
    t.is(registry.serviceAt(AT, 'c'), c);
    t.is(registry.serviceAt(AT, 'x'), b);
    t.is(registry.serviceAt(AT), b);
    registry.apply({ updated: [], removed: [b.key] });
    t.is(registry.serviceAt(AT, 'x'), a);
  }
});

test('a service of one namespace is hidden from the others, by address, range and hostname', (t) => {
  const hidden = serviceOf('hidden', { namespace: 'a', hostname: 'h', addresses: [AT], ranges: [range('10.2.0.0/16')], visibility: 'namespace', canonical: true });
  const shown = serviceOf('shown', { namespace: 'b', hostname: 'h', addresses: [AT], ranges: [range('10.0.0.0/8')] });
  const registry = registryOf(hidden, shown);
  for (const [client, expected] of [['a', hidden], ['b', shown], ['c', shown], [undefined, hidden]] as const) {
    t.is(registry.serviceAt(AT, client), expected);
    t.is(registry.serviceAt('/10.2.3.4', client), expected);
    t.is(registry.serviceByHostname('h', client), expected);
  }
});

test('ranges are found by the longest prefix, those of the client first, and never before an exact address', (t) => {
  const wide = serviceOf('wide', { namespace: 'a', ranges: [range('10.0.0.0/8')] });
  const narrow = serviceOf('narrow', { namespace: 'b', ranges: [range('10.1.0.0/24')] });
  const other = serviceOf('other', { namespace: 'c', ranges: [range('10.1.0.0/24')], canonical: true });
  const exact = serviceOf('exact', { namespace: 'd', addresses: [AT] });
  const registry = registryOf(wide, narrow, exact);
  t.is(registry.serviceAt('/10.1.0.8', 'x'), narrow);
  t.is(registry.serviceAt('/10.1.0.8', 'a'), wide, "the client's own namespace");
  t.is(registry.serviceAt('/10.7.0.8', 'x'), wide);
  t.is(registry.serviceAt('/11.0.0.1', 'x'), undefined);
  t.is(registry.serviceAt('net/10.1.0.8', 'x'), undefined, 'another network');
  t.is(registry.serviceAt(AT, 'a'), exact);
  registry.apply({ updated: [other], removed: [] });
  t.is(registry.serviceAt('/10.1.0.8', 'x'), other, 'canonical');
  registry.apply({ updated: [serviceOf('wide', { namespace: 'a' })], removed: [narrow.key, other.key] });
  t.is(registry.serviceAt('/10.1.0.8', 'a'), undefined);
});

test('endpoints may come before their service', (t) => {
  const service = serviceOf('echo', { addresses: ['/10.9.0.1'] });
  const registry = registryOf(workloadOf(2, { services: servesAt(service) }), workloadOf(1, { services: servesAt(service) }));
  registry.apply({ updated: [service], removed: [] });
  t.deepEqual(registry.endpointsOf(service).map(({ name }) => name), ['echo-1', 'echo-2']);
  t.true(registry.isEndpoint(service, 'east//Pod/demo/echo-1'));
  registry.apply({ updated: [workloadOf(1)], removed: [] });
  t.deepEqual(registry.endpointsOf(service).map(({ name }) => name), ['echo-2']);
});

test('gateways of a network and workloads with a hostname are found', (t) => {
  const gateway = workloadOf(1, { uid: 'NetworkGateway/west/192.0.2.1/15008', network: 'west', addresses: ['west/192.0.2.1'] });
  const named = workloadOf(2, { hostname: 'db.example', addresses: [] });
  const registry = registryOf(gateway, named);
  t.deepEqual(registry.gatewaysOf('west'), [gateway]);
  t.is(registry.workloadByHost('demo', 'db.example'), named);
  t.is(registry.workloadByHost('other', 'db.example'), undefined);
  registry.apply({ updated: [], removed: [gateway.uid, named.uid] });
  t.deepEqual(registry.gatewaysOf('west'), []);
  t.is(registry.workloadByHost('demo', 'db.example'), undefined);
});

test('it is told what changed: before and after', (t) => {
  const old = serviceOf('old');
  const next = serviceOf('next', { addresses: ['/10.9.0.2'], ranges: [range('10.2.0.0/16')] });
  const registry = registryOf(workloadOf(1, { services: servesAt(old), hostname: 'h' }));
  const moved = registry.apply({ updated: [workloadOf(1, { addresses: ['/10.1.0.5'], services: servesAt(next) }), next], removed: ['unknown'] });
  t.deepEqual([...moved.services].sort(), ['demo/h', next.key, old.key].sort());
  t.deepEqual([...moved.addresses].sort(), ['/10.1.0.1', '/10.1.0.5', '/10.9.0.2']);
  t.deepEqual(moved.ranges, next.ranges);
  const gateways = registry.apply({ updated: [workloadOf(2, { uid: 'NetworkGateway/west/a/1', network: 'west' })], removed: [] });
  t.deepEqual([...gateways.gatewayNetworks], ['west']);
  t.is(registry.apply({ updated: [], removed: [] }).addresses.size, 0);
});

test('the address of a service that was removed, or that it gave up, is retired for a while', (t) => {
  const registry = registryOf(serviceOf('gone', { addresses: ['/10.9.0.1'] }), serviceOf('moved', { addresses: ['/10.9.0.2', '/10.9.0.3'] }));
  registry.apply({ updated: [serviceOf('moved', { addresses: ['/10.9.0.3', '/10.9.0.4'] })], removed: [serviceOf('gone').key] }, 1000);
  t.is(registry.retiredAt('/10.9.0.1', 2000)?.name, 'gone');
  t.is(registry.retiredAt('/10.9.0.2', 2000)?.name, 'moved');
  t.is(registry.retiredAt('/10.9.0.3', 2000), undefined);
  t.is(registry.retirement('/10.9.0.1', 2000)?.untilMs, 61_000);
  t.is(registry.retiredAt('/10.9.0.1', 61_000), undefined);
});

test('retired addresses are not kept without bound, and those that are dropped are told', (t) => {
  const registry = new Registry();
  const many = Array.from({ length: 4096 }, (_, i) => `/10.8.${i >> 8}.${i & 255}`);
  registry.apply({ updated: [serviceOf('many', { addresses: many })], removed: [] }, 0);
  registry.apply({ updated: [], removed: [serviceOf('many').key] }, 0);
  registry.apply({ updated: [serviceOf('one', { addresses: ['/10.9.0.1'] })], removed: [] }, 0);
  const change = registry.apply({ updated: [], removed: [serviceOf('one').key] }, 0);
  t.is(registry.retiredAt('/10.9.0.1', 1)?.name, 'one');
  t.is(registry.retiredAt('/10.8.0.0', 1), undefined);
  t.true(change.addresses.has('/10.8.0.0'));
});
