import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { NO_TRAFFIC_POLICY } from '@landbridge/core/route-plan.ts';
import { extensionOf } from '@landbridge/wire/extensions.ts';
import { EndpointNamesSchema, NamedPort_Protocol, ServiceNamesSchema } from '@landbridge/wire/gen/names_pb.js';
import { RestingServicesSchema } from '@landbridge/wire/gen/resting_pb.js';
import { ServiceTraffic_Affinity, ServiceTrafficSchema } from '@landbridge/wire/gen/traffic_pb.js';
import { AddressSchema, ApplicationTunnel_Protocol, type Extension, ExtensionSchema, IPFamilies, LoadBalancing_HealthPolicy, LoadBalancing_Mode, LoadBalancing_Scope, NetworkMode, type ServiceSchema, TunnelProtocol, Visibility, type WorkloadSchema, WorkloadStatus, WorkloadType } from '@landbridge/wire/gen/workload_pb.js';
import { NAMES_EXTENSION, RESTING_EXTENSION, TRAFFIC_EXTENSION } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import fc from 'fast-check';
import { MAX_ADDRESS_BYTES, parseAddress, type Service, type Workload } from './wds-address.ts';

const ipv6 = Uint8Array.from([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
const mapped = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1]);
const gateway = { destination: { case: 'hostname', value: { namespace: 'demo', hostname: 'waypoint.demo' } }, hboneMtlsPort: 15008 } as const;

const encodeWorkload = (value: MessageInitShape<typeof WorkloadSchema>): Uint8Array => toBinary(AddressSchema, create(AddressSchema, { type: { case: 'workload', value } }));
const encodeService = (value: MessageInitShape<typeof ServiceSchema>): Uint8Array => toBinary(AddressSchema, create(AddressSchema, { type: { case: 'service', value } }));

function understood<K extends 'workload' | 'service'>(kind: K, bytes: Uint8Array): Extract<Workload | Service, { kind: K }> {
  const result = parseAddress(bytes);
  if (!result.ok || result.value.kind !== kind) throw new Error(result.ok ? `a ${result.value.kind}` : result.error);
  return result.value as Extract<Workload | Service, { kind: K }>;
}
const parsedWorkload = (value: MessageInitShape<typeof WorkloadSchema>): Workload => understood('workload', encodeWorkload(value));
const parsedService = (value: MessageInitShape<typeof ServiceSchema>): Service => understood('service', encodeService(value));

function refusal(bytes: Uint8Array): string {
  const result = parseAddress(bytes);
  return result.ok ? '' : result.error;
}
const refusedWorkload = (value: MessageInitShape<typeof WorkloadSchema>): string => refusal(encodeWorkload(value));
const refusedService = (value: MessageInitShape<typeof ServiceSchema>): string => refusal(encodeService(value));

test('every field of a workload is understood', (t) => {
  const workload = parsedWorkload({
    uid: 'east//Pod/demo/echo-1', name: 'echo-1', namespace: 'demo', addresses: [Uint8Array.of(10, 0, 0, 1), ipv6], hostname: 'echo.example', network: 'net', tunnelProtocol: TunnelProtocol.HBONE, trustDomain: 'east.example', serviceAccount: 'echo',
    waypoint: gateway, networkGateway: { destination: { case: 'address', value: { network: 'west', address: mapped } }, hboneMtlsPort: 15008 }, node: 'n1', canonicalName: 'echo', canonicalRevision: 'v2', workloadType: WorkloadType.CRONJOB, workloadName: 'echo',
    nativeTunnel: true, services: { 'demo/echo.demo': { ports: [{ servicePort: 80, targetPort: 8080 }] } }, authorizationPolicies: ['demo/strict'], status: WorkloadStatus.UNHEALTHY, clusterId: 'east', applicationTunnel: { protocol: ApplicationTunnel_Protocol.PROXY, port: 15088 },
    locality: { region: 'r', zone: 'z', subzone: 's' }, networkMode: NetworkMode.HOST_NETWORK, capacity: 7,
    extensions: [extensionOf(RESTING_EXTENSION, RestingServicesSchema, create(RestingServicesSchema, { services: { 'demo/late.demo': { ports: [{ servicePort: 90, targetPort: 9090 }] } } }))],
  });
  t.deepEqual(workload, {
    kind: 'workload', uid: 'east//Pod/demo/echo-1', name: 'echo-1', namespace: 'demo', addresses: ['net/10.0.0.1', 'net/fd00::1'], hostname: 'echo.example', network: 'net', tunnel: 'hbone', nativeTunnel: true, applicationTunnel: { protocol: 'proxy', port: 15088 },
    trustDomain: 'east.example', serviceAccount: 'echo', cluster: 'east', node: 'n1', workloadName: 'echo', workloadType: 'cronjob', canonicalName: 'echo', canonicalRevision: 'v2', waypoint: { kind: 'hostname', namespace: 'demo', hostname: 'waypoint.demo', port: 15008 },
    networkGateway: { kind: 'address', network: 'west', ip: '10.0.0.1', port: 15008 }, hostNetwork: true, healthy: false, region: 'r', zone: 'z', subzone: 's', capacity: 7, authorizationPolicies: ['demo/strict'], services: new Map([['demo/echo.demo', new Map([[80, 8080]])]]), resting: new Map([['demo/late.demo', new Map([[90, 9090]])]]), names: new Map(),
  } as unknown as Workload);
});

test('what a workload leaves out has the value that Istio gives it', (t) => {
  t.like(parsedWorkload({ uid: 'x' }), { trustDomain: 'cluster.local', serviceAccount: 'default', cluster: 'Kubernetes', tunnel: 'none', healthy: true, hostNetwork: false, capacity: 1, workloadType: 'deployment', region: '', applicationTunnel: undefined, waypoint: undefined });
  t.like(parsedWorkload({ uid: 'x', applicationTunnel: { protocol: ApplicationTunnel_Protocol.NONE } }), { applicationTunnel: { protocol: 'none', port: undefined } });
  t.is(parsedWorkload({ uid: 'x', capacity: 0 }).capacity, 0);
});

test('services that send a workload nothing are told by an extension, and one that is none of ours costs it nothing', (t) => {
  const told = (services: Record<string, { ports: { servicePort: number; targetPort: number }[] }>): Extension => extensionOf(RESTING_EXTENSION, RestingServicesSchema, create(RestingServicesSchema, { services }));
  const good = told({ 'demo/echo.demo': { ports: [{ servicePort: 80, targetPort: 8080 }] } });
  const wrong = { ...good, config: { ...good.config, value: Uint8Array.of(0xff) } } as Extension;
  const kept = { 'demo/cart.demo': { ports: [{ servicePort: 1, targetPort: 2 }] } };
  for (const extensions of [[], [wrong], [told({ nowhere: { ports: [] } })], [told({ 'demo/echo.demo': { ports: [{ servicePort: 80, targetPort: 70_000 }] } })], [{ ...good, name: 'example.com/other' }]]) {
    const { resting, services } = parsedWorkload({ uid: 'x', services: kept, extensions });
    t.deepEqual([resting.size, [...services.keys()]], [0, ['demo/cart.demo']]);
  }
});

test('every field of a service is understood', (t) => {
  const service = parsedService({
    name: 'echo', namespace: 'demo', hostname: 'echo.demo', addresses: [{ network: 'net', address: Uint8Array.of(10, 9, 0, 1) }, { network: 'net', address: Uint8Array.of(10, 9, 0, 2), length: 32 }, { network: 'net', address: ipv6 }, { network: '', address: Uint8Array.of(240, 1, 2, 3), length: 16 }, { network: '', address: mapped, length: 120 }],
    ports: [{ servicePort: 80, targetPort: 8080 }, { servicePort: 81, targetPort: 0 }], subjectAltNames: ['spiffe://td/ns/a/sa/b', 'https://example.com', 'spiffe://td/other'], waypoint: gateway,
    loadBalancing: { routingPreference: [LoadBalancing_Scope.NETWORK, LoadBalancing_Scope.REGION, LoadBalancing_Scope.ZONE, LoadBalancing_Scope.SUBZONE, LoadBalancing_Scope.NODE, LoadBalancing_Scope.CLUSTER], mode: LoadBalancing_Mode.FAILOVER, healthPolicy: LoadBalancing_HealthPolicy.ALLOW_ALL },
    ipFamilies: IPFamilies.DUAL, canonical: true, ingressUseWaypoint: true, weightedWaypoints: [{ destination: gateway, weight: 3 }], visibility: Visibility.NAMESPACE,
  });
  const waypoint = { kind: 'hostname', namespace: 'demo', hostname: 'waypoint.demo', port: 15008 };
  t.deepEqual(service, {
    kind: 'service', key: 'demo/echo.demo', name: 'echo', namespace: 'demo', hostname: 'echo.demo', addresses: ['net/10.9.0.1', 'net/10.9.0.2', 'net/fd00::1'],
    ranges: [{ network: '', prefix: { bytes: Uint8Array.of(240, 1, 0, 0), bits: 16 } }, { network: '', prefix: { bytes: Uint8Array.of(10, 0, 0, 0), bits: 24 } }], ports: new Map([[80, 8080], [81, 0]]), subjectAltNames: ['spiffe://td/ns/a/sa/b'],
    waypoint, weightedWaypoints: [{ destination: waypoint, weight: 3 }], loadBalancing: { preferences: ['network', 'region', 'zone', 'subzone', 'node', 'cluster'], mode: 'failover', health: 'allow-all' }, ipFamilies: 'dual', canonical: true, ingressUseWaypoint: true, visibility: 'namespace', names: undefined, traffic: NO_TRAFFIC_POLICY,
  } as unknown as Service);
});

test('names come in an extension of ours; another one, and one that can not be read, tells none', (t) => {
  const ports = [{ name: 'http', protocol: NamedPort_Protocol.TCP, port: 80 }, { name: 'quic', protocol: NamedPort_Protocol.UDP, port: 80 }, { name: 'Not.A-label', protocol: NamedPort_Protocol.TCP, port: 1 }, { name: 'late', protocol: 9 as NamedPort_Protocol, port: 1 }, { name: 'high', protocol: NamedPort_Protocol.SCTP, port: 70_000 }];
  const understoodPorts = [{ name: 'http', protocol: 'tcp', port: 80 }, { name: 'quic', protocol: 'udp', port: 80 }];
  const other: Extension = create(ExtensionSchema, { name: 'example.com/other', config: { typeUrl: 'x', value: Uint8Array.of(1) } });
  const ofService: Extension = create(ExtensionSchema, { name: NAMES_EXTENSION, config: anyPack(ServiceNamesSchema, create(ServiceNamesSchema, { headless: true, ports })) });
  t.deepEqual(parsedService({ hostname: 'h', namespace: 'n', extensions: [other, ofService] }).names, { headless: true, ports: understoodPorts } as never);
  const ofWorkload: Extension = create(ExtensionSchema, { name: NAMES_EXTENSION, config: anyPack(EndpointNamesSchema, create(EndpointNamesSchema, { services: { 'n/h': { hostname: 'web-0', ipv4: true, ports }, 'n/i': { hostname: 'no.label' } } })) });
  t.deepEqual(parsedWorkload({ uid: 'u', extensions: [ofWorkload] }).names, new Map([['n/h', { hostname: 'web-0', ipv4: true, ipv6: false, ports: understoodPorts }], ['n/i', { hostname: '', ipv4: false, ipv6: false, ports: [] }]]) as never);
  const broken: Extension = create(ExtensionSchema, { name: NAMES_EXTENSION, config: { typeUrl: 'x', value: Uint8Array.of(0xff) } });
  for (const extensions of [[], [other], [broken], [create(ExtensionSchema, { name: NAMES_EXTENSION })]]) {
    t.is(parsedService({ hostname: 'h', namespace: 'n', extensions }).names, undefined);
    t.is(parsedWorkload({ uid: 'u', extensions }).names.size, 0);
  }
});

test('bounds and affinity come in an extension of ours; one that can not be read says nothing', (t) => {
  const told = (value: MessageInitShape<typeof ServiceTrafficSchema>): Service['traffic'] => {
    const extension = create(ExtensionSchema, { name: TRAFFIC_EXTENSION, config: anyPack(ServiceTrafficSchema, create(ServiceTrafficSchema, value)) });
    return parsedService({ hostname: 'h', namespace: 'n', extensions: [extension] }).traffic;
  };
  t.deepEqual(told({ affinity: ServiceTraffic_Affinity.CLIENT_ADDRESS, maxConnections: 5, maxPending: 2 }), { limits: { maxConnections: 5, maxPending: 2 }, affinity: 'client-address' });
  t.deepEqual(told({ affinity: 9 as ServiceTraffic_Affinity, maxPending: 1 }), { limits: { maxConnections: undefined, maxPending: 1 }, affinity: 'none' });
  t.deepEqual(told({}), NO_TRAFFIC_POLICY);
  for (const extension of [create(ExtensionSchema, { name: TRAFFIC_EXTENSION }), create(ExtensionSchema, { name: TRAFFIC_EXTENSION, config: { typeUrl: 'x', value: Uint8Array.of(0xff) } })]) {
    t.is(parsedService({ hostname: 'h', namespace: 'n', extensions: [extension] }).traffic, NO_TRAFFIC_POLICY);
  }
});

test('what can not be understood is refused, and it is said whose it is', (t) => {
  t.regex(refusedWorkload({}), /without uid/);
  t.regex(refusedWorkload({ uid: 'u', addresses: [Uint8Array.of(1, 2)] }), /^workload u: 2 bytes/);
  t.regex(refusedWorkload({ uid: 'u', tunnelProtocol: TunnelProtocol.LEGACY_ISTIO_MTLS }), /^workload u: tunnel protocol 2/);
  t.regex(refusedWorkload({ uid: 'u', networkMode: 9 as NetworkMode }), /network mode 9/);
  t.regex(refusedWorkload({ uid: 'u', status: 9 as WorkloadStatus }), /status 9/);
  t.regex(refusedWorkload({ uid: 'u', services: { 'no-namespace': { ports: [] } } }), /"no-namespace"/);
  t.regex(refusedWorkload({ uid: 'u', services: { 'a/b': { ports: [{ servicePort: 65536, targetPort: 1 }] } } }), /port 65536/);
  t.regex(refusedWorkload({ uid: 'u', waypoint: { hboneMtlsPort: 1 } }), /gateway/);
  t.regex(refusedWorkload({ uid: 'u', applicationTunnel: { port: 70000 } }), /port 70000/);
  t.regex(refusedService({ namespace: 'demo' }), /without hostname/);
  t.regex(refusedService({ hostname: 'h', namespace: 'n', addresses: [{ address: Uint8Array.of(10, 0, 0, 0), length: 33 }] }), /^service n\/h: 33/);
  t.regex(refusedService({ hostname: 'h', namespace: 'n', loadBalancing: { routingPreference: [LoadBalancing_Scope.UNSPECIFIED_SCOPE] } }), /routing preference 0/);
  t.regex(refusedService({ hostname: 'h', namespace: 'n', loadBalancing: { mode: 9 as LoadBalancing_Mode } }), /mode 9/);
  t.regex(refusedService({ hostname: 'h', namespace: 'n', loadBalancing: { healthPolicy: 9 as LoadBalancing_HealthPolicy } }), /health policy 9/);
  t.regex(refusedService({ hostname: 'h', namespace: 'n', ipFamilies: 9 as IPFamilies }), /IP families 9/);
  t.regex(refusedService({ hostname: 'h', namespace: 'n', weightedWaypoints: [{ weight: 1 }] }), /gateway/);
  t.false(parseAddress(new Uint8Array()).ok);
  t.false(parseAddress(new Uint8Array(MAX_ADDRESS_BYTES + 1)).ok);
});

test('a word that only changes how something is shown does not cost the resource', (t) => {
  t.is(parsedWorkload({ uid: 'u', workloadType: 9 as WorkloadType }).workloadType, 'deployment');
  t.is(parsedService({ hostname: 'h', namespace: 'n', visibility: 9 as Visibility }).visibility, 'public');
});

test('any bytes give an answer', (t) => {
  const good = encodeService({ hostname: 'h', namespace: 'n', addresses: [{ address: ipv6, length: 64 }], waypoint: gateway, ports: [{ servicePort: 1, targetPort: 2 }] });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => typeof parseAddress(bytes).ok === 'boolean'));
  fc.assert(fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => typeof parseAddress(good.with(at, byte)).ok === 'boolean'));
  t.pass();
});
