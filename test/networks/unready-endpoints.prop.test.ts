/** What becomes of endpoints that are listed and not ready: what the federation service tells of them, as agents and gateways take it. */
import type { V1EndpointSlice } from '@kubernetes/client-node';
import { planGateway } from '@landbridge/agent/discovery/gateway-planner.ts';
import { validateDestination } from '@landbridge/agent/discovery/inbound-destination.ts';
import { networkAddress, type Registry } from '@landbridge/agent/discovery/registry.ts';
import { planRoute } from '@landbridge/agent/discovery/route-planner.ts';
import { destinationOf, ipAddress, sourceOf, spiffe } from '@landbridge/agent/discovery/test-resources.ts';
import { NO_TRAFFIC_POLICY, type RoutePlan } from '@landbridge/core/route-plan.ts';
import { NO_RULES, type ShareRules } from '@landbridge/federation/networks/shares.ts';
import { exampleImport, part } from '@landbridge/federation/outputs/example-imports.ts';
import { endpoint } from '@landbridge/federation/records/example-records.ts';
import { clusterObjects, exampleEndpoint, examplePod, exampleService, exampleSlice } from '@landbridge/federation/registry/example-objects.ts';
import { localServices } from '@landbridge/federation/registry/local-endpoints.ts';
import { usableEndpoints } from '@landbridge/federation/registry/usable-endpoints.ts';
import { addressResources } from '@landbridge/federation/xds/address-resources.ts';
import { type Authority, parseAuthority } from '@landbridge/wire/authority.ts';
import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import fc from 'fast-check';
import { registryTold } from './told-registry.ts';

const NETWORK = 'here';
const PODS = ['cart-1', 'cart-2', 'cart-3'] as const;
const GATEWAY = sourceOf({ network: NETWORK, identity: spiffe('spiffe://east.landbridge/ns/landbridge-system/sa/landbridge-gateway') });
const IMPORT_ADDRESS = '10.96.0.9';
const addressOf = (pod: string): string => `10.0.0.${pod.slice(-1)}`;

const state = fc.constantFrom({ ready: true, serving: true, terminating: false }, { ready: false, serving: false, terminating: false }, { ready: false, serving: true, terminating: true });
/** Of the pods that are listed, in one slice or record; those of another may have been told sooner or later. */
const states = fc.record({ 'cart-1': fc.option(state), 'cart-2': fc.option(state), 'cart-3': fc.option(state) });
type States = typeof states extends fc.Arbitrary<infer T> ? T : never;
const listed = (of: States): { name: string; ready: boolean; serving: boolean; terminating: boolean }[] => PODS.flatMap((name) => (of[name] === null ? [] : [{ name, ...of[name] }]));

const ROUTES: readonly ShareRules[] = [NO_RULES, { percents: new Map([['east', 40]]), caps: new Map() }];
const SERVICES = [{ name: 'cart', address: '10.96.0.1', spec: {} }, { name: 'other', address: '10.96.0.2', spec: {} }, { name: 'published', address: '10.96.0.3', spec: { publishNotReadyAddresses: true } }] as const;

function sliceOf(name: string, of: States, isPublished: boolean): V1EndpointSlice {
  return exampleSlice(name, listed(of).map(({ name: pod, ...conditions }) => exampleEndpoint(pod, addressOf(pod), { conditions: isPublished ? { ...conditions, ready: true } : conditions })));
}

function registryOf(bySlice: readonly States[], ofImport: States, rules: ShareRules): Registry {
  const objects = clusterObjects({
    services: SERVICES.map(({ name, address, spec }) => exampleService(name, { clusterIP: address, clusterIPs: [address], ...spec })),
    slices: SERVICES.map(({ name }, i) => sliceOf(name, bySlice[i] as States, name === 'published')),
    pods: PODS.map((name) => examplePod(name, addressOf(name), { annotations: { [REDIRECTION_ANNOTATION]: 'enabled' } })),
  });
  const imported = exampleImport({ clusters: [{ ...part('east', ...listed(ofImport).map(({ name, ...conditions }) => ({ ...endpoint(name, addressOf(name)), ...conditions }))), network: NETWORK }] });
  return registryTold(addressResources({ cluster: 'east', trustDomain: 'east.landbridge', network: NETWORK, domain: 'cluster.local', policiesOf: () => [], trafficOf: () => NO_TRAFFIC_POLICY, pods: objects.pods, nodes: [], services: localServices(objects), imports: [{ imported, addresses: [IMPORT_ADDRESS], rules }] }));
}

function authority(text: string): Authority {
  const parsed = parseAuthority(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

const chosen = (plan: RoutePlan): string[] => (plan.kind === 'balance' ? plan.candidates.map(({ address }) => address).sort() : []);

test('new connections go to usable endpoints only, and calls by name are taken by all that are listed', (t) => {
  fc.assert(
    fc.property(fc.tuple(states, states, states), states, fc.constantFrom(...ROUTES), (bySlice, ofImport, rules) => {
      const registry = registryOf(bySlice, ofImport, rules);
      const told = [...SERVICES.map(({ name, address }, i) => ({ address, host: `${name}.shop.svc.cluster.local`, of: listed(bySlice[i] as States).map((each) => (name === 'published' ? { ...each, ready: true } : each)) })), { address: IMPORT_ADDRESS, host: 'cart.shop.svc.clusterset.local', of: listed(ofImport) }];
      for (const { address, host, of } of told) {
        const usable = usableEndpoints(of).map(({ name }) => addressOf(name)).sort();
        t.deepEqual(chosen(planRoute(registry, sourceOf({ network: NETWORK }), destinationOf(address, 80), 0)), usable, host);
        t.deepEqual(chosen(planGateway(registry, GATEWAY, host, 80)), usable, host);
        for (const name of PODS) {
          const ip = ipAddress(addressOf(name));
          const pod = registry.localWorkload(networkAddress(NETWORK, ip), { namespace: 'shop', name, serviceAccount: 'cart' });
          const answer = validateDestination(registry, pod, authority(`${host}:80`), ip);
          t.is(answer.kind === 'dial' ? answer.port : undefined, of.some((each) => each.name === name) ? 8080 : undefined, `${name} for ${host}`);
        }
      }
    }),
  );
});
