/** Resources of discovery for tests. */
import { DEFAULT_LOAD_BALANCING } from '@landbridge/core/load-balancing.ts';
import { Registry } from './registry.ts';
import { hostKey, type Service, type Workload } from './wds-address.ts';

/** Pod `echo-<n>` of namespace demo, at 10.1.0.<n>, endpoint of nothing. */
export function workloadOf(n: number, over: Partial<Workload> = {}): Workload {
  return {
    kind: 'workload', uid: `east//Pod/demo/echo-${n}`, name: `echo-${n}`, namespace: 'demo', addresses: [`/10.1.0.${n}`], hostname: '', tunnel: 'hbone', nativeTunnel: false, applicationTunnel: undefined,
    trustDomain: 'east.example', serviceAccount: 'echo', workloadName: 'echo', workloadType: 'deployment', canonicalName: 'echo', canonicalRevision: 'v1', cluster: 'east', node: 'n', network: '', region: '', zone: '', subzone: '',
    waypoint: undefined, networkGateway: undefined, hostNetwork: false, healthy: true, capacity: 1, authorizationPolicies: [], services: new Map(), ...over,
  };
}

export function serviceOf(name: string, over: Partial<Service> = {}): Service {
  const namespace = over.namespace ?? 'demo';
  const hostname = over.hostname ?? `${name}.${namespace}.svc.clusterset.local`;
  return {
    kind: 'service', key: hostKey(namespace, hostname), name, namespace, hostname, addresses: [], ranges: [], ports: new Map([[8080, 0]]), subjectAltNames: [], waypoint: undefined, weightedWaypoints: [], loadBalancing: DEFAULT_LOAD_BALANCING,
    ipFamilies: 'automatic', canonical: false, ingressUseWaypoint: false, visibility: 'public', ...over,
  };
}

/** That a workload serves these ports of a service: target ports by service port. */
export const servesAt = (service: Pick<Service, 'key'>, ports: Readonly<Record<number, number>> = { 8080: 80 }): ReadonlyMap<string, ReadonlyMap<number, number>> => new Map([[service.key, new Map(Object.entries(ports).map(([port, target]) => [Number(port), target]))]]);

export function registryOf(...resources: readonly (Workload | Service)[]): Registry {
  const registry = new Registry();
  registry.apply({ updated: resources, removed: [] });
  return registry;
}
