import type { LoadBalancing } from '@landbridge/core/load-balancing.ts';
import type { Candidate, RoutePlan } from '@landbridge/core/route-plan.ts';
import test from 'ava';
import { planRoute } from './route-planner.ts';
import { destinationOf, gatewayAt, ipAddress, registryOf, servesAt, serviceOf, sourceOf, spiffe, workloadOf } from './test-resources.ts';
import type { RouteSource } from './upstreams.ts';
import type { GatewayAddress, Service, Workload } from './wds-address.ts';

const FAR = spiffe('spiffe://west.example/ns/demo/sa/echo');
const ECHO = serviceOf('echo', { addresses: ['/10.9.0.1'], subjectAltNames: [FAR] });
const at = (ip: string, port = 15008): GatewayAddress => ({ kind: 'address', network: 'west', ip: ipAddress(ip), port });
const gateway = (n: number, over: Partial<Workload> = {}): Workload => workloadOf(n, { uid: `NetworkGateway/west/192.0.2.${n}/15008`, name: '', workloadName: '', network: 'west', addresses: [`west/192.0.2.${n}`], namespace: 'istio-system', serviceAccount: 'gateway', trustDomain: 'west.example', cluster: 'west', ...over });
/** What Istio tells of a service in another network: no addresses, a gateway, the sum of capacities. */
const splitHorizon = (over: Partial<Workload> = {}): Workload => workloadOf(0, { uid: 'west/SplitHorizonWorkload/192.0.2.1/demo/echo', name: '', workloadName: '', addresses: [], network: 'west', cluster: 'west', networkGateway: at('192.0.2.1'), services: servesAt(ECHO), capacity: 6, ...over });
const local = (n: number, over: Partial<Workload> = {}): Workload => workloadOf(n, { services: servesAt(ECHO), ...over });

const plan = (resources: readonly (Workload | Service)[], source: Partial<RouteSource> = {}, ip = '10.9.0.1'): RoutePlan => planRoute(registryOf(...resources), sourceOf(source), destinationOf(ip, 8080), 0);
const candidates = (of: RoutePlan): readonly Candidate[] => (of.kind === 'balance' ? of.candidates : []);
/** `address rank weight` */
const shares = (of: RoutePlan): string[] => candidates(of).map(({ address, rank, weight }) => `${address} ${rank} ${weight}`);
const failover = (...preferences: LoadBalancing['preferences']): LoadBalancing => ({ mode: 'failover', health: 'only-healthy', preferences });

test('conformance 7: another network is reached through its gateway, both tunnels naming the service', (t) => {
  const of = plan([ECHO, splitHorizon(), gateway(1)]);
  t.like(candidates(of)[0], {
    id: 'NetworkGateway/west/192.0.2.1/15008 for west', hop: 'double-hbone', address: '192.0.2.1', port: 15008, authority: 'echo.demo.svc.clusterset.local:8080',
    identities: [spiffe('spiffe://west.example/ns/istio-system/sa/gateway')], innerIdentities: [FAR], target: undefined, localPod: undefined,
  });
  t.like(candidates(of)[0]?.labels, { workload: '', cluster: 'west', namespace: 'demo', principal: FAR });
});

test('conformance 7: inside only the names of the service are accepted, also where the workload has one', (t) => {
  const listed = splitHorizon({ uid: 'west//Pod/demo/echo', addresses: ['west/10.1.0.1'], trustDomain: 'west.example', serviceAccount: 'other' });
  t.deepEqual(candidates(plan([ECHO, listed, gateway(1)]))[0]?.innerIdentities, [FAR]);
});

test('conformance 7: where nobody can be verified inside, nothing is dialled', (t) => {
  const nameless: Service = { ...ECHO, subjectAltNames: [] };
  t.is(plan([nameless, splitHorizon(), gateway(1)]).kind, 'refuse');
  t.deepEqual(shares(plan([nameless, splitHorizon(), gateway(1), local(1)])), ['10.1.0.1 0 1']);
});

test('workloads that are told one by one speak for themselves where the service names nobody', (t) => {
  const nameless: Service = { ...ECHO, subjectAltNames: [] };
  const listed = (n: number, serviceAccount: string): Workload => splitHorizon({ uid: `west//Pod/demo/echo-${n}`, addresses: [`west/10.1.0.${n}`], trustDomain: 'west.example', serviceAccount, capacity: 1 });
  const [candidate, ...others] = candidates(plan([nameless, listed(1, 'echo'), listed(2, 'blue'), gateway(1)]));
  t.deepEqual(others, []);
  t.deepEqual(candidate?.innerIdentities, [FAR, spiffe('spiffe://west.example/ns/demo/sa/blue')]);
  t.is(candidate?.labels.principal, '');
});

test('behind the gateways of a cluster that has its own trust domain, only names of that one are accepted', (t) => {
  const near = spiffe('spiffe://south.example/ns/demo/sa/echo');
  const both: Service = { ...ECHO, subjectAltNames: [FAR, near] };
  const innerOf = (trustDomain: string): readonly string[] | undefined => candidates(plan([both, splitHorizon({ trustDomain }), gateway(1)]))[0]?.innerIdentities;
  t.deepEqual(innerOf('south.example'), [near]);
  t.deepEqual(innerOf('west.example'), [FAR]);
  t.deepEqual(innerOf('cluster.local'), [FAR, near], 'as istiod, which knows one trust domain and may name another');
});

test('a network that has no known gateway is not reached', (t) => {
  t.is(plan([ECHO, splitHorizon()]).kind, 'refuse');
  t.is(plan([ECHO, splitHorizon({ networkGateway: undefined, addresses: ['west/10.1.0.1'] }), gateway(1)]).kind, 'refuse');
});

test('a gateway whose own identity can not be told is not dialled', (t) => {
  t.is(plan([ECHO, splitHorizon(), gateway(1, { serviceAccount: 'Not_valid' })]).kind, 'refuse');
});

test('all gateways of a network are candidates, each for its part of the weight', (t) => {
  t.deepEqual(shares(plan([ECHO, splitHorizon(), gateway(1), gateway(2), gateway(3)])), ['192.0.2.1 0 2', '192.0.2.2 0 2', '192.0.2.3 0 2']);
  t.deepEqual(shares(plan([ECHO, splitHorizon({ capacity: 1 }), gateway(1), gateway(2), local(1)])), ['10.1.0.1 0 2', '192.0.2.1 0 1', '192.0.2.2 0 1'], 'no weight is less than 1');
});

test('a gateway that only its uid gives a port is dialled at that', (t) => {
  t.is(candidates(plan([ECHO, splitHorizon(), gateway(1), gateway(2, { uid: 'NetworkGateway/west/192.0.2.2/15443' })]))[1]?.port, 15443);
});

test('near gateways go first, unhealthy ones last', (t) => {
  const gateways = [gateway(1, { region: 'r2' }), gateway(2, { region: 'r1', zone: 'z2' }), gateway(3, { region: 'r1', zone: 'z1', healthy: false }), gateway(4, { region: 'r1', zone: 'z2' })];
  t.deepEqual(shares(plan([ECHO, splitHorizon(), ...gateways], { region: 'r1', zone: 'z1' })), ['192.0.2.2 0 3', '192.0.2.4 0 3', '192.0.2.1 1 6', '192.0.2.3 2 6']);
});

test('gateways of other networks are others', (t) => {
  t.deepEqual(shares(plan([ECHO, splitHorizon(), gateway(1), gateway(2, { network: 'south', addresses: ['south/192.0.2.2'] })])), ['192.0.2.1 0 6']);
});

test('a gateway that is named by a service is each of its endpoints, as that service balances', (t) => {
  const gateways = serviceOf('gateways', { ports: new Map([[15008, 15008]]), loadBalancing: failover('zone'), subjectAltNames: [spiffe('spiffe://west.example/ns/istio-system/sa/old')] });
  const pod = (n: number, zone: string, healthy = true): Workload => gateway(n, { uid: `west//Pod/istio-system/gateway-${n}`, zone, healthy, services: servesAt(gateways, { 15008: 15008 }) });
  const of = plan([ECHO, gateways, splitHorizon({ networkGateway: gatewayAt(gateways) }), pod(1, 'z2'), pod(2, 'z1'), pod(3, 'z1', false)], { zone: 'z1' });
  t.deepEqual(shares(of), ['192.0.2.2 0 6', '192.0.2.1 1 6']);
  t.deepEqual(candidates(of)[0]?.identities, [spiffe('spiffe://west.example/ns/istio-system/sa/gateway'), spiffe('spiffe://west.example/ns/istio-system/sa/old')]);
});

test('a gateway that is a hostname is resolved', (t) => {
  const named = gateway(1, { uid: 'NetworkGateway/west/gw.example/15008', addresses: [], hostname: 'gw.example' });
  const registry = registryOf(ECHO, splitHorizon({ networkGateway: { kind: 'hostname', namespace: 'istio-system', hostname: 'gw.example', port: 15008 } }), named);
  t.is(planRoute(registry, sourceOf(), destinationOf('10.9.0.1', 8080), 0).kind, 'refuse');
  const resolve = () => [ipAddress('192.0.2.7'), ipAddress('192.0.2.8')];
  t.deepEqual(shares(planRoute(registry, sourceOf(), destinationOf('10.9.0.1', 8080), 0, { resolve })), ['192.0.2.7 0 3', '192.0.2.8 0 3']);
});

test('conformance 10: a network preferred is left only when nothing of it answers', (t) => {
  const preferring: Service = { ...ECHO, loadBalancing: failover('network') };
  t.deepEqual(shares(plan([preferring, splitHorizon(), gateway(1), gateway(2, { region: 'r' }), local(1)])), ['10.1.0.1 0 1', '192.0.2.1 1 6', '192.0.2.2 2 6']);
  t.deepEqual(shares(plan([{ ...preferring, loadBalancing: { ...failover('network'), mode: 'strict' } }, splitHorizon(), gateway(1), local(1)])), ['10.1.0.1 0 1']);
});

test('a gateway that leads to endpoints of several ranks is one candidate, of the best', (t) => {
  const preferring: Service = { ...ECHO, loadBalancing: failover('region') };
  const resources = [splitHorizon({ uid: 'a', region: 'r1', capacity: 2 }), splitHorizon({ uid: 'b', region: 'r2', capacity: 5 })];
  t.deepEqual(shares(plan([preferring, ...resources, gateway(1)], { region: 'r1' })), ['192.0.2.1 0 2']);
});

test('a workload of the client has its gateway for others only', (t) => {
  t.deepEqual(shares(plan([ECHO, local(1, { networkGateway: at('192.0.2.1') }), gateway(1)])), ['10.1.0.1 0 1']);
  t.is(plan([ECHO, splitHorizon({ network: '' }), gateway(1)]).kind, 'refuse', 'without an address it is not reached from its own network');
});

test('no way leads to a workload of another network by its address', (t) => {
  t.deepEqual(plan([ECHO, splitHorizon({ addresses: ['west/10.1.0.1'] }), gateway(1)], {}, '10.1.0.1'), { kind: 'passthrough' });
});

test('a waypoint in another network is reached through the gateway, and answers by the names of its own service', (t) => {
  const waypoint = serviceOf('waypoint', { ports: new Map([[15008, 15008]]), subjectAltNames: [spiffe('spiffe://west.example/ns/demo/sa/waypoint')] });
  const far = splitHorizon({ uid: 'w', services: servesAt(waypoint, { 15008: 15008 }), capacity: 1 });
  const near = workloadOf(8, { serviceAccount: 'waypoint', services: servesAt(waypoint, { 15008: 15008 }) });
  const service: Service = { ...ECHO, waypoint: gatewayAt(waypoint) };
  const of = candidates(plan([service, waypoint, far, near, gateway(1), local(1)]));
  t.like(of.find(({ hop }) => hop === 'double-hbone'), { address: '192.0.2.1', authority: 'echo.demo.svc.clusterset.local:8080', innerIdentities: [spiffe('spiffe://west.example/ns/demo/sa/waypoint')], rank: 0, weight: 1 });
  t.like(of.find(({ hop }) => hop === 'hbone'), { address: '10.1.0.8', authority: '10.9.0.1:8080', rank: 0, weight: 1 });
  t.is(of.length, 2);
  const preferring: Service = { ...waypoint, loadBalancing: failover('network') };
  t.deepEqual(shares(plan([service, preferring, far, near, gateway(1)])), ['10.1.0.8 0 1', '192.0.2.1 1 1']);
});
