/** Parsers of what other programs of a node say, the container runtime, istio-cni, and whoever installs its network, and of what its administrator writes down. */
import { create, toBinary } from '@bufbuild/protobuf';
import { CNI_TYPE } from '@landbridge/agent/cni-executable.ts';
import { CNI_FILE, planCniFile } from '@landbridge/agent/pods/cni-configuration.ts';
import { parseCniRequest } from '@landbridge/agent/pods/cni-request.ts';
import { ConfigureRequestSchema, EventRequestSchema, StateChangeEventSchema, SynchronizeRequestSchema } from '@landbridge/wire/gen/nri_pb.js';
import { WorkloadRequestSchema } from '@landbridge/wire/gen/zds_pb.js';
import { parseIp } from '@landbridge/core/ip-address.ts';
import { MAX_STATIC_PODS, parseStaticPods } from '@landbridge/agent/pods/static-pods.ts';
import { encodeHandoverPacket, parseHandoverPacket } from '@landbridge/agent/handover/handover-packet.ts';
import { parseLocalPorts, pickLocalPort } from '@landbridge/native/local-ports.ts';
import { encodeDescriptors, parseDescriptors } from '@landbridge/native/passed-descriptors.ts';
import { parseExactJson } from '@landbridge/wire/exact-json.ts';
import { type NriPod, parseNriRequest } from '@landbridge/wire/nri.ts';
import { encodeMuxFrames, MuxReader, PLUGIN_CHANNEL, RUNTIME_CHANNEL } from '@landbridge/wire/nri-mux.ts';
import { encodeTtrpcRequest, encodeTtrpcResponse, MAX_STATUS_CHARACTERS, TTRPC_HEADER_BYTES, type TtrpcMessage, TtrpcReader } from '@landbridge/wire/ttrpc.ts';
import { encodeZdsAck, MAX_ZDS_PACKET_BYTES, parseZdsRequest } from '@landbridge/wire/zds.ts';
import { expect, type FuzzTarget, hex, joinParts, latin1, latin1Text, splitParts, utf8 } from './fuzz-target.ts';

const MAX_REASON = 300;
/** To write ten thousand messages takes longer than to read them, and than an input may take. */
const MOST_WRITTEN_AGAIN = 1000;
const PROTOBUF_PIECES = ['0a', '0a00', '12', '1a04', '80', '7f', 'ff7f', 'ffffffffffffffffff01', '0b', '0c', '08', '0d'].map(hex);

const pod = { id: 'f00d', uid: '0f0f0f0f-1111-2222-3333-444444444444', namespace: 'shop', name: 'cart-1', ips: ['10.244.1.17', 'fd00::17'], linux: { namespaces: [{ type: 'ipc', path: '/proc/1/ns/ipc' }, { type: 'network', path: '/var/run/netns/cni-1' }] } };
const requests: readonly (readonly [string, Uint8Array])[] = [
  ['Configure', toBinary(ConfigureRequestSchema, create(ConfigureRequestSchema, { runtimeName: 'containerd', runtimeVersion: 'v2.4.2', registrationTimeout: 5000n, requestTimeout: 2000n, nriVersion: 'v0.12.3' }))],
  ['Synchronize', toBinary(SynchronizeRequestSchema, create(SynchronizeRequestSchema, { pods: [pod, { ...pod, uid: '../x' }], more: true }))],
  ['RunPodSandbox', toBinary(EventRequestSchema, create(EventRequestSchema, { pod }))],
  ['CreateContainer', toBinary(EventRequestSchema, create(EventRequestSchema, { pod, container: { name: 'main' } }))],
  ['StateChange', toBinary(StateChangeEventSchema, create(StateChangeEventSchema, { event: 2, pod }))],
];

const encoded = (result: ReturnType<typeof encodeTtrpcRequest>): Uint8Array => {
  if (!result.ok) throw new Error(result.error);
  return Uint8Array.from(result.value);
};
const calls = requests.map(([method, payload], at) => encoded(encodeTtrpcRequest(2 * at + 1, { service: 'nri.pkg.api.v1alpha1.Plugin', method, payload, timeoutMs: 2000 })));
const answers = [encoded(encodeTtrpcResponse(1, { payload: utf8('ok') })), encoded(encodeTtrpcResponse(3, { status: { code: 2, message: 'no' } }))];

/** The same bytes, whole and cut in three: what is read may not depend on it. */
function readTwice<T>(input: Uint8Array, make: () => { push(chunk: Uint8Array): { readonly ok: true; readonly value: readonly T[] } | { readonly ok: false; readonly error: string } }): { readonly whole: readonly T[] | undefined; readonly parts: readonly T[] | undefined } {
  const read = (chunks: readonly Uint8Array[]): readonly T[] | undefined => {
    const reader = make();
    const all: T[] = [];
    for (const chunk of chunks) {
      const pushed = reader.push(chunk);
      if (!pushed.ok) {
        expect(pushed.error.length <= MAX_REASON, 'reason is too long');
        return undefined;
      }
      all.push(...pushed.value);
    }
    return all;
  };
  const third = Math.ceil(input.length / 3);
  return { whole: read([input]), parts: read([input.subarray(0, third), input.subarray(third, 2 * third), input.subarray(2 * third)]) };
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function textOf(message: TtrpcMessage): string {
  if (message.kind === 'request') return JSON.stringify({ ...message, request: { ...message.request, payload: hexOf(message.request.payload) } });
  return JSON.stringify(message.kind === 'response' ? { ...message, payload: hexOf(message.payload) } : message);
}

const ttrpc: FuzzTarget = {
  name: 'ttrpc',
  examples: [...calls, ...answers, Uint8Array.from(Buffer.concat([...calls, ...answers]))],
  dictionary: [...PROTOBUF_PIECES, hex('00000000000000010100'), hex('0000000a000000010200'), hex('00400001'), hex('00400000')],
  check: (input) => {
    const { whole, parts } = readTwice(input, () => new TtrpcReader());
    expect((whole === undefined) === (parts === undefined), 'an error that a cut changes');
    if (whole === undefined || parts === undefined) return;
    expect(whole.map(textOf).join() === parts.map(textOf).join(), 'messages that a cut changes');
    expect(whole.length * TTRPC_HEADER_BYTES <= input.length, 'messages out of nothing');
    for (const message of whole.slice(0, MOST_WRITTEN_AGAIN)) {
      if (message.kind === 'other') continue;
      if (message.kind === 'response' && message.status !== undefined) expect(message.status.code !== 0 && message.status.message.length <= MAX_STATUS_CHARACTERS, 'status out of its limits');
      const again = new TtrpcReader().push(encoded(message.kind === 'request' ? encodeTtrpcRequest(message.stream, message.request) : encodeTtrpcResponse(message.stream, message.status === undefined ? { payload: message.payload } : { status: message.status })));
      const expected = message.kind === 'response' && message.status !== undefined ? { ...message, payload: new Uint8Array() } : message;
      expect(again.ok && again.value.length === 1 && textOf(again.value[0] as TtrpcMessage) === textOf(expected), 'message does not survive');
    }
  },
};

const nriMux: FuzzTarget = {
  name: 'nri-mux',
  examples: [Uint8Array.from(Buffer.concat([encodeMuxFrames(PLUGIN_CHANNEL, calls[0] as Uint8Array), encodeMuxFrames(RUNTIME_CHANNEL, answers[0] as Uint8Array), encodeMuxFrames(PLUGIN_CHANNEL, calls[1] as Uint8Array)]))],
  dictionary: ['0000000100000000', '0000000200000001', '00000000', 'ffffffff', '0040000a', '0040000b'].map(hex),
  check: (input) => {
    const { whole, parts } = readTwice(input, () => new MuxReader());
    expect((whole === undefined) === (parts === undefined), 'an error that a cut changes');
    if (whole === undefined || parts === undefined) return;
    const streams = (pieces: typeof whole): string => {
      const channels = new Map<number, string>();
      for (const { channel, bytes } of pieces) channels.set(channel, (channels.get(channel) ?? '') + hexOf(bytes));
      return JSON.stringify([...channels]);
    };
    expect(streams(whole) === streams(parts), 'bytes that a cut changes');
    expect(whole.reduce((sum, { bytes }) => sum + bytes.length, 0) <= input.length, 'bytes out of nothing');
  },
};

/** The method's name, then the request. */
const nri: FuzzTarget = {
  name: 'nri',
  examples: requests.map(([method, payload]) => joinParts([utf8(method), payload])),
  dictionary: [...PROTOBUF_PIECES, ...['network', '/', '../', '\0'].map(utf8)],
  check: (input) => {
    const [method = new Uint8Array(), payload = new Uint8Array()] = splitParts(input);
    const parsed = parseNriRequest(latin1Text(method), payload);
    if (!parsed.ok) return void expect(parsed.error.length <= MAX_REASON, 'reason is too long');
    const { value } = parsed;
    if (value.kind === 'configure') expect(value.requestTimeoutMs > 0 && value.requestTimeoutMs <= 600_000, 'time-out out of its limits');
    if (value.kind === 'event') checkPod(value.pod);
    if (value.kind === 'synchronize') for (const listed of value.pods) checkPod(listed);
  },
};

function checkPod({ uid, networkNamespace, addresses }: NriPod): void {
  expect(/^[0-9A-Za-z-]{0,64}$/.test(uid) && addresses.length <= 16, 'a pod of something else');
  if (networkNamespace !== undefined) expect(networkNamespace.startsWith('/') && !networkNamespace.includes('\0'), 'a namespace that is no path');
}

const zds: FuzzTarget = {
  name: 'zds',
  examples: ([
    { case: 'add', value: { uid: pod.uid, workloadInfo: { name: 'cart-1', namespace: 'shop', serviceAccount: 'cart' } } },
    { case: 'keep', value: { uid: pod.uid } },
    { case: 'del', value: { uid: pod.uid } },
    { case: 'snapshotSent', value: {} },
  ] as const).map((payload) => toBinary(WorkloadRequestSchema, create(WorkloadRequestSchema, { payload }))),
  dictionary: [...PROTOBUF_PIECES, hex('2a'), hex('1a00')],
  check: (input) => {
    const parsed = parseZdsRequest(input);
    if (!parsed.ok) {
      expect(parsed.error.length <= MAX_REASON, 'reason is too long');
      return void expect(encodeZdsAck(parsed.error).length <= MAX_ZDS_PACKET_BYTES, 'answer is too long');
    }
    expect(input.length <= MAX_ZDS_PACKET_BYTES, 'accepted a packet over the limit');
    if (parsed.value.kind !== 'snapshot-sent') expect(/^[0-9A-Za-z-]{1,64}$/.test(parsed.value.uid), 'a uid of another form');
  },
};

const CNI_PIECES = ['CNI_COMMAND=', 'ADD', 'DEL', 'CHECK', 'CNI_NETNS=/', 'CNI_ARGS=', ';K8S_POD_UID=', ';', '=', '\n\n', '{', '}', '[', ']', '"', '"prevResult":', '"ips":', '"address":', '"__proto__":', '"plugins":', '"type":', '1e999', '[[[[[[[['].map(utf8);
const cniVariables = 'CNI_NETNS=/var/run/netns/cni-1\nCNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-1;K8S_POD_UID=0f0f0f0f-1111-2222-3333-444444444444\n\n';
const cniConfiguration = JSON.stringify({ cniVersion: '1.0.0', name: 'lab', prevResult: { cniVersion: '1.0.0', ips: [{ address: '10.1.2.3/24' }] } });

const cniRequest: FuzzTarget = {
  name: 'cni-request',
  examples: ['ADD', 'CHECK', 'DEL', 'STATUS', 'GC'].map((command) => utf8(`CNI_COMMAND=${command}\n${cniVariables}${cniConfiguration}`)),
  dictionary: CNI_PIECES,
  check: (input) => {
    const parsed = parseCniRequest(input);
    if (!parsed.ok) return void expect(parsed.error.message.length <= MAX_REASON, 'reason is too long');
    const request = parsed.value;
    if (request.kind !== 'add' && request.kind !== 'check') return;
    const { uid, namespace, name, addresses, namespacePath } = request.sandbox;
    expect(/^[0-9A-Za-z-]{1,64}$/.test(uid) && [namespace, name].every((text) => /^[-a-z0-9.]{1,253}$/.test(text)), 'a name that none is');
    expect(addresses.length <= 2 && addresses.every((address) => parseIp(address).ok), 'an address that is none');
    expect(namespacePath.startsWith('/') && !namespacePath.includes('\0'), 'a path that is none');
    expect((JSON.parse(request.result) as { cniVersion: unknown }).cniVersion === request.version, 'a result of another version');
  },
};

const cniNetwork: FuzzTarget = {
  name: 'cni-network',
  examples: [utf8('{"cniVersion":"1.0.0","name":"lab","mtu":12345678901234567890,"plugins":[{"type":"bridge","ipam":{"type":"host-local"}},{"type":"portmap"}]}')],
  dictionary: CNI_PIECES,
  check: (input) => {
    const text = latin1Text(input);
    const plan = planCniFile(new Map([['10-x.conflist', text]]), { agentSocket: '/s', timeoutSeconds: 1, retrySeconds: 1, exemptNamespaces: [] });
    if (plan.kind !== 'write') return void expect(plan.kind === 'wait' && plan.reason.length <= MAX_REASON, 'reason is too long');
    const [made, given] = [parseExactJson(plan.text), parseExactJson(text)];
    if (!made.ok || !given.ok) return void expect(false, 'what is written can not be read');
    const plugins = (value: unknown): { readonly type: string }[] => (value as { readonly plugins: { readonly type: string }[] }).plugins;
    expect(JSON.stringify(plugins(made.value).slice(0, -1)) === JSON.stringify(plugins(given.value).filter(({ type }) => type !== CNI_TYPE)), 'a plugin of others is not as it was');
    expect(planCniFile(new Map([['10-x.conflist', text], [CNI_FILE, plan.text]]), { agentSocket: '/s', timeoutSeconds: 1, retrySeconds: 1, exemptNamespaces: [] }).kind === 'in-force', 'it is written again');
  },
};

/** The kernel's own layout; how many descriptors there are is the sender's choice. */
const descriptors: FuzzTarget = {
  name: 'passed-descriptors',
  examples: [Uint8Array.from(encodeDescriptors([7])), Uint8Array.from(Buffer.concat([encodeDescriptors([7]), encodeDescriptors([8])]))],
  dictionary: ['1400000000000000', '1000000000000000', '0100000001000000', '0100000002000000', 'ffffffffffffffff'].map(hex),
  check: (input) => {
    const found = parseDescriptors(Buffer.from(input));
    expect(found.length * 4 <= input.length, 'descriptors out of nothing');
  },
};

/** From the other agent of the node: whoever is root there, of this version or of another one. */
const handoverPacket: FuzzTarget = {
  name: 'handover-packet',
  examples: ([{ kind: 'hello', formats: [1, 2], sockets: 1200, rehearses: true, resets: true }, { kind: 'sockets', count: 240 }, { kind: 'batch', number: 7, connections: 16, bytes: 4096, sockets: 32, frozenAtMs: 12_345.678 }, { kind: 'rehearsal', connections: 32, bytes: 4096, sockets: 64 }, { kind: 'rehearsed' }, { kind: 'take', number: 7 }, { kind: 'refuse', number: 7, reason: 'a field that must be understood' }, { kind: 'abort', number: 7 }, { kind: 'done' }, { kind: 'bye' }] as const).map((packet) => Uint8Array.from(encodeHandoverPacket(packet))),
  dictionary: ['4c424831', '4c42483100', '4c42483101', '4c42483103', 'ff', '00000000', 'ffffffff'].map(hex),
  check: (input) => {
    const parsed = parseHandoverPacket(Buffer.from(input));
    if (!parsed.ok) return void expect(parsed.error.length > 0 && parsed.error.length <= MAX_REASON, 'reason is empty or too long');
    const again = parseHandoverPacket(encodeHandoverPacket(parsed.value));
    // What is no text is replaced, and may be cut then.
    expect(again.ok && (parsed.value.kind === 'refuse' || JSON.stringify(again.value) === JSON.stringify(parsed.value)), 'it is read otherwise when written again');
  },
};

const staticPods: FuzzTarget = {
  name: 'static-pods',
  examples: [utf8(JSON.stringify([{ uid: 'uid-1', namespace: 'shop', name: 'cart', serviceAccount: 'cart', addresses: ['10.0.0.1', 'fd00::1'], networkNamespace: '/run/netns/cart' }, { uid: 'uid-2', namespace: 'shop', name: 'till', serviceAccount: 'till', addresses: ['10.0.0.2'], networkNamespace: '/run/netns/till' }])), utf8('[]')],
  dictionary: ['{', '}', '[', ']', '"', ',', ':', '\\u0000', 'null', '"__proto__":', '"uid":', '"addresses":', '10.0.0.1', '../'].map(utf8),
  check: (input) => {
    const parsed = parseStaticPods(Buffer.from(input).toString());
    if (!parsed.ok) return void expect(parsed.error.length <= MAX_REASON, 'reason is too long');
    expect(parsed.value.length <= MAX_STATIC_PODS, 'too many pods');
    for (const { uid, addresses, networkNamespace } of parsed.value) expect(/^[0-9A-Za-z-]{1,64}$/.test(uid) && addresses.length <= 2 && addresses.every((address) => parseIp(address).ok) && networkNamespace.startsWith('/'), 'a pod of something else');
  },
};

/** Two files of a pod's namespace, with a zero byte between them. */
const localPorts: FuzzTarget = {
  name: 'local-ports',
  examples: ['32768\t60999\n\x00\n', '1024\t65535\n\x008080,30000-32767\n', '40000 40001\x00'].map(latin1),
  dictionary: ['\t', ' ', ',', '-', '\n', '\x00', '0', '1', '65535', '65536', '99999', '-1'].map(latin1),
  check: (input) => {
    const [range = '', reserved = ''] = latin1Text(input).split('\x00');
    const ports = parseLocalPorts(range, reserved);
    if (ports === undefined) return;
    const isInRange = (first: number, last: number): boolean => 0 < first && first <= last && last < 65_536;
    expect(isInRange(ports.first, ports.last) && ports.reserved.every(({ first, last }) => isInRange(first, last)), 'no ports');
    for (const half of ['bind', 'connect'] as const) {
      for (const random of [0, 0.5, 1 - Number.EPSILON]) {
        const picked = pickLocalPort(ports, half, random);
        expect(picked === undefined || (ports.first <= picked && picked <= ports.last), 'a port that is none of them');
      }
    }
  },
};

export const NODE_TARGETS: readonly FuzzTarget[] = [cniRequest, cniNetwork, ttrpc, nriMux, nri, zds, descriptors, handoverPacket, staticPods, localPorts];
