/** Resources of discovery for tests. */
import { parseSpiffeId, type SpiffeId } from '@landbridge/core/identity.ts';
import { type IpAddress, parseIp } from '@landbridge/core/ip-address.ts';
import { DEFAULT_LOAD_BALANCING } from '@landbridge/core/load-balancing.ts';
import { NO_TRAFFIC_POLICY } from '@landbridge/core/route-plan.ts';
import type { Result } from '@landbridge/core/result.ts';
import { Registry } from './registry.ts';
import type { Destination, RouteSource } from './upstreams.ts';
import { type GatewayAddress, hostKey, type Service, type Workload } from './wds-address.ts';

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

export const ipAddress = (text: string): IpAddress => must(parseIp(text));
export const spiffe = (text: string): SpiffeId => must(parseSpiffeId(text)).id;

/** Pod `echo-<n>` of namespace demo, at 10.1.0.<n>, endpoint of nothing. */
export function workloadOf(n: number, over: Partial<Workload> = {}): Workload {
  return {
    kind: 'workload', uid: `east//Pod/demo/echo-${n}`, name: `echo-${n}`, namespace: 'demo', addresses: [`/10.1.0.${n}`], hostname: '', tunnel: 'hbone', nativeTunnel: false, applicationTunnel: undefined,
    trustDomain: 'east.example', serviceAccount: 'echo', workloadName: 'echo', workloadType: 'deployment', canonicalName: 'echo', canonicalRevision: 'v1', cluster: 'east', node: 'n', network: '', region: '', zone: '', subzone: '',
    waypoint: undefined, networkGateway: undefined, hostNetwork: false, healthy: true, capacity: 1, authorizationPolicies: [], services: new Map(), resting: new Map(), names: new Map(), ...over,
  };
}

export function serviceOf(name: string, over: Partial<Service> = {}): Service {
  const namespace = over.namespace ?? 'demo';
  const hostname = over.hostname ?? `${name}.${namespace}.svc.clusterset.local`;
  return {
    kind: 'service', key: hostKey(namespace, hostname), name, namespace, hostname, addresses: [], ranges: [], ports: new Map([[8080, 0]]), subjectAltNames: [], waypoint: undefined, weightedWaypoints: [], loadBalancing: DEFAULT_LOAD_BALANCING,
    ipFamilies: 'automatic', canonical: false, ingressUseWaypoint: false, visibility: 'public', names: undefined, traffic: NO_TRAFFIC_POLICY, ...over,
  };
}

/** That a workload serves these ports of a service: target ports by service port. */
export const servesAt = (service: Pick<Service, 'key'>, ports: Readonly<Record<number, number>> = { 8080: 80 }): ReadonlyMap<string, ReadonlyMap<number, number>> => new Map([[service.key, new Map(Object.entries(ports).map(([port, target]) => [Number(port), target]))]]);

export function registryOf(...resources: readonly (Workload | Service)[]): Registry {
  const registry = new Registry();
  registry.apply({ updated: resources, removed: [] });
  return registry;
}

/** A pod of namespace shop, beside the workloads. */
export function sourceOf(over: Partial<RouteSource> = {}): RouteSource {
  return { namespace: 'shop', network: '', cluster: 'east', node: 'n', region: '', zone: '', subzone: '', identity: spiffe('spiffe://east.example/ns/shop/sa/cart'), address: ipAddress('10.1.9.9'), ...over };
}

export const destinationOf = (ip: string, port: number): Destination => ({ ip: ipAddress(ip), port });

export const gatewayAt = (service: Service, port = 15008): GatewayAddress => ({ kind: 'hostname', namespace: service.namespace, hostname: service.hostname, port });
