import { prefixFromBytes } from '@landbridge/core/ip-address.ts';
import type { LoadBalancing } from '@landbridge/core/load-balancing.ts';
import type { Candidate, RoutePlan } from '@landbridge/core/route-plan.ts';
import test from 'ava';
import { identityOf } from './candidates.ts';
import { type PlanOptions, planRoute, planWithDependencies } from './route-planner.ts';
import { destinationOf, gatewayAt, ipAddress, registryOf, servesAt, serviceOf, sourceOf, spiffe, workloadOf } from './test-resources.ts';
import type { RouteSource } from './upstreams.ts';
import type { Service, Workload } from './wds-address.ts';

const ECHO = serviceOf('echo', { addresses: ['/10.9.0.1', '/fd09::1'] });
const SOURCE = sourceOf();
const endpoint = (n: number, over: Partial<Workload> = {}): Workload => workloadOf(n, { services: servesAt(ECHO), ...over });
const WAYPOINT = serviceOf('waypoint', { addresses: ['/10.9.0.9'], ports: new Map([[15008, 15008]]) });
const waypointPod = (n: number, over: Partial<Workload> = {}): Workload => workloadOf(n, { uid: `east//Pod/demo/waypoint-${n}`, name: `waypoint-${n}`, serviceAccount: 'waypoint', services: servesAt(WAYPOINT, { 15008: 15008 }), ...over });

interface Asked {
  readonly ip?: string;
  readonly port?: number;
  readonly source?: Partial<RouteSource>;
  readonly nowMs?: number;
  readonly options?: PlanOptions;
}

const plan = (resources: readonly (Workload | Service)[], { ip = '10.9.0.1', port = 8080, source = {}, nowMs = 0, options = {} }: Asked = {}): RoutePlan => planRoute(registryOf(...resources), sourceOf(source), destinationOf(ip, port), nowMs, options);
const candidates = (of: RoutePlan): readonly Candidate[] => (of.kind === 'balance' ? of.candidates : []);
/** `id rank weight` */
const shares = (of: RoutePlan): string[] => candidates(of).map(({ id, rank, weight }) => `${id.replace('east//Pod/demo/', '')} ${rank} ${Math.round(weight * 100) / 100}`);
const reason = (of: RoutePlan): string => (of.kind === 'refuse' ? of.reason : of.kind);
const failover = (...preferences: LoadBalancing['preferences']): LoadBalancing => ({ mode: 'failover', health: 'only-healthy', preferences });

test('a service leads to its endpoints by HBONE, at their target ports', (t) => {
  t.deepEqual(plan([ECHO, endpoint(1)]), {
    kind: 'balance',
    service: { hostname: 'echo.demo.svc.clusterset.local', namespace: 'demo', name: 'echo' },
    limits: { maxConnections: undefined, maxPending: undefined },
    affinity: 'none',
    candidates: [{
      id: 'east//Pod/demo/echo-1', hop: 'hbone', address: '10.1.0.1', port: 15008, authority: '10.1.0.1:80', identities: [spiffe('spiffe://east.example/ns/demo/sa/echo')], innerIdentities: [], localPod: undefined, target: { ip: '10.1.0.1', port: 80 }, weight: 1, rank: 0,
      labels: { workload: 'echo', namespace: 'demo', canonicalName: 'echo', canonicalRevision: 'v1', cluster: 'east', region: '', zone: '', principal: 'spiffe://east.example/ns/demo/sa/echo' },
    }],
  });
});

test('what takes no HBONE is balanced over as well, in plaintext', (t) => {
  t.like(candidates(plan([ECHO, endpoint(1, { tunnel: 'none' })]))[0], { hop: 'plain', address: '10.1.0.1', port: 80, authority: '', identities: [], target: { ip: '10.1.0.1', port: 80 } });
});

test("the service's own names are accepted besides the endpoint's", (t) => {
  const san = spiffe('spiffe://other.example/ns/demo/sa/echo');
  t.deepEqual(candidates(plan([{ ...ECHO, subjectAltNames: [san] }, endpoint(1)]))[0]?.identities, [spiffe('spiffe://east.example/ns/demo/sa/echo'), san]);
});

test('a workload whose names make no identity is not reached in plaintext instead', (t) => {
  t.is(reason(plan([ECHO, endpoint(1, { serviceAccount: 'Not_valid' })])), 'no healthy endpoint for echo.demo.svc.clusterset.local:8080');
  t.is(reason(plan([workloadOf(1, { serviceAccount: 'Not_valid' })], { ip: '10.1.0.1' })), 'no way to east//Pod/demo/echo-1');
});

test('a port that the service does not have is refused, and so is a service without an endpoint for it', (t) => {
  t.is(reason(plan([ECHO, endpoint(1)], { port: 1 })), 'echo.demo.svc.clusterset.local has no port 1');
  t.is(reason(plan([ECHO])), 'no healthy endpoint for echo.demo.svc.clusterset.local:8080');
  t.is(reason(plan([ECHO, endpoint(1, { healthy: false })])), 'no healthy endpoint for echo.demo.svc.clusterset.local:8080');
});

test('named ports: the endpoint decides, the service where it has a number', (t) => {
  const otherPort = endpoint(1, { services: servesAt(ECHO, { 9090: 90 }) });
  t.is(plan([ECHO, otherPort]).kind, 'refuse', 'a named port that the endpoint lacks');
  t.is(candidates(plan([{ ...ECHO, ports: new Map([[8080, 8081]]) }, otherPort]))[0]?.authority, '10.1.0.1:8081');
  t.is(candidates(plan([{ ...ECHO, ports: new Map([[8080, 8081]]) }, endpoint(1)]))[0]?.authority, '10.1.0.1:80');
});

test('unhealthy endpoints are taken where the service wants all', (t) => {
  t.deepEqual(shares(plan([{ ...ECHO, loadBalancing: { mode: 'unspecified', preferences: [], health: 'allow-all' } }, endpoint(1, { healthy: false })])), ['echo-1 0 1']);
});

test('capacity is the weight; what has none gets nothing', (t) => {
  t.deepEqual(shares(plan([ECHO, endpoint(1, { capacity: 3 }), endpoint(2), endpoint(3, { capacity: 0 })])), ['echo-1 0 3', 'echo-2 0 1']);
  t.is(plan([ECHO, endpoint(1, { capacity: 0 })]).kind, 'refuse');
});

test('failover keeps the others for when all better ones have failed, strict does not', (t) => {
  const resources = [endpoint(1, { region: 'r2' }), endpoint(2, { region: 'r1', zone: 'z2' }), endpoint(3, { region: 'r1', zone: 'z1' })];
  const source = { region: 'r1', zone: 'z1' };
  t.deepEqual(shares(plan([{ ...ECHO, loadBalancing: failover('region', 'zone') }, ...resources], { source })), ['echo-3 0 1', 'echo-2 1 1', 'echo-1 2 1']);
  t.deepEqual(shares(plan([{ ...ECHO, loadBalancing: { ...failover('region', 'zone'), mode: 'strict' } }, ...resources], { source })), ['echo-3 0 1']);
  t.is(plan([{ ...ECHO, loadBalancing: { ...failover('node'), mode: 'strict' } }, endpoint(1, { node: 'other' })]).kind, 'refuse');
});

test('a passthrough service keeps the original destination, whatever its endpoints and ports', (t) => {
  t.deepEqual(plan([{ ...ECHO, loadBalancing: { mode: 'passthrough', preferences: [], health: 'allow-all' } }, endpoint(1)], { port: 1 }), { kind: 'passthrough' });
});

test('neither a range nor a service that lets connections pass takes a workload out of the mesh', (t) => {
  const prefix = prefixFromBytes(Uint8Array.of(10, 0, 0, 0), 8);
  const ranges = prefix.ok ? [{ network: '', prefix: prefix.value }] : [];
  const passing = { mode: 'passthrough', preferences: [], health: 'allow-all' } as const;
  for (const service of [serviceOf('a', { ranges, loadBalancing: passing }), serviceOf('a', { ranges }), serviceOf('a', { addresses: ['/10.1.0.1'], loadBalancing: passing })]) {
    t.like(candidates(plan([service, workloadOf(1)], { ip: '10.1.0.1' }))[0], { hop: 'hbone', target: { ip: '10.1.0.1', port: 8080 } });
  }
  t.like(plan([serviceOf('a', { ranges, loadBalancing: passing })], { ip: '10.1.0.1' }), { kind: 'passthrough' });
});

test('while nothing but names that are looked up leads on, a plan is early', (t) => {
  const named = endpoint(1, { addresses: [], hostname: 'a.example', tunnel: 'none' });
  const planned = (resolve: PlanOptions['resolve'], ...more: readonly Workload[]): unknown => {
    const { plan: made, isEarly, dependencies } = planWithDependencies(registryOf(ECHO, named, ...more), SOURCE, destinationOf('10.9.0.1', 8080), 0, { ...(resolve === undefined ? {} : { resolve }) });
    return [candidates(made).map(({ address }) => address), isEarly, [...dependencies.resolved]];
  };
  t.deepEqual(planned(() => undefined), [[], true, ['a.example']]);
  t.deepEqual(planned(() => []), [[], false, ['a.example']]);
  t.deepEqual(planned(() => [ipAddress('192.0.2.1'), ipAddress('192.0.2.2')]), [['192.0.2.1', '192.0.2.2'], false, ['a.example']]);
  t.deepEqual(planned(() => undefined, endpoint(2)), [['10.1.0.2'], false, ['a.example']], 'others are there meanwhile');
});

test('a service is found by its ranges too', (t) => {
  const prefix = prefixFromBytes(Uint8Array.of(240, 0, 0, 0), 8);
  if (!prefix.ok) return t.fail();
  t.deepEqual(shares(plan([{ ...ECHO, ranges: [{ network: '', prefix: prefix.value }] }, endpoint(1)], { ip: '240.1.2.3' })), ['echo-1 0 1']);
});

test("the client's namespace decides between services of one address", (t) => {
  const own = serviceOf('own', { namespace: 'shop', addresses: ['/10.9.0.1'] });
  t.like(plan([{ ...ECHO, canonical: true }, own, endpoint(1), workloadOf(2, { services: servesAt(own) })]), { service: { name: 'own' } });
  t.like(plan([{ ...ECHO, visibility: 'namespace' }, endpoint(1)]), { kind: 'passthrough' });
});

test('a workload keeps the port that was asked for; unknown addresses pass by', (t) => {
  const registry = [workloadOf(1), workloadOf(2, { tunnel: 'none' })];
  t.like(candidates(plan(registry, { ip: '10.1.0.1', port: 5 }))[0], { hop: 'hbone', authority: '10.1.0.1:5' });
  t.like(candidates(plan(registry, { ip: '10.1.0.2', port: 5 }))[0], { hop: 'plain', address: '10.1.0.2', port: 5 });
  t.like(plan(registry, { ip: '10.1.0.1', port: 5 }), { service: undefined });
  t.deepEqual(plan(registry, { ip: '192.0.2.1' }), { kind: 'passthrough' });
  t.deepEqual(plan(registry, { ip: '10.1.0.1', source: { network: 'other' } }), { kind: 'passthrough' }, 'the address of another network is another address');
});

test('the address of a service that was removed is refused for a while, and it is said how long', (t) => {
  const registry = registryOf(ECHO, endpoint(1));
  registry.apply({ updated: [], removed: [ECHO.key] }, 1000);
  const at = (nowMs: number) => planWithDependencies(registry, SOURCE, destinationOf('10.9.0.1', 8080), nowMs);
  t.like(at(2000), { plan: { kind: 'refuse', reason: 'echo.demo.svc.clusterset.local was removed', service: { name: 'echo' } }, validUntilMs: 61_000 });
  t.like(at(61_000), { plan: { kind: 'passthrough' }, validUntilMs: undefined });
});

test("the agent's own ports are no destination on the loopback", (t) => {
  for (const ip of ['127.0.0.1', '127.9.9.9', '::1']) for (const port of [15001, 15006, 15008]) t.is(plan([], { ip, port }).kind, 'refuse');
  t.is(plan([], { ip: '127.0.0.1', port: 80 }).kind, 'passthrough');
  t.is(plan([], { ip: '192.0.2.1', port: 15008 }).kind, 'passthrough');
});

test("the family asked for is preferred, within the service's", (t) => {
  const both = endpoint(1, { addresses: ['/10.1.0.1', '/fd01::1'] });
  const address = (service: Service, ip: string): string | undefined => candidates(plan([service, both], { ip }))[0]?.address;
  t.is(address(ECHO, '10.9.0.1'), '10.1.0.1');
  t.is(address(ECHO, 'fd09::1'), 'fd01::1');
  t.is(address({ ...ECHO, ipFamilies: 'dual' }, 'fd09::1'), 'fd01::1');
  t.is(address({ ...ECHO, ipFamilies: 'ipv4' }, 'fd09::1'), '10.1.0.1');
  t.is(address({ ...ECHO, ipFamilies: 'ipv6' }, '10.9.0.1'), 'fd01::1');
  t.is(candidates(plan([{ ...ECHO, ipFamilies: 'ipv6' }, both], { ip: '10.9.0.1' }))[0]?.authority, '[fd01::1]:80');
  t.is(plan([{ ...ECHO, ipFamilies: 'ipv6' }, endpoint(1)]).kind, 'refuse');
  t.is(candidates(plan([both], { ip: 'fd01::1' }))[0]?.address, 'fd01::1', 'a workload is reached at the address asked for');
});

test('a workload that has only a hostname is reached where DNS says, once that is known', (t) => {
  const named = endpoint(1, { addresses: [], hostname: 'db.example', tunnel: 'none' });
  const registry = registryOf(ECHO, named);
  const before = planWithDependencies(registry, SOURCE, destinationOf('10.9.0.1', 8080), 0);
  t.is(before.plan.kind, 'refuse');
  t.deepEqual([...before.dependencies.resolved], ['db.example']);
  const resolve = () => [ipAddress('192.0.2.1'), ipAddress('2001:db8::1'), ipAddress('192.0.2.2')];
  const ids = (ip: string): string[] => shares(planRoute(registry, SOURCE, destinationOf(ip, 8080), 0, { resolve }));
  t.deepEqual(ids('10.9.0.1'), ['echo-1/192.0.2.1 0 1', 'echo-1/192.0.2.2 0 1']);
  t.deepEqual(ids('fd09::1'), ['echo-1 0 1']);
});

test('a pod of this node is named, unless it takes tunnels by itself', (t) => {
  const options: PlanOptions = { localPod: ({ name }) => `uid of ${name}` };
  t.is(candidates(plan([ECHO, endpoint(1)], { options }))[0]?.localPod, 'uid of echo-1');
  t.is(candidates(plan([ECHO, endpoint(1, { nativeTunnel: true })], { options }))[0]?.localPod, undefined);
  t.is(candidates(plan([ECHO, endpoint(1, { applicationTunnel: { protocol: 'proxy', port: 15088 } })], { options }))[0]?.localPod, undefined);
  t.is(candidates(plan([{ ...ECHO, waypoint: gatewayAt(WAYPOINT) }, WAYPOINT, waypointPod(1)], { options }))[0]?.localPod, undefined);
});

test('limits and affinity of a service come with its plan', (t) => {
  const policy = { limits: { maxConnections: 5, maxPending: 1 }, affinity: 'client-address' } as const;
  t.like(plan([{ ...ECHO, traffic: policy }, endpoint(1)]), policy);
});

test('a service with a waypoint is reached through it, with the original destination', (t) => {
  const service: Service = { ...ECHO, waypoint: gatewayAt(WAYPOINT) };
  const [candidate] = candidates(plan([service, WAYPOINT, endpoint(1), waypointPod(1)]));
  t.like(candidate, { id: 'east//Pod/demo/waypoint-1', hop: 'hbone', address: '10.1.0.1', port: 15008, authority: '10.9.0.1:8080', identities: [spiffe('spiffe://east.example/ns/demo/sa/waypoint')], target: undefined, labels: { principal: 'spiffe://east.example/ns/demo/sa/waypoint' } });
  t.like(plan([service, WAYPOINT, endpoint(1), waypointPod(1)]), { service: { name: 'echo' } });
  t.is(candidates(plan([service, WAYPOINT, waypointPod(1)], { ip: 'fd09::1' }))[0]?.authority, '[fd09::1]:8080');
});

test('without its waypoint a service is not reached at all', (t) => {
  t.is(reason(plan([{ ...ECHO, waypoint: gatewayAt(WAYPOINT) }, endpoint(1)])), 'no healthy waypoint for echo.demo.svc.clusterset.local:8080');
  t.is(reason(plan([{ ...ECHO, waypoint: gatewayAt(WAYPOINT) }, WAYPOINT, endpoint(1), waypointPod(2, { healthy: false })])), 'no healthy waypoint for echo.demo.svc.clusterset.local:8080');
});

test('a waypoint is found by the address of its service, or its own', (t) => {
  const byService: Service = { ...ECHO, waypoint: { kind: 'address', network: '', ip: ipAddress('10.9.0.9'), port: 15008 } };
  t.is(candidates(plan([byService, WAYPOINT, waypointPod(1)]))[0]?.address, '10.1.0.1');
  const byPod: Service = { ...ECHO, waypoint: { kind: 'address', network: '', ip: ipAddress('10.1.0.1'), port: 15009 } };
  t.like(candidates(plan([byPod, waypointPod(1)]))[0], { address: '10.1.0.1', port: 15009 });
  t.is(candidates(plan([{ ...byPod, waypoint: { kind: 'address', network: '', ip: ipAddress('10.1.0.1'), port: 0 } }, waypointPod(1)]))[0]?.port, 15008);
});

test('waypoints that take everything at one port need no port of their service', (t) => {
  const portless: Service = { ...WAYPOINT, ports: new Map() };
  const service: Service = { ...ECHO, waypoint: gatewayAt(portless) };
  t.is(plan([service, portless, waypointPod(1, { services: servesAt(portless, {}) })]).kind, 'refuse');
  const pod = waypointPod(1, { services: servesAt(portless, {}), applicationTunnel: { protocol: 'proxy', port: 15088 } });
  t.like(candidates(plan([service, portless, pod]))[0], { address: '10.1.0.1', port: 15008 });
});

test('weighted waypoints share connections by weight, each over its endpoints by capacity', (t) => {
  const canary = serviceOf('canary', { ports: new Map([[15008, 15008]]) });
  const canaryPod = (n: number, capacity: number): Workload => workloadOf(n, { uid: `canary-${n}`, capacity, services: servesAt(canary, { 15008: 15008 }) });
  const weighted = (...weights: readonly [number, number]): Service => ({ ...ECHO, waypoint: gatewayAt(WAYPOINT), weightedWaypoints: [{ destination: gatewayAt(WAYPOINT), weight: weights[0] }, { destination: gatewayAt(canary), weight: weights[1] }] });
  const resources = [WAYPOINT, canary, waypointPod(1), waypointPod(2), canaryPod(3, 1), canaryPod(4, 3)];
  // 90 over two, 10 over one and three quarters.
  t.deepEqual(shares(plan([weighted(90, 10), ...resources])), ['waypoint-1 0 45', 'waypoint-2 0 45', 'canary-3 0 2.5', 'canary-4 0 7.5']);
  t.deepEqual(shares(plan([weighted(1, 1), ...resources])), ['waypoint-1 0 2', 'waypoint-2 0 2', 'canary-3 0 1', 'canary-4 0 3'], 'no weight is less than 1');
  t.deepEqual(shares(plan([weighted(0, 5), ...resources])), ['canary-3 0 1.25', 'canary-4 0 3.75']);
  t.deepEqual(shares(plan([weighted(0, 0), ...resources])), ['waypoint-1 0 1', 'waypoint-2 0 1'], 'without any weight the one waypoint stands');
});

test('a waypoint prefers near endpoints as its service says', (t) => {
  const local: Service = { ...WAYPOINT, loadBalancing: failover('zone') };
  t.deepEqual(shares(plan([{ ...ECHO, waypoint: gatewayAt(local) }, local, waypointPod(1, { zone: 'z2' }), waypointPod(2, { zone: 'z1' })], { source: { zone: 'z1' } })), ['waypoint-2 0 1', 'waypoint-1 1 1']);
});

test('a workload with a waypoint is reached through it when asked for by its address, not by a service', (t) => {
  const resources = [ECHO, WAYPOINT, waypointPod(8), endpoint(1, { waypoint: gatewayAt(WAYPOINT) })];
  t.like(candidates(plan(resources, { ip: '10.1.0.1', port: 5 }))[0], { id: 'east//Pod/demo/waypoint-8', authority: '10.1.0.1:5' });
  t.like(candidates(plan(resources))[0], { id: 'east//Pod/demo/echo-1' });
  t.is(reason(plan([WAYPOINT, workloadOf(1, { waypoint: gatewayAt(WAYPOINT) })], { ip: '10.1.0.1', port: 5 })), 'no healthy waypoint to east//Pod/demo/echo-1');
});

test('from the waypoint itself a workload is reached straight, healthy waypoint or not', (t) => {
  const pod = waypointPod(8);
  const resources = [WAYPOINT, pod, workloadOf(1, { waypoint: gatewayAt(WAYPOINT) })];
  const from = (source: Partial<RouteSource>, of = resources): string | undefined => candidates(plan(of, { ip: '10.1.0.1', port: 5, source }))[0]?.id;
  const itself: Partial<RouteSource> = { identity: identityOf(pod), address: ipAddress('10.1.0.8') };
  t.is(from(itself), 'east//Pod/demo/echo-1');
  t.is(from({ ...itself, address: ipAddress('10.1.0.7') }), 'east//Pod/demo/waypoint-8', 'another address');
  t.is(from({ address: ipAddress('10.1.0.8') }), 'east//Pod/demo/waypoint-8', 'another identity');
  t.is(from(itself, [WAYPOINT, waypointPod(8, { healthy: false }), resources[2] as Workload]), 'east//Pod/demo/echo-1');
});

test('an address that is both a workload and a service is asked for as the workload, and answered as the service', (t) => {
  const shared: Service = { ...ECHO, addresses: ['/10.1.0.5'], waypoint: gatewayAt(WAYPOINT) };
  const resources = [shared, workloadOf(5, { uid: 'east//Pod/demo/owner' }), endpoint(1)];
  t.deepEqual(shares(plan(resources, { ip: '10.1.0.5' })), ['echo-1 0 1']);
  t.is(plan([shared, workloadOf(5)], { ip: '10.1.0.5' }).kind, 'refuse', 'not passed by');
});
