/** Parsers of what other clusters, the control plane and the kernel say. */
import { crc32 } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import type { KubernetesObject } from '@kubernetes/client-node';
import { parseAuthorization } from '@landbridge/agent/discovery/authorization-resource.ts';
import { parseAddress } from '@landbridge/agent/discovery/wds-address.ts';
import { ByteLines } from '@landbridge/kubernetes/byte-lines.ts';
import { parseNamespace, parsePod } from '@landbridge/agent/pods/pod-facts.ts';
import { MAX_RETRY_AFTER_MS, parseListPage, parseStatus, parseWatchEvent } from '@landbridge/kubernetes/watch-event.ts';
import { authorize } from '@landbridge/core/authorization.ts';
import { parseSpiffeId, spiffeId } from '@landbridge/core/identity.ts';
import { parseIp } from '@landbridge/core/ip-address.ts';
import { isDnsLabel } from '@landbridge/core/names.ts';
import { addressBytes, ENDPOINT_BYTES, flowKey, parseEndpoint } from '@landbridge/ebpf/capture-layout.ts';
import { exampleToken } from '@landbridge/federation/join/example-token.ts';
import { encodeJoinToken, MAX_TOKEN_LENGTH, parseJoinToken } from '@landbridge/federation/join/join-token.ts';
import { encodeRedeemAnswer, parseRedeemAnswer, parseRedeemRequest } from '@landbridge/federation/join/redeem-messages.ts';
import { MAX_GATEWAYS } from '@landbridge/core/records.ts';
import { ownGateways } from '@landbridge/federation/networks/own-gateways.ts';
import { usableGateways } from '@landbridge/federation/networks/remote-gateways.ts';
import { convertServiceRoute } from '@landbridge/federation/networks/service-route.ts';
import { convertAuthorizationPolicy } from '@landbridge/federation/policy/authorization-policy.ts';
import { parsePeerAuthentication } from '@landbridge/federation/policy/peer-authentication.ts';
import { PolicyConverter } from '@landbridge/federation/policy/policy-view.ts';
import { encodeAuthorization } from '@landbridge/federation/xds/authorization-resources.ts';
import { convertDestinationRule } from '@landbridge/federation/traffic/destination-rule.ts';
import { Action, AuthorizationSchema } from '@landbridge/wire/gen/authorization_pb.js';
import { EndpointNamesSchema, NamedPort_Protocol, ServiceNamesSchema } from '@landbridge/wire/gen/names_pb.js';
import { AddressSchema, ApplicationTunnel_Protocol, LoadBalancing_Mode, LoadBalancing_Scope, TunnelProtocol } from '@landbridge/wire/gen/workload_pb.js';
import { NAMES_EXTENSION } from '@landbridge/wire/protocol.ts';
import { decodeEnvelope, encodeEnvelope, signedBytes } from '@landbridge/wire/record.ts';
import { expect, type FuzzTarget, hex, latin1, latin1Text, utf8, utf8Text, jsonOf } from './fuzz-target.ts';

/** Longest text that says why something was refused, where it does not repeat a name out of the input. */
const MAX_REASON = 1000;
/** Of a policy's condition. */
const MAX_CONDITION = 2500;
const JSON_PIECES = ['{', '}', '[', ']', '"', ',', ':', '\\', '\\u0000', 'null', '1e999', '-0', '"__proto__":', '[[[[[[[[', '\ufeff', '\ud83d'].map(utf8);
const BROKEN_UTF8 = ['ff', 'c0af', 'eda080', 'f5808080'].map(hex);

const record: FuzzTarget = {
  name: 'record',
  examples: [
    encodeEnvelope({ cluster: 'west', key: 'svc.shop.cart', epoch: 1_700_000_000_000, gen: 3, body: { kind: 'svc', namespace: 'shop', ports: [{ name: 'http', port: 80 }], ready: true, none: null, numbers: [1, 20, 300, -4, 5.5, 6e6, 7, 8, 9] }, signature: new Uint8Array(64).fill(7) }),
    encodeEnvelope({ cluster: 'members', key: 'west', epoch: 1, gen: 1, body: null, signature: new Uint8Array(64) }),
  ].map((bytes) => Uint8Array.from(bytes)),
  dictionary: [...JSON_PIECES, ...BROKEN_UTF8],
  check: (input) => {
    const decoded = decodeEnvelope(input);
    if (!decoded.ok) return void expect(decoded.error.length <= MAX_REASON, 'reason is too long');
    const bytes = signedBytes(decoded.value);
    const again = decodeEnvelope(encodeEnvelope(decoded.value));
    expect(again.ok && Buffer.from(signedBytes(again.value)).equals(bytes), 'record does not survive');
  },
};

const TOKEN = exampleToken({ bootstrapSeed: `SU${'A'.repeat(56)}`, authorityPublicKey: Buffer.alloc(32, 9).toString('base64url') });

const joinToken: FuzzTarget = {
  name: 'join-token',
  examples: [latin1(encodeJoinToken(TOKEN)), latin1(`  ${encodeJoinToken(TOKEN).replace(/.{64}/g, '$&\n')}`)],
  dictionary: ['lb1.', 'lb2.', '.', '\n', ' ', '=', '_', '00000000'].map(latin1),
  check: (input) => checkToken(utf8Text(input)),
};

/** What is inside a token, so that the checksum does not stop all of it. */
const joinTokenContent: FuzzTarget = {
  name: 'join-token-content',
  examples: [utf8(JSON.stringify(TOKEN))],
  dictionary: [...JSON_PIECES, ...BROKEN_UTF8, ...['tls://', 'nats://', 'user@', '"v":2', '-----BEGIN CERTIFICATE-----'].map(utf8)],
  check: (input) => {
    const payload = Buffer.from(input).toString('base64url');
    checkToken(`lb1.${payload}.${crc32(payload).toString(16).padStart(8, '0')}`);
  },
};

function checkToken(text: string): void {
  const parsed = parseJoinToken(text);
  if (!parsed.ok) return void expect(parsed.error.message.length <= MAX_REASON, 'reason is too long');
  expect(text.replace(/\s+/g, '').length <= MAX_TOKEN_LENGTH, 'accepted a token over the limit');
  const again = parseJoinToken(encodeJoinToken(parsed.value));
  expect(again.ok && JSON.stringify(again.value) === JSON.stringify(parsed.value), 'token does not survive');
}

const redeem: FuzzTarget = {
  name: 'redeem-messages',
  examples: [
    Uint8Array.from(encodeRedeemAnswer({ userJwt: 'eyJh.eyJi.c2ln', members: [utf8('{}'), utf8('member')] })),
    utf8(JSON.stringify({ ok: false, error: { code: 'token-used', message: 'used', hint: 'new one', retryable: true } })),
    utf8(JSON.stringify({ v: 1, code: TOKEN.code, cluster: 'west', userPublicKey: `U${'A'.repeat(55)}`, recordPublicKey: TOKEN.authorityPublicKey, trustDomain: 'west.landbridge', roots: ['AAAA'], network: '', proof: 'A'.repeat(86) })),
  ],
  dictionary: [...JSON_PIECES, ...BROKEN_UTF8],
  check: (input) => {
    const request = parseRedeemRequest(input);
    expect(!request.ok, 'accepted a request whose proof nobody made');
    expect(request.error.length <= MAX_REASON, 'reason is too long');
    const answer = parseRedeemAnswer(input);
    if (answer.ok && answer.value.ok) expect(answer.value.value.members.reduce((sum, member) => sum + member.length, 0) <= input.length, 'more than was sent');
  },
};

const ip4 = Uint8Array.of(10, 244, 1, 17);
/** A port that only just is one: most changes make it none. */
const HIGH_PORTS = Array.from({ length: 6 }, (_, at) => ({ servicePort: 65530 + at, targetPort: 65535 }));

const NAMED_PORTS = [{ name: 'http', protocol: NamedPort_Protocol.TCP, port: 65535 }];

const wdsAddress: FuzzTarget = {
  name: 'wds-address',
  examples: [
    toBinary(AddressSchema, create(AddressSchema, {
      type: {
        case: 'workload',
        value: {
          uid: 'west//Pod/shop/cart-1', name: 'cart-1', namespace: 'shop', addresses: [ip4, new Uint8Array(16).fill(1)], network: 'n', tunnelProtocol: TunnelProtocol.HBONE, trustDomain: 'west.example', serviceAccount: 'cart', node: 'n1', clusterId: 'west',
          services: { 'shop/cart.shop.svc.cluster.local': { ports: [{ servicePort: 80, targetPort: 8080 }, ...HIGH_PORTS] } }, authorizationPolicies: ['shop/deny'], locality: { region: 'r', zone: 'z', subzone: 's' }, capacity: 3,
          extensions: [{ name: NAMES_EXTENSION, config: anyPack(EndpointNamesSchema, create(EndpointNamesSchema, { services: { 'shop/web.shop.svc.cluster.local': { hostname: 'web-0', ipv4: true, ports: NAMED_PORTS } } })) }],
          applicationTunnel: { protocol: ApplicationTunnel_Protocol.PROXY, port: 15088 }, networkGateway: { destination: { case: 'address', value: { network: 'n', address: ip4 } }, hboneMtlsPort: 15008 },
        },
      },
    })),
    toBinary(AddressSchema, create(AddressSchema, {
      type: {
        case: 'service',
        value: {
          name: 'cart', namespace: 'shop', hostname: 'cart.shop.svc.cluster.local', addresses: [{ network: 'n', address: ip4 }, { network: 'n', address: Uint8Array.of(10, 0, 0, 0), length: 8 }], ports: [{ servicePort: 80, targetPort: 0 }, ...HIGH_PORTS], subjectAltNames: ['spiffe://a/ns/b/sa/c'], canonical: true,
          extensions: [{ name: NAMES_EXTENSION, config: anyPack(ServiceNamesSchema, create(ServiceNamesSchema, { headless: true, ports: NAMED_PORTS })) }],
          waypoint: { destination: { case: 'hostname', value: { namespace: 'shop', hostname: 'waypoint.shop' } }, hboneMtlsPort: 15008 }, loadBalancing: { mode: LoadBalancing_Mode.FAILOVER, routingPreference: [LoadBalancing_Scope.NETWORK, LoadBalancing_Scope.ZONE] },
        },
      },
    })),
  ],
  dictionary: ['0a', '12', 'ffffffffffffffffff01', '80', '0a00', '1a04', '7f', 'ff7f'].map(hex),
  check: (input) => {
    const parsed = parseAddress(input);
    if (!parsed.ok) return void expect(parsed.error.length <= MAX_REASON + input.length, 'reason is too long');
    const { value } = parsed;
    const names = value.kind === 'service' ? (value.names?.ports ?? []).map(({ name }) => name) : [...value.names.values()].flatMap(({ hostname, ports }) => [hostname || 'x', ...ports.map(({ name }) => name)]);
    expect(names.every(isDnsLabel), 'a name is no label');
    for (const address of value.addresses) expect(parseIp(address.slice(address.lastIndexOf('/') + 1)).ok, 'address that is none');
    const ports = value.kind === 'service' ? [...value.ports] : [...value.services.values()].flatMap((map) => [...map]);
    expect(ports.flat().every((port) => port >= 0 && port <= 65535), 'port out of range');
  },
};

const authorization: FuzzTarget = {
  name: 'authorization',
  examples: [
    toBinary(AuthorizationSchema, create(AuthorizationSchema, {
      name: 'deny', namespace: 'shop', action: Action.DENY,
      rules: [{ clauses: [{ matches: [{ namespaces: [{ matchType: { case: 'exact', value: 'a' } }], principals: [{ matchType: { case: 'suffix', value: '/sa/x' } }], sourceIps: [{ address: Uint8Array.of(10, 0, 0, 0), length: 8 }], notSourceIps: [{ address: new Uint8Array(16), length: 0 }], destinationPorts: [80], serviceAccounts: [{ namespace: 'n', serviceAccount: 's' }] }] }] }],
    })),
    toBinary(AuthorizationSchema, create(AuthorizationSchema, { name: 'allow', namespace: 'shop', rules: [{ clauses: [{ matches: [{ notPrincipals: [{ matchType: { case: 'presence', value: {} } }] }] }] }] })),
  ],
  dictionary: ['0a', '2a', '2a00', '0a00', '1000', 'ffffffff0f', '2808'].map(hex),
  check: (input) => {
    const parsed = parseAuthorization(input);
    if (!parsed.ok) return void expect(parsed.error.length <= MAX_REASON + input.length, 'reason is too long');
    const [source, destination] = [parseIp('10.0.0.1'), parseIp('10.0.0.2')];
    const peer = parseSpiffeId('spiffe://a/ns/b/sa/c');
    if (!source.ok || !destination.ok || !peer.ok) throw new Error('example is wrong');
    for (const identity of [peer.value, undefined]) {
      const verdict = authorize([parsed.value], { sourceIp: source.value, destinationIp: destination.value, destinationPort: 80, identity });
      // What can not be evaluated opens nothing.
      if (parsed.value.unevaluable !== undefined && !parsed.value.dryRun) expect(!verdict.allowed, 'allowed by what can not be evaluated');
    }
  },
};

const spiffe: FuzzTarget = {
  name: 'spiffe-id',
  examples: ['spiffe://west.landbridge/ns/shop/sa/cart', 'spiffe://a/ns/b/sa/c'].map(latin1),
  dictionary: ['/', '//', '%2f', '..', '/ns/', '/sa/', 'A', '\n', '\0', '?', '#', '@', ':'].map(latin1),
  check: (input) => {
    const parsed = parseSpiffeId(utf8Text(input));
    if (!parsed.ok) return void expect(parsed.error.length <= MAX_REASON, 'reason is too long');
    const again = spiffeId(parsed.value);
    expect(again.ok && again.value === parsed.value.id, 'identity does not survive');
  },
};

/** The kernel gives values of one size; what is in them came from connections. */
const captureLayout: FuzzTarget = {
  name: 'capture-layout',
  examples: [hex(`${'00'.repeat(10)}ffff0a01020312340000`), hex(`fd00${'00'.repeat(13)}0500500000`)],
  dictionary: ['00000000', 'ffff', '0000ffff'].map(hex),
  check: (input) => {
    const value = Buffer.alloc(ENDPOINT_BYTES);
    value.set(input.subarray(0, ENDPOINT_BYTES));
    const endpoint = parseEndpoint(value);
    expect(parseIp(endpoint.ip).ok && endpoint.ip.length <= 45 && endpoint.port <= 65535, 'endpoint that is none');
    expect(addressBytes(endpoint.ip).equals(value.subarray(0, 16)), 'address does not survive');
    expect(flowKey(1n, endpoint).subarray(8, 24).equals(value.subarray(0, 16)), 'key of another address');
    // The text of an address may be anything that sockets say, or an error of the project.
    const text = latin1Text(input);
    if (parseIp(text).ok) expect(addressBytes(text).length === 16, 'address of another size');
  },
};

const EXAMPLE_POD = { metadata: { uid: '0f0f0f0f-1111-2222-3333-444444444444', namespace: 'shop', name: 'cart-1', resourceVersion: '17', labels: { 'landbridge.dev/dataplane-mode': 'ambient' }, annotations: { 'ambient.istio.io/redirection': 'enabled' } }, spec: { serviceAccountName: 'cart', hostNetwork: false }, status: { phase: 'Running', podIPs: [{ ip: 'fd00::1' }, { ip: '10.0.0.1' }] } };

/** An API server's answer, as one text and as a stream of lines. */
const apiServer: FuzzTarget = {
  name: 'api-server',
  examples: [
    utf8(['ADDED', 'DELETED', 'BOOKMARK'].map((type) => `${JSON.stringify({ type, object: EXAMPLE_POD })}\n`).join('')),
    utf8(`${JSON.stringify({ type: 'ERROR', object: { code: 410, message: 'too old', details: { retryAfterSeconds: 1 } } })}\n`),
    utf8(JSON.stringify({ metadata: { resourceVersion: '18', continue: 'next' }, items: [EXAMPLE_POD] })),
    utf8(JSON.stringify(EXAMPLE_POD)),
  ],
  dictionary: [...JSON_PIECES, ...BROKEN_UTF8, ...['\n', '"metadata":', '"resourceVersion":', '"items":', '"object":', '"podIPs":', '"labels":'].map(utf8)],
  check: (input) => {
    const text = utf8Text(input);
    const status = parseStatus(text, 500);
    expect(status.message.length <= MAX_REASON && (status.retryAfterMs ?? 0) <= MAX_RETRY_AFTER_MS, 'status without a bound');
    const page = parseListPage(text);
    for (const item of page.ok ? page.value.items : []) checkObject(item);
    const [whole, parts] = [new ByteLines(1000), new ByteLines(1000)];
    const read = whole.push(Buffer.from(input));
    // Cut in the middle it says the same.
    const half = input.length >> 1;
    const [first, second] = [parts.push(Buffer.from(input.subarray(0, half))), parts.push(Buffer.from(input.subarray(half)))];
    if (!read.ok) return void expect(!first.ok || !second.ok, 'a limit that a cut lifts');
    expect(first.ok && second.ok && JSON.stringify([...first.value, ...second.value]) === JSON.stringify(read.value), 'lines that a cut changes');
    for (const line of read.value) {
      const event = parseWatchEvent(line);
      // Whoever reads a watch stops there.
      if (!event.ok) return void expect(event.error.length <= MAX_REASON, 'reason is too long');
      if (event.value.kind === 'set' || event.value.kind === 'deleted') checkObject(event.value.object);
    }
  },
};

const EXAMPLE_POLICY = { metadata: { namespace: 'shop', name: 'guard', annotations: { 'istio.io/dry-run': 'false' }, creationTimestamp: '2026-01-01T00:00:00Z' }, spec: { action: 'DENY', selector: { matchLabels: { app: 'cart' } }, rules: [{ from: [{ source: { principals: ['west.landbridge/*'], notIpBlocks: ['10.0.0.0/8', 'fd00::1'] } }], to: [{ operation: { ports: ['80'], methods: ['GET'] } }], when: [{ key: 'source.namespace', values: ['shop'] }] }] } };

/** What people write into an API server, which agents then obey. */
const policyObject: FuzzTarget = {
  name: 'policy-object',
  examples: [
    utf8(JSON.stringify(EXAMPLE_POLICY)),
    utf8(JSON.stringify({ ...EXAMPLE_POLICY, spec: { rules: [{ from: [{ source: { serviceAccounts: ['bank/till'] } }] }] } })),
    utf8(JSON.stringify({ ...EXAMPLE_POLICY, spec: { host: '*.shop.svc.cluster.local', exportTo: ['*'], trafficPolicy: { connectionPool: { tcp: { maxConnections: 5 }, http: { http1MaxPendingRequests: 1 } }, loadBalancer: { simple: 'RANDOM', consistentHash: { useSourceIp: true } } } } })),
    utf8(JSON.stringify({ ...EXAMPLE_POLICY, spec: { clusters: [{ name: 'east', percent: 95 }, { name: 'west', percent: 5, maxPercent: 20 }] } })),
    utf8(JSON.stringify({ ...EXAMPLE_POLICY, spec: { gatewayClassName: 'istio-east-west', listeners: [{ protocol: 'HBONE', port: 15008 }], addresses: [{ type: 'IPAddress', value: '192.0.2.1' }, { value: 'gw.example' }] } })),
    utf8(JSON.stringify({ ...EXAMPLE_POLICY, spec: { selector: { matchLabels: { app: 'cart' } }, mtls: { mode: 'STRICT' }, portLevelMtls: { 9090: { mode: 'PERMISSIVE' } } } })),
  ],
  dictionary: [...JSON_PIECES, ...BROKEN_UTF8, ...['"ALLOW"', '"CUSTOM"', '"targetRefs":', '"*"', '"0177.0.0.1"', '"::ffff:1.2.3.4/96"', '"65536"', '"rules":', '"mode":', '"STRICT"', '"host":', '"*."', '"maxConnections":'].map(utf8)],
  check: (input) => {
    const object = jsonOf(input);
    if (object === undefined) return;
    const converted = convertAuthorizationPolicy(object, 'root');
    const authentication = parsePeerAuthentication(object, 'root');
    expect((converted === undefined) === (authentication === undefined), 'a name that only one kind may have');
    if (converted === undefined || authentication === undefined) return;
    const verdicts = [converted.verdict, authentication.verdict];
    for (const verdict of verdicts) expect(verdict.kind === 'elsewhere' || verdict.message.length <= MAX_CONDITION, 'condition is too long');
    const rule = convertDestinationRule(object, { rootNamespace: 'root', domain: 'cluster.local' });
    expect(rule !== undefined && rule.verdict.kind !== 'elsewhere' && rule.verdict.message.length <= MAX_CONDITION, 'a rule without a verdict, or with a long one');
    const route = convertServiceRoute(object);
    expect(route !== undefined && route.verdict.kind !== 'elsewhere' && route.verdict.message.length <= MAX_CONDITION && (route.rules === undefined) === (route.verdict.kind === 'refused'), 'a route without a verdict, or with a long one');
    const gateways = ownGateways({ namespace: 'root', network: '', configured: [], service: undefined, nodeOf: () => undefined, objects: [object as KubernetesObject] });
    expect(gateways.length <= MAX_GATEWAYS && gateways.every((gateway) => usableGateways({ gateways: [gateway] }, 'east.landbridge')[0]?.address === gateway.address), 'a gateway that nobody could use');
    const { policies } = new PolicyConverter('root').view({ authorizationPolicies: [object as KubernetesObject], peerAuthentications: [object as KubernetesObject] });
    for (const policy of policies.values()) {
      const again = parseAuthorization(encodeAuthorization(policy));
      expect(again.ok && again.value.unevaluable === undefined && again.value.rules.length === policy.rules.length, 'policy does not survive');
    }
    const [source, destination] = [parseIp('10.0.0.1'), parseIp('10.0.0.2')];
    if (converted.policy === undefined || converted.policy.dryRun || converted.verdict.kind !== 'refused' || !source.ok || !destination.ok) return;
    expect(!authorize([converted.policy], { sourceIp: source.value, destinationIp: destination.value, destinationPort: 80, identity: undefined }).allowed, 'allowed by what can not be read');
  },
};

function checkObject(object: unknown): void {
  const pod = parsePod(object);
  if (pod.ok) expect(/^[0-9A-Za-z-]{1,64}$/.test(pod.value.uid) && pod.value.addresses.every((address) => parseIp(address).ok), 'a pod of something else');
  const namespace = parseNamespace(object);
  if (namespace.ok) expect(Object.keys(namespace.value.labels).length <= 2, 'labels that nobody looks at');
}

export const CONTROL_TARGETS: readonly FuzzTarget[] = [record, joinToken, joinTokenContent, redeem, wdsAddress, authorization, spiffe, captureLayout, apiServer, policyObject];
