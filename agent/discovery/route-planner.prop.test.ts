import { prefixFromBytes } from '@landbridge/core/ip-address.ts';
import type { RoutePlan } from '@landbridge/core/route-plan.ts';
import test from 'ava';
import fc from 'fast-check';
import { planGatewayWithDependencies } from './gateway-planner.ts';
import { Registry } from './registry.ts';
import { isAffected } from './registry-reads.ts';
import { type PlannedRoute, planWithDependencies } from './route-planner.ts';
import { destinationOf, ipAddress, serviceOf, sourceOf, workloadOf } from './test-resources.ts';
import type { RouteSource } from './upstreams.ts';
import { type AddressRange, type GatewayAddress, hostKey, type Service, type Workload } from './wds-address.ts';

// A small world, so that everything has to do with everything.
const IPS = ['10.0.0.1', '10.0.0.2', '10.0.1.1', 'fd00::1'];
const NAMESPACES = ['a', 'b'];
const HOSTNAMES = ['h', 'w', 'g'];
const NETWORKS = ['', 'west'];
const PORTS = [80, 15008];

const ip = fc.constantFrom(...IPS);
const network = fc.constantFrom(...NETWORKS);
const namespace = fc.constantFrom(...NAMESPACES);
const hostname = fc.constantFrom(...HOSTNAMES);
const place = { region: fc.constantFrom('', 'r'), zone: fc.constantFrom('', 'z'), node: fc.constantFrom('n', 'm') };
const gateway: fc.Arbitrary<GatewayAddress> = fc.oneof(
  fc.record({ kind: fc.constant('hostname' as const), namespace, hostname: fc.constantFrom('w', 'g', 'x'), port: fc.constantFrom(0, 15008) }),
  fc.record({ kind: fc.constant('address' as const), network, ip: ip.map(ipAddress), port: fc.constant(15008) }),
);
const maybe = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined, freq: 2 });
const ports = fc.uniqueArray(fc.tuple(fc.constantFrom(...PORTS), fc.constantFrom(0, 80, 15008)), { selector: ([port]) => port, maxLength: 2 }).map((list) => new Map(list));
const range: fc.Arbitrary<AddressRange> = fc.record({ network, bits: fc.constantFrom(8, 24) }).map((of) => {
  const prefix = prefixFromBytes(Uint8Array.of(10, 0, 0, 0), of.bits);
  if (!prefix.ok) throw new Error(prefix.error);
  return { network: of.network, prefix: prefix.value };
});
const workload: fc.Arbitrary<Workload> = fc.record({
  kind: fc.constantFrom('east//Pod/demo/', 'NetworkGateway/west/'), n: fc.nat(4), network, ips: fc.uniqueArray(ip, { maxLength: 2 }), tunnel: fc.constantFrom('hbone' as const, 'hbone' as const, 'none' as const), healthy: fc.boolean(), hostname: fc.constantFrom('', '', 'x'), namespace,
  of: fc.uniqueArray(fc.record({ namespace, hostname, ports }), { selector: (each) => hostKey(each.namespace, each.hostname), maxLength: 3 }), waypoint: maybe(gateway), networkGateway: maybe(gateway), capacity: fc.nat(3), serviceAccount: fc.constantFrom('s', 's', 'Bad_'), ...place,
  applicationTunnel: maybe(fc.constant({ protocol: 'proxy' as const, port: 15088 })),
}).map(({ kind, n, ips, of, ...over }) => workloadOf(n, { ...over, uid: `${kind}${n}`, addresses: ips.map((each) => `${over.network}/${each}`), services: new Map(of.map((each) => [hostKey(each.namespace, each.hostname), each.ports])) }));
const service: fc.Arbitrary<Service> = fc.record({
  namespace, hostname, network, ips: fc.uniqueArray(ip, { maxLength: 2 }), ranges: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(range, { maxLength: 1 }) }), ports, canonical: fc.boolean(), visibility: fc.constantFrom('public' as const, 'public' as const, 'namespace' as const), waypoint: maybe(gateway),
  weightedWaypoints: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(fc.record({ destination: gateway, weight: fc.nat(2) }), { maxLength: 2 }) }), ipFamilies: fc.constantFrom('automatic' as const, 'ipv4' as const),
  loadBalancing: fc.record({ mode: fc.constantFrom('unspecified' as const, 'failover' as const, 'strict' as const, 'passthrough' as const), health: fc.constantFrom('only-healthy' as const, 'allow-all' as const), preferences: fc.uniqueArray(fc.constantFrom('network' as const, 'region' as const, 'zone' as const, 'node' as const), { maxLength: 3 }) }),
}).map(({ network: of, ips, ...over }) => serviceOf('s', { ...over, addresses: ips.map((each) => `${of}/${each}`) }));
const resource = fc.oneof(workload, service);
const nameOf = (each: Workload | Service): string => (each.kind === 'workload' ? each.uid : each.key);
const delta = fc.record({ updated: fc.array(resource, { maxLength: 2 }), removed: fc.oneof({ weight: 2, arbitrary: fc.constant([] as string[]) }, { weight: 1, arbitrary: fc.array(resource.map(nameOf), { maxLength: 2 }) }) });

const SOURCES: readonly RouteSource[] = [sourceOf({ namespace: 'a', region: 'r', zone: 'z', address: ipAddress('10.0.0.1') }), sourceOf({ namespace: 'b', network: 'west' })];
const QUESTIONS: readonly ((registry: Registry) => PlannedRoute)[] = [
  ...SOURCES.flatMap((source) => [...IPS, '10.0.7.7'].flatMap((to) => PORTS.map((port) => (registry: Registry) => planWithDependencies(registry, source, destinationOf(to, port), 0)))),
  ...HOSTNAMES.map((host) => (registry: Registry) => planGatewayWithDependencies(registry, sourceOf(), host, 80)),
];

test('recomputing the plans that a change affects is the same as recomputing all', (t) => {
  let kept = 0;
  let changed = 0;
  fc.assert(fc.property(fc.array(resource, { maxLength: 10 }), fc.array(delta, { maxLength: 6 }), (first, deltas) => {
    const registry = new Registry();
    registry.apply({ updated: first, removed: [] }, 0);
    const plans = QUESTIONS.map((ask) => ask(registry));
    for (const each of deltas) {
      const change = registry.apply(each, 0);
      for (const [i, ask] of QUESTIONS.entries()) {
        const before = plans[i];
        const fresh = ask(registry);
        if (before !== undefined && !isAffected(before.dependencies, change)) {
          kept++;
          t.deepEqual(before.plan, fresh.plan);
          continue;
        }
        if (JSON.stringify(before?.plan) !== JSON.stringify(fresh.plan)) changed++;
        plans[i] = fresh;
      }
    }
  }), { numRuns: 800 });
  t.true(kept > 1000 && changed > 1000, `${kept} kept, ${changed} changed: the world is too small or too large to tell anything`);
});

/** What no plan may ever say. */
function fault(plan: RoutePlan, source: RouteSource): string | undefined {
  if (plan.kind !== 'balance') return undefined;
  const { candidates } = plan;
  if (candidates.length === 0) return 'no candidate';
  if (new Set(candidates.map(({ id }) => id)).size !== candidates.length) return 'an id twice';
  for (const [i, candidate] of candidates.entries()) {
    if (candidate.rank < (candidates[i - 1]?.rank ?? 0) || candidate.rank > (candidates[i - 1]?.rank ?? -1) + 1) return 'ranks with gaps or out of order';
    if (!(candidate.weight >= 1 - 1e-9) || !Number.isFinite(candidate.weight)) return `weight ${candidate.weight}`;
    if (candidate.hop !== 'plain' && candidate.identities.length === 0) return 'a tunnel to anybody';
    if (candidate.hop === 'plain' && (candidate.identities.length > 0 || candidate.authority !== '')) return 'plaintext with an identity';
    if ((candidate.hop === 'double-hbone') !== candidate.innerIdentities.length > 0) return 'an inner tunnel to anybody';
    if (candidate.hop !== 'plain' && candidate.authority === '') return 'a tunnel to nowhere';
    if (!(candidate.port > 0)) return 'no port';
    if (source.network === '' && candidate.address === '') return 'no address';
  }
  return undefined;
}

test('no plan leads where nobody can be verified, or is out of order', (t) => {
  fc.assert(fc.property(fc.array(resource, { maxLength: 12 }), (resources) => {
    const registry = new Registry();
    registry.apply({ updated: resources, removed: [] }, 0);
    for (const source of SOURCES) for (const to of IPS) for (const port of PORTS) t.is(fault(planWithDependencies(registry, source, destinationOf(to, port), 0).plan, source), undefined);
  }), { numRuns: 1500 });
});

test('a service is never passed by, and what takes HBONE never gets plaintext', (t) => {
  fc.assert(fc.property(fc.array(resource, { maxLength: 12 }), (resources) => {
    const registry = new Registry();
    registry.apply({ updated: resources, removed: [] }, 0);
    for (const source of SOURCES) for (const to of IPS) {
      const at = `${source.network}/${to}`;
      const { plan } = planWithDependencies(registry, source, destinationOf(to, 80), 0);
      const known = registry.serviceAt(at, source.namespace);
      // Nothing leaves the mesh to what is in it.
      if (plan.kind === 'passthrough') t.true(registry.workloadAt(at) === undefined && (known === undefined || known.loadBalancing.mode === 'passthrough'));
      if (plan.kind !== 'balance') continue;
      for (const { hop, id } of plan.candidates) if (hop === 'plain') t.is(registry.workload(id)?.tunnel, 'none');
    }
  }), { numRuns: 800 });
});

test('endpoints of a service in one network: the first rank is what one connection would choose from, by capacity', (t) => {
  fc.assert(fc.property(service, fc.array(workload, { maxLength: 8 }), (of, workloads) => {
    const target: Service = { ...of, addresses: ['/10.0.0.1'], ranges: [], ports: new Map([[80, 8080]]), waypoint: undefined, weightedWaypoints: [], visibility: 'public', ipFamilies: 'automatic', loadBalancing: { ...of.loadBalancing, mode: of.loadBalancing.mode === 'passthrough' ? 'failover' : of.loadBalancing.mode } };
    const endpoints = new Map(workloads.map((each, i) => [each.uid, { ...each, network: '', addresses: [`/10.7.0.${i}`], serviceAccount: 's', capacity: each.capacity + 1, waypoint: undefined, services: new Map([[target.key, new Map<number, number>()]]) }]));
    const registry = new Registry();
    registry.apply({ updated: [target, ...endpoints.values()], removed: [] }, 0);
    const [source] = SOURCES as [RouteSource];
    const { plan } = planWithDependencies(registry, source, destinationOf('10.0.0.1', 80), 0);
    const { preferences, mode, health } = target.loadBalancing;
    const usable = [...endpoints.values()].filter(({ healthy }) => healthy || health === 'allow-all');
    // All are of the client's network, so the exception for it changes no order.
    const matched = (each: Workload): number => preferences.findIndex((scope) => each[scope] !== source[scope]) >>> 0;
    const most = Math.max(0, ...usable.map(matched));
    const expected = usable.filter((each) => mode === 'unspecified' || (matched(each) === most && (mode === 'failover' || most === 0xffffffff)));
    const first = plan.kind === 'balance' ? plan.candidates.filter(({ rank }) => rank === 0) : [];
    t.deepEqual(first.map(({ id, weight }) => `${id} ${weight}`).sort(), expected.map(({ uid, capacity }) => `${uid} ${capacity}`).sort());
  }), { numRuns: 800 });
});
