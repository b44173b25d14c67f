import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import test from 'ava';
import fc from 'fast-check';
import { ConfigureRequestSchema, EventRequestSchema, PodSandboxSchema, StateChangeEventSchema, SynchronizeRequestSchema } from './gen/nri_pb.js';
import { encodeConfigured, encodeRegisterPlugin, encodeSynchronized, type NriPod, parseNriRequest } from './nri.ts';

const name = fc.string({ minLength: 1, maxLength: 20 });
const pods: fc.Arbitrary<NriPod> = fc.record({
  id: name,
  uid: fc.oneof(fc.uuid(), fc.constant('')),
  namespace: name,
  name,
  networkNamespace: fc.option(fc.uuid().map((id) => `/var/run/netns/cni-${id}`), { nil: undefined }),
  addresses: fc.array(fc.ipV4(), { maxLength: 2 }),
});

/** As a runtime describes a pod; those in the host's network have namespaces of other types only. */
const described = ({ networkNamespace, addresses, ...pod }: NriPod) => ({ ...pod, ips: [...addresses], linux: { namespaces: [{ type: 'ipc', path: '/ipc' }, ...(networkNamespace === undefined ? [] : [{ type: 'network', path: networkNamespace }])] } });
const eventBytes = (pod: NriPod, container?: string): Uint8Array => toBinary(EventRequestSchema, create(EventRequestSchema, { pod: described(pod), ...(container === undefined ? {} : { container: { name: container } }) }));

test('what a runtime says of a pod is understood, as a request and as a change of state', (t) => {
  fc.assert(
    fc.property(pods, name, (pod, container) => {
      t.deepEqual(parseNriRequest('RunPodSandbox', eventBytes(pod)), { ok: true, value: { kind: 'event', event: 'RunPodSandbox', pod, container: '' } });
      t.deepEqual(parseNriRequest('CreateContainer', eventBytes(pod, container)), { ok: true, value: { kind: 'event', event: 'CreateContainer', pod, container } });
      const change = toBinary(StateChangeEventSchema, create(StateChangeEventSchema, { event: 3, pod: described(pod) }));
      t.deepEqual(parseNriRequest('StateChange', change), { ok: true, value: { kind: 'event', event: 'RemovePodSandbox', pod, container: '' } });
    }),
  );
});

test('a list of pods is understood, and those that can not be used are counted', (t) => {
  fc.assert(
    fc.property(fc.array(pods, { maxLength: 5 }), fc.integer({ min: 0, max: 3 }), fc.boolean(), (listed, unusable, more) => {
      const broken = Array.from({ length: unusable }, () => ({ uid: '../../etc' }));
      const bytes = toBinary(SynchronizeRequestSchema, create(SynchronizeRequestSchema, { pods: [...broken, ...listed.map(described)], more }));
      t.deepEqual(parseNriRequest('Synchronize', bytes), { ok: true, value: { kind: 'synchronize', pods: listed, unusable, more } });
    }),
  );
});

test('any bytes of any method give an answer', (t) => {
  const methods = fc.oneof(fc.constantFrom('Configure', 'Synchronize', 'StateChange', 'RunPodSandbox', 'CreateContainer', 'Shutdown'), fc.string());
  fc.assert(
    fc.property(methods, fc.oneof(fc.uint8Array({ maxLength: 60 }), pods.map((pod) => eventBytes(pod))), fc.nat(), (method, bytes, cut) => {
      const parsed = parseNriRequest(method, bytes.subarray(0, cut % (bytes.length + 1)));
      if (!parsed.ok) return t.true(parsed.error.length < 100);
      if (parsed.value.kind === 'event' && parsed.value.pod.networkNamespace !== undefined) t.regex(parsed.value.pod.networkNamespace, /^\//);
    }),
    { numRuns: 2000 },
  );
});

for (const [what, pod] of [
  ['with a uid that leads elsewhere', { uid: '../x' }],
  ['with a name without end', { name: 'a'.repeat(254) }],
  ['with a network namespace that is no path', { linux: { namespaces: [{ type: 'network', path: 'relative' }] } }],
  ['with too many addresses', { ips: Array.from({ length: 17 }, () => '10.0.0.1') }],
] satisfies [string, MessageInitShape<typeof PodSandboxSchema>][]) {
  test(`a pod ${what} is refused`, (t) => {
    t.false(parseNriRequest('RunPodSandbox', toBinary(EventRequestSchema, create(EventRequestSchema, { pod: create(PodSandboxSchema, pod) }))).ok);
  });
}

test('what later versions have is told apart from what is wrong', (t) => {
  t.deepEqual(parseNriRequest('ValidateContainerAdjustment', new Uint8Array()), { ok: true, value: { kind: 'unknown', method: 'ValidateContainerAdjustment' } });
  t.deepEqual(parseNriRequest('StateChange', toBinary(StateChangeEventSchema, create(StateChangeEventSchema, { event: 13 }))), { ok: true, value: { kind: 'unknown', method: 'StateChange 13' } });
  t.false(parseNriRequest('RunPodSandbox', new Uint8Array()).ok, 'a pod that is not described');
});

test('a runtime that tells no time-out has the usual one', (t) => {
  const configure = (requestTimeout: bigint) => parseNriRequest('Configure', toBinary(ConfigureRequestSchema, create(ConfigureRequestSchema, { runtimeName: 'containerd', runtimeVersion: 'v2.4.2', requestTimeout })));
  t.deepEqual(configure(5000n), { ok: true, value: { kind: 'configure', runtime: 'containerd', version: 'v2.4.2', requestTimeoutMs: 5000 } });
  for (const none of [0n, -1n]) t.like(configure(none), { value: { requestTimeoutMs: 2000 } });
  t.like(configure(2n ** 62n), { value: { requestTimeoutMs: 600_000 } });
});

test('what a plugin says is, byte for byte, what runtimes read', (t) => {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  t.is(hex(encodeRegisterPlugin({ name: 'ab', index: '90', nriVersion: 'v1' })), `${'0a026162'}${'12023930'}${'1a027631'}`);
  // Events 1, 2 and 4: bits 0, 1 and 3.
  t.is(hex(encodeConfigured(['RunPodSandbox', 'StopPodSandbox', 'CreateContainer'], { failRequest: true })), `${'100b'}${'1a020801'}`);
  t.deepEqual([hex(encodeSynchronized(true)), hex(encodeSynchronized(false))], ['1001', '']);
});
