import { prefixFromBytes } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import fc from 'fast-check';
import { Registry } from './registry.ts';
import { serviceOf, workloadOf } from './test-resources.ts';
import { type AddressRange, hostKey, type Service, type Workload } from './wds-address.ts';

const ips = ['10.0.0.1', '10.0.0.2', '10.0.1.1'];
const namespaces = ['a', 'b', 'c'];
const hostnames = ['h.x', 'i'];
const networks = ['', 'west'];
const ip = fc.constantFrom(...ips);
const range: fc.Arbitrary<AddressRange> = fc.record({ network: fc.constantFrom(...networks), bits: fc.constantFrom(8, 24, 31) }).map(({ network, bits }) => {
  const prefix = prefixFromBytes(Uint8Array.of(10, 0, 0, 0), bits);
  if (!prefix.ok) throw new Error(prefix.error);
  return { network, prefix: prefix.value };
});
const workload: fc.Arbitrary<Workload> = fc.record({
  kind: fc.constantFrom('east//Pod/demo/', 'east/networking.istio.io/WorkloadEntry/demo/', 'NetworkGateway/west/'), n: fc.nat(3), network: fc.constantFrom(...networks), ips: fc.uniqueArray(ip, { maxLength: 2 }),
  tunnel: fc.constantFrom('hbone' as const, 'none' as const), healthy: fc.boolean(), hostNetwork: fc.boolean(), hostname: fc.constantFrom('', 'h.x', 'w'), named: fc.uniqueArray(fc.constantFrom(...hostnames), { maxLength: 2 }), of: fc.uniqueArray(fc.tuple(fc.constantFrom(...namespaces), fc.constantFrom(...hostnames)), { maxLength: 2 }),
}).map(({ kind, n, network, ips: list, of, named, ...over }) => workloadOf(n, { names: new Map(named.map((hostname) => [hostKey('a', hostname), { hostname: '', ipv4: true, ipv6: false, ports: [] }])), uid: `${kind}${n}`, network, addresses: list.map((each) => `${network}/${each}`), services: new Map(of.map(([namespace, hostname]) => [hostKey(namespace, hostname), new Map([[80, 80]])])), ...over }));
const service: fc.Arbitrary<Service> = fc.record({
  namespace: fc.constantFrom(...namespaces), hostname: fc.constantFrom(...hostnames), network: fc.constantFrom(...networks), ips: fc.uniqueArray(ip, { maxLength: 2 }), ranges: fc.array(range, { maxLength: 2 }), canonical: fc.boolean(), visibility: fc.constantFrom('public' as const, 'namespace' as const),
}).map(({ network, ips: list, ...over }) => serviceOf('s', { addresses: list.map((each) => `${network}/${each}`), ...over }));
const resource = fc.oneof(workload, service);
const nameOf = (each: Workload | Service): string => (each.kind === 'workload' ? each.uid : each.key);

/** Everything that can be asked. */
function answers(registry: Registry): unknown {
  const addresses = networks.flatMap((network) => [...ips, '10.0.0.9', 'fd00::1'].map((each) => `${network}/${each}`));
  const clients = [...namespaces, 'x', undefined];
  return {
    workloads: addresses.map((at) => registry.workloadAt(at)?.uid),
    services: addresses.map((at) => clients.map((client) => registry.serviceAt(at, client)?.key)),
    hosts: hostnames.map((hostname) => clients.map((client) => registry.serviceByHostname(hostname, client)?.key)),
    named: namespaces.concat('demo').map((namespace) => ['h.x', 'w'].map((hostname) => registry.workloadByHost(namespace, hostname)?.uid)),
    endpoints: namespaces.flatMap((namespace) => hostnames.map((hostname) => registry.endpointsOf(serviceOf('s', { namespace, hostname })).map(({ uid }) => uid))),
    names: hostnames.map((hostname) => [...registry.namedEndpointsOf(serviceOf('s', { namespace: 'a', hostname }))].map(({ uid }) => uid).sort()),
    domains: ['x', 'h.x', 'i'].map((domain) => registry.hasHostBelow(domain)),
    gateways: networks.map((network) => registry.gatewaysOf(network).map(({ uid }) => uid)),
    count: registry.count(),
  };
}

test('what is found depends on what was told last of each resource, not on the order of resources', (t) => {
  fc.assert(fc.property(fc.uniqueArray(resource, { selector: nameOf, maxLength: 12 }), fc.array(resource, { maxLength: 6 }), fc.infiniteStream(fc.nat()), (final, before, randoms) => {
    const straight = new Registry();
    straight.apply({ updated: final, removed: [] });
    const detour = new Registry();
    for (const each of before) detour.apply({ updated: [each], removed: [] });
    const shuffled = final.map((each) => ({ each, at: randoms.next().value })).sort((a, b) => a.at - b.at).map(({ each }) => each);
    for (const each of shuffled) detour.apply({ updated: [each], removed: [] });
    const kept = new Set(final.map(nameOf));
    detour.apply({ updated: [], removed: before.map(nameOf).filter((name) => !kept.has(name)) });
    t.deepEqual(answers(detour), answers(straight));
  }), { numRuns: 1000 });
});

test('what is not told to have changed is found as before', (t) => {
  fc.assert(fc.property(fc.array(fc.record({ updated: fc.array(resource, { maxLength: 3 }), removed: fc.array(resource.map(nameOf), { maxLength: 2 }) }), { maxLength: 8 }), (deltas) => {
    const registry = new Registry();
    for (const delta of deltas) {
      const addresses = networks.flatMap((network) => ips.map((each) => `${network}/${each}`));
      const look = (at: string): unknown => [registry.workloadAt(at), ...[...namespaces, undefined].map((client) => registry.serviceAt(at, client))];
      const keys = namespaces.flatMap((namespace) => hostnames.map((hostname) => ({ namespace, hostname, key: hostKey(namespace, hostname) })));
      const endpoints = ({ namespace, hostname }: { namespace: string; hostname: string }): unknown => [registry.service(hostKey(namespace, hostname)), registry.workloadByHost(namespace, hostname), ...registry.endpointsOf(serviceOf('s', { namespace, hostname }))];
      const before = { addresses: addresses.map(look), endpoints: keys.map(endpoints), gateways: networks.map((network) => [...registry.gatewaysOf(network)]) };
      const change = registry.apply(delta);
      for (const [i, at] of addresses.entries()) if (!change.addresses.has(at) && change.ranges.length === 0) t.deepEqual(look(at), before.addresses[i], at);
      for (const [i, key] of keys.entries()) if (!change.services.has(key.key)) t.deepEqual(endpoints(key), before.endpoints[i], key.key);
      for (const [i, network] of networks.entries()) if (!change.gatewayNetworks.has(network)) t.deepEqual(registry.gatewaysOf(network), before.gateways[i]);
    }
  }), { numRuns: 300 });
  t.pass();
});
