import { setImmediate as turn } from 'node:timers/promises';
import { fromBinary } from '@bufbuild/protobuf';
import { ConfigureResponseSchema, RegisterPluginRequestSchema, SynchronizeResponseSchema } from '@landbridge/wire/gen/nri_pb.js';
import { TtrpcCode } from '@landbridge/wire/ttrpc.ts';
import test, { type ExecutionContext } from 'ava';
import pino from 'pino';
import { keepNriPlugin } from './nri-client.ts';
import type { NriPluginOptions } from './nri-plugin.ts';
import { NEVER, TestGate } from './test-gate.ts';
import { type TestPluginConnection, TestRuntime } from './test-runtime.ts';

const log = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });
const NETNS = '/var/run/netns/cni-1';
const CART = { uid: 'uid-cart', name: 'cart', networkNamespace: NETNS };
const AS_SANDBOX = { uid: 'uid-cart', namespace: 'demo', name: 'cart', addresses: ['fd00::1', '10.0.0.1'], namespacePath: NETNS };

interface Setup extends AsyncDisposable {
  readonly runtime: TestRuntime;
  readonly gate: TestGate;
  /** Configured and synchronized, without pods. */
  readonly plugin: TestPluginConnection;
  readonly stop: () => Promise<void>;
}

async function open(t: ExecutionContext, { requestTimeoutMs = 10_000, isOnlyGate = true }: { readonly requestTimeoutMs?: number } & Partial<NriPluginOptions> = {}): Promise<Setup> {
  const runtime = new TestRuntime();
  await runtime.start();
  const gate = new TestGate();
  const stop = new AbortController();
  const running = keepNriPlugin(gate, { socket: runtime.socket, isOnlyGate, log }, stop.signal);
  const plugin = await runtime.plugin();
  t.true((await plugin.configure(requestTimeoutMs)).ok);
  t.true((await plugin.synchronize([])).ok);
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  return {
    runtime,
    gate,
    plugin,
    stop: end,
    [Symbol.asyncDispose]: async () => {
      await end();
      await runtime[Symbol.asyncDispose]();
    },
  };
}

test('it registers by its name, and wants the events that it acts on', async (t) => {
  for (const isOnlyGate of [true, false]) {
    await using setup = await open(t, { isOnlyGate });
    t.like(fromBinary(RegisterPluginRequestSchema, await setup.plugin.registered.promise), { pluginName: 'landbridge', pluginIndex: '90' });
    const configured = await setup.plugin.configure(2000);
    // RunPodSandbox 1, StopPodSandbox 2, RemovePodSandbox 3, CreateContainer 4.
    t.like(configured.ok && fromBinary(ConfigureResponseSchema, configured.value), { events: 0b1111, failurePolicy: { failRequest: isOnlyGate } });
  }
});

for (const [how, run] of [
  ['by a request', (plugin: TestPluginConnection) => plugin.event('RunPodSandbox', CART)],
  ['by a change of state, as older runtimes do', (plugin: TestPluginConnection) => plugin.stateChange(1, CART)],
] as const) {
  test(`a sandbox that is told ${how} is held until the gate has answered`, async (t) => {
    await using setup = await open(t);
    const captured = Promise.withResolvers<{ kind: 'captured' }>();
    setup.gate.answer = async () => await captured.promise;
    let isAnswered = false;
    const answer = run(setup.plugin).finally(() => (isAnswered = true));
    while (setup.gate.asked.length === 0) await turn();
    // Another call goes through, so that an answer would have come by now.
    await setup.plugin.event('StopPodSandbox', { uid: 'other', name: 'other' });
    t.false(isAnswered);
    captured.resolve({ kind: 'captured' });
    t.like(await answer, { ok: true, value: { length: 0 } });
    t.deepEqual(setup.gate.asked, [AS_SANDBOX]);
  });

  test(`a refusal of a sandbox that is told ${how} says why, in no way that lets the pod through`, async (t) => {
    await using setup = await open(t);
    setup.gate.answer = async () => ({ kind: 'refused', reason: 'nobody knows it' });
    const answer = await run(setup.plugin);
    t.deepEqual(answer, { ok: false, error: { code: TtrpcCode.UNAVAILABLE, message: 'landbridge: nobody knows it' } });
  });
}

test('a pod outside of the mesh goes its way', async (t) => {
  await using setup = await open(t);
  setup.gate.answer = async () => ({ kind: 'not-in-mesh' });
  for (const event of ['RunPodSandbox', 'CreateContainer']) t.true((await setup.plugin.event(event, CART)).ok);
});

test('a gate that does not answer is a refusal before the runtime’s own time is over, and what it did is given up', async (t) => {
  await using setup = await open(t, { requestTimeoutMs: 50 });
  setup.gate.answer = async () => await NEVER;
  for (const event of ['RunPodSandbox', 'CreateContainer']) {
    t.deepEqual(await setup.plugin.event(event, CART), { ok: false, error: { code: TtrpcCode.UNAVAILABLE, message: 'landbridge: there was no time left to capture pod demo/cart' } });
  }
  t.is(setup.gate.givenUp, 2);
});

test('what the gate does is given up with the connection', async (t) => {
  await using setup = await open(t);
  setup.gate.answer = async () => await NEVER;
  const answer = setup.plugin.event('RunPodSandbox', CART);
  while (setup.gate.asked.length === 0) await turn();
  setup.plugin.close();
  t.false((await answer).ok);
  await setup.stop();
  t.is(setup.gate.givenUp, 1);
});

test('no container is made in a pod that is not captured, whoever let its sandbox through', async (t) => {
  await using setup = await open(t);
  setup.gate.answer = async () => ({ kind: 'refused', reason: 'not captured' });
  t.like(await setup.plugin.event('CreateContainer', CART), { ok: false, error: { code: TtrpcCode.UNAVAILABLE } });
  setup.gate.answer = async () => ({ kind: 'captured' });
  t.true((await setup.plugin.event('CreateContainer', CART)).ok);
});

test('the gate is not asked of what has no network of its own, or is not of Kubernetes', async (t) => {
  await using setup = await open(t);
  setup.gate.answer = async () => ({ kind: 'refused', reason: 'asked' });
  for (const pod of [{ uid: 'u', name: 'host' }, { ...CART, uid: '' }]) {
    for (const event of ['RunPodSandbox', 'CreateContainer', 'StopPodSandbox']) t.true((await setup.plugin.event(event, pod)).ok, pod.name);
  }
  t.deepEqual(setup.gate.ended, []);
  t.deepEqual(setup.gate.asked, []);
});

test('the gate decides on a pod without an address too', async (t) => {
  await using setup = await open(t);
  setup.gate.answer = async ({ addresses }) => (addresses.length === 0 ? { kind: 'refused', reason: 'no address' } : { kind: 'captured' });
  for (const event of ['RunPodSandbox', 'CreateContainer']) t.false((await setup.plugin.event(event, { ...CART, ips: ['pod'] })).ok);
});

test('a pod that is described in no usable way is refused', async (t) => {
  await using setup = await open(t);
  t.like(await setup.plugin.event('RunPodSandbox', { ...CART, uid: '../../x' }), { ok: false, error: { code: TtrpcCode.INVALID_ARGUMENT } });
});

test('a sandbox ends when it stops, and nothing keeps a pod from ending', async (t) => {
  await using setup = await open(t, { requestTimeoutMs: 50 });
  t.true((await setup.plugin.event('StopPodSandbox', CART)).ok);
  t.deepEqual(setup.gate.ended, [{ uid: 'uid-cart', namespacePath: NETNS }]);
  // The network namespace is gone by now.
  t.true((await setup.plugin.event('RemovePodSandbox', { uid: 'uid-cart', name: 'cart' })).ok);
  t.is(setup.gate.ended.length, 1);
  setup.gate.onEnd = async () => await NEVER;
  t.true((await setup.plugin.event('StopPodSandbox', CART)).ok);
});

test('a list in parts is answered part by part, and its pods are captured a few at a time', async (t) => {
  await using setup = await open(t);
  const pods = Array.from({ length: 40 }, (_, at) => ({ ...CART, uid: `uid-${at}`, name: `pod-${at}` }));
  setup.gate.answer = async ({ name }) => {
    await turn();
    return name === 'pod-3' ? { kind: 'refused', reason: 'for now' } : { kind: 'captured' };
  };
  const answers = [await setup.plugin.synchronize(pods.slice(0, 25), true), await setup.plugin.synchronize(pods.slice(25))];
  t.deepEqual(answers.map((answer) => answer.ok && fromBinary(SynchronizeResponseSchema, answer.value).more), [true, false]);
  t.deepEqual(setup.gate.asked.map(({ uid }) => uid), pods.map(({ uid }) => uid));
  t.is(setup.gate.mostUnderWay, 8);
  // Each list stands for itself.
  t.true((await setup.plugin.synchronize([])).ok);
  t.is(setup.gate.asked.length, 40);
});

test('a list that takes too long is answered in time', async (t) => {
  await using setup = await open(t, { requestTimeoutMs: 50 });
  setup.gate.answer = async () => await NEVER;
  t.true((await setup.plugin.synchronize([CART, { ...CART, uid: 'second' }])).ok);
  t.is(setup.gate.givenUp, 2);
});

test('a list without end is refused', async (t) => {
  await using setup = await open(t);
  const pods = Array.from({ length: 3000 }, (_, at) => ({ uid: `u${at}`, name: `p${at}` }));
  t.true((await setup.plugin.synchronize(pods, true)).ok);
  t.like(await setup.plugin.synchronize(pods, true), { ok: false, error: { code: TtrpcCode.RESOURCE_EXHAUSTED } });
});

test('what later versions have is answered as unknown', async (t) => {
  await using setup = await open(t);
  t.like(await setup.plugin.call('ValidateContainerAdjustment'), { ok: false, error: { code: TtrpcCode.UNIMPLEMENTED } });
  t.true((await setup.plugin.call('Shutdown')).ok);
});

test('a runtime that begins again finds the plugin again, whether it closed the connection or died', async (t) => {
  await using setup = await open(t);
  setup.plugin.close();
  const second = await setup.runtime.plugin();
  t.true((await second.synchronize([CART])).ok);
  t.is(setup.gate.asked.length, 1);
  const stopping = setup.runtime.stop();
  second.close();
  await stopping;
  await setup.runtime.start();
  const third = await setup.runtime.plugin();
  t.true((await third.event('RunPodSandbox', CART)).ok);
});

for (const [what, bytes] of [
  ['frames without end', '00000001ffffffff'],
  ['messages without end', '000000010000000a7fffffff000000010100'],
  ['messages that are no protobuf', '000000010000000b00000001000000010100ff'],
  ['a stream of even number', '000000010000000a00000000000003e80100'],
  ['a stream of before', '000000010000000a00000000000000010100'],
] as const) {
  test(`a runtime that sends ${what} loses the connection, and gets another`, async (t) => {
    await using setup = await open(t);
    setup.plugin.writeRaw(Buffer.from(bytes, 'hex'));
    await setup.plugin.closed.promise;
    t.true((await (await setup.runtime.plugin()).synchronize([])).ok);
  });
}

test('a plugin ends with its signal, also where there never was a runtime', async (t) => {
  const stop = new AbortController();
  const running = keepNriPlugin(new TestGate(), { socket: '/nonexistent/nri.sock', isOnlyGate: true, log }, stop.signal);
  stop.abort();
  t.is(await running, undefined);
  t.is(await keepNriPlugin(new TestGate(), { socket: '/nonexistent/nri.sock', isOnlyGate: true, log }, stop.signal), undefined);
});
