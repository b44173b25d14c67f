import type { RoutePlan } from '@landbridge/core/route-plan.ts';
import test from 'ava';
import { planGateway, planGatewayWithDependencies } from './gateway-planner.ts';
import { isAffected } from './registry-reads.ts';
import { gatewayAt, registryOf, servesAt, serviceOf, sourceOf, workloadOf } from './test-resources.ts';
import type { Service, Workload } from './wds-address.ts';

const ECHO = serviceOf('echo', { addresses: ['/10.9.0.1'] });
const GATEWAY = sourceOf({ namespace: 'landbridge', zone: 'z1' });
const local = (n: number, over: Partial<Workload> = {}): Workload => workloadOf(n, { services: servesAt(ECHO), ...over });
const plan = (resources: readonly (Workload | Service)[], port = 8080, options = {}): RoutePlan => planGateway(registryOf(...resources), GATEWAY, ECHO.hostname, port, options);
const shares = (of: RoutePlan): string[] => (of.kind === 'balance' ? of.candidates.map(({ address, port, rank, weight }) => `${address}:${port} ${rank} ${weight}`) : [of.kind]);
const reason = (of: RoutePlan): string => (of.kind === 'refuse' ? of.reason : of.kind);

test('a tunnel for a service goes as it is to the tunnel port of an endpoint', (t) => {
  const of = plan([ECHO, local(1, { capacity: 2 }), local(2)]);
  t.deepEqual(shares(of), ['10.1.0.1:15008 0 2', '10.1.0.2:15008 0 1']);
  if (of.kind === 'balance') t.like(of.candidates[0], { hop: 'plain', authority: '', identities: [], innerIdentities: [], localPod: undefined, target: undefined, labels: { workload: 'echo' } });
});

test('only healthy endpoints of this network that take tunnels are given any', (t) => {
  t.deepEqual(shares(plan([ECHO, local(1, { healthy: false }), local(2, { network: 'west', addresses: ['west/10.1.0.2'] }), local(3, { tunnel: 'none' }), local(4)])), ['10.1.0.4:15008 0 1']);
  t.is(reason(plan([ECHO, local(2, { network: 'west', addresses: ['west/10.1.0.2'] })])), 'no healthy endpoint for echo.demo.svc.clusterset.local:8080');
});

test('endpoints of another cluster, which prove an identity that no client expects behind this gateway, are given none', (t) => {
  const theirs = local(2, { cluster: 'north', trustDomain: 'north.example' });
  t.deepEqual(shares(plan([ECHO, local(1), theirs])), ['10.1.0.1:15008 0 1']);
  t.is(reason(plan([ECHO, theirs])), 'no healthy endpoint for echo.demo.svc.clusterset.local:8080', 'clients look elsewhere then');
  t.deepEqual(shares(plan([ECHO, local(2, { cluster: 'north' })])), ['10.1.0.2:15008 0 1'], 'clusters of one trust domain');
});

test('endpoints that clients of this cluster are to send nothing take what comes from others', (t) => {
  const none = (n: number): Workload => local(n, { capacity: 0 });
  const theirs = local(3, { cluster: 'north', trustDomain: 'north.example' });
  t.deepEqual(shares(plan([ECHO, none(1), none(2), theirs])), ['10.1.0.1:15008 0 1', '10.1.0.2:15008 0 1']);
  t.deepEqual(shares(plan([ECHO, none(1), local(2)])), ['10.1.0.2:15008 0 1'], 'unless it has others');
});

test('endpoints near the gateway are preferred where the service wants it', (t) => {
  t.deepEqual(shares(plan([{ ...ECHO, loadBalancing: { mode: 'failover', health: 'only-healthy', preferences: ['zone'] } }, local(1, { zone: 'z2' }), local(2, { zone: 'z1' })])), ['10.1.0.2:15008 0 1', '10.1.0.1:15008 1 1']);
});

test('what is not there, not exposed, or hidden from other namespaces, looks alike', (t) => {
  const refusals = [plan([local(1)]), plan([{ ...ECHO, visibility: 'namespace' }, local(1)]), plan([ECHO, local(1)], 8080, { isExposed: () => false })];
  for (const each of refusals) t.is(reason(each), 'echo.demo.svc.clusterset.local is not served to other networks');
  t.is(reason(plan([ECHO, local(1)], 1)), 'echo.demo.svc.clusterset.local has no port 1');
});

test('a service with a waypoint is reached through it, by clients at the edge only if the service wants it', (t) => {
  const waypoint = serviceOf('waypoint', { ports: new Map([[15008, 15009]]) });
  const pod = workloadOf(8, { services: servesAt(waypoint, {}) });
  const service: Service = { ...ECHO, waypoint: gatewayAt(waypoint) };
  const resources = [waypoint, pod, local(1)];
  t.deepEqual(shares(plan([service, ...resources])), ['10.1.0.8:15009 0 1']);
  t.deepEqual(shares(plan([service, ...resources], 8080, { isEdge: true })), ['10.1.0.1:15008 0 1']);
  t.deepEqual(shares(plan([{ ...service, ingressUseWaypoint: true }, ...resources], 8080, { isEdge: true })), ['10.1.0.8:15009 0 1']);
  t.is(reason(plan([service, local(1)])), 'no healthy waypoint for echo.demo.svc.clusterset.local:8080');
});

test('a plan depends on its service, also before there is one', (t) => {
  const registry = registryOf(local(1));
  const { dependencies } = planGatewayWithDependencies(registry, GATEWAY, ECHO.hostname, 8080);
  t.false(isAffected(dependencies, registry.apply({ updated: [workloadOf(2)], removed: [] })));
  t.true(isAffected(dependencies, registry.apply({ updated: [ECHO], removed: [] })));
  const after = planGatewayWithDependencies(registry, GATEWAY, ECHO.hostname, 8080).dependencies;
  t.true(isAffected(after, registry.apply({ updated: [local(2)], removed: [] })));
  t.false(isAffected(after, registry.apply({ updated: [workloadOf(3)], removed: [] })));
});
