import test from 'ava';
import fc from 'fast-check';
import type { Service, Workload } from './registry.ts';
import { Balancer, route } from './route.ts';
import { registryOf, servesAt, serviceOf, workloadOf } from './test-resources.ts';

const service: Service = serviceOf('echo', { addresses: ['/10.9.0.1'], ports: new Map([[8080, 0], [9090, 0]]) });
const { key } = service;
const workload = (n: number, over: Partial<Workload> = {}): Workload => workloadOf(n, { services: servesAt(service), ...over });

const { choose } = new Balancer();

test('a service address leads to the target port of one of its endpoints', (t) => {
  const chosen = route(registryOf(service, workload(1)), '', { ip: '10.9.0.1', port: 8080 }, choose);
  t.like(chosen, { kind: 'hbone', destination: { ip: '10.1.0.1', port: 80 } });
});

test('endpoints that are not healthy, or lack the port, get nothing; without any the connection is refused by name', (t) => {
  const registry = registryOf(service, workload(1, { healthy: false }), workload(2, { services: new Map([[key, new Map([[9090, 90]])]]) }));
  t.like(route(registry, '', { ip: '10.9.0.1', port: 8080 }, choose), { kind: 'refuse', reason: 'no healthy endpoint for echo.demo.svc.clusterset.local:8080' });
  t.like(route(registry, '', { ip: '10.9.0.1', port: 9090 }, choose), { kind: 'hbone', destination: { ip: '10.1.0.2', port: 90 } });
  t.like(route(registry, '', { ip: '10.9.0.1', port: 1 }, choose), { kind: 'refuse', reason: 'echo.demo.svc.clusterset.local has no port 1' });
});

test('a workload address keeps its port; unknown addresses pass by', (t) => {
  const registry = registryOf(service, workload(1), workload(2, { tunnel: 'none' }));
  t.like(route(registry, '', { ip: '10.1.0.1', port: 5 }, choose), { kind: 'hbone', destination: { ip: '10.1.0.1', port: 5 } });
  t.like(route(registry, '', { ip: '10.1.0.2', port: 5 }, choose), { kind: 'plain' });
  t.like(route(registry, '', { ip: '192.0.2.1', port: 5 }, choose), { kind: 'passthrough' });
  t.like(route(registry, 'other', { ip: '10.1.0.1', port: 5 }, choose), { kind: 'passthrough' }, 'the address of another network is another address');
});

test('an address that went to a newer workload stays with it when the old one is removed', (t) => {
  const registry = registryOf(workload(1));
  const successor = workload(2, { addresses: ['/10.1.0.1'] });
  registry.apply({ updated: [successor], removed: [] });
  registry.apply({ updated: [], removed: [workload(1).uid] });
  t.is(registry.workloadAt('/10.1.0.1'), successor);
});

test('the address of a service that was removed is refused for a while, not passed by', (t) => {
  const registry = registryOf(service, workload(1));
  registry.apply({ updated: [], removed: [key] }, 1000);
  const at = (nowMs: number): ReturnType<typeof route> => route(registry, '', { ip: '10.9.0.1', port: 8080 }, choose, nowMs);
  t.like(at(2000), { kind: 'refuse', reason: 'echo.demo.svc.clusterset.local was removed' });
  t.like(at(70_000), { kind: 'passthrough' });
  registry.apply({ updated: [service], removed: [] }, 3000);
  t.like(at(4000), { kind: 'hbone' });
});

test('indexes hold what the resources say, whatever the order of changes', (t) => {
  const change = fc.record({ n: fc.integer({ min: 1, max: 5 }), remove: fc.boolean(), healthy: fc.boolean() });
  fc.assert(fc.property(fc.array(change, { maxLength: 40 }), (list) => {
    const registry = registryOf(service);
    const expected = new Map<string, Workload>();
    for (const { n, remove, healthy } of list) {
      const resource = workload(n, { healthy });
      registry.apply(remove ? { updated: [], removed: [resource.uid] } : { updated: [resource], removed: [] });
      if (remove) expected.delete(resource.uid);
      else expected.set(resource.uid, resource);
    }
    const endpoints = registry.endpointsOf(service);
    return endpoints.length === expected.size && endpoints.every((each) => expected.get(each.uid) === each) && [...expected.values()].every((each) => registry.workloadAt(each.addresses[0] ?? '') === each);
  }));
  t.pass();
});

test('connections spread over all endpoints, and less of them go to those that have many', (t) => {
  const balancer = new Balancer();
  const endpoints = [1, 2, 3].map((n) => workload(n));
  const held = Array.from({ length: 300 }, () => {
    const chosen = balancer.choose(endpoints);
    return { chosen, held: balancer.opened(chosen) };
  });
  const counts = endpoints.map((each) => held.filter(({ chosen }) => chosen === each).length);
  t.true(counts.every((count) => count >= 90 && count <= 110), counts.join());
  for (const each of held) each.held[Symbol.dispose]();
});
