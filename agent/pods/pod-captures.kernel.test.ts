import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { V1Pod } from '@kubernetes/client-node';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { CAPTURE_ABI } from '@landbridge/ebpf/capture-object.ts';
import { FileDescriptor } from '@landbridge/native/libc.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import pino from 'pino';
import { caller, greeter } from '../../test/mesh/applications.ts';
import { captureTraces } from '../../test/mesh/capture-traces.ts';
import { HOOKS } from '../../test/mesh/interface-hooks.ts';
import { Mesh } from '../../test/mesh/mesh.ts';
import type { MeshPod } from '../../test/mesh/mesh-pod.ts';
import { Capture, type CapturedPod } from '../capture/capture.ts';
import type { InterfaceHook } from '../capture/interface-program.ts';
import type { LocalPod } from './local-pod.ts';
import { MemoryPodSource } from './memory-pod-source.ts';
import { PodCaptures } from './pod-captures.ts';
import type { Sandbox } from './sandbox.ts';

const silent = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });
const never = new AbortController().signal;
const uid = '0f0f0f0f-1111-2222-3333-444444444444';

let mesh: Mesh;
/** Time limits of waits do not keep a process alive. */
const busy = setInterval(() => {}, 1000);

test.before(async () => {
  buildCaptureObject();
  mesh = await Mesh.open({ west: ['a', 'b'] });
  mesh.node('west').becomeAgent();
});

test.after.always(async () => {
  clearInterval(busy);
  await mesh[Symbol.asyncDispose]();
});

/** Stands where the data threads would take over listeners. */
class Traffic {
  readonly calls: string[] = [];
  /** How often it is to say that nobody is equipped. */
  lacks = 0;
  readonly #captured = new Map<string, CapturedPod>();

  /** Whether queries for names of a pod are captured. */
  hasDns(uid: string): boolean {
    return this.#captured.get(uid)?.listeners.dnsDatagrams.length !== 0;
  }

  add(pod: LocalPod, captured: CapturedPod): void {
    this.calls.push(`add ${pod.addresses[0]}`);
    this.#captured.set(pod.uid, captured);
  }

  async remove(uid: string, lives: boolean): Promise<void> {
    this.calls.push(`remove${lives ? ' and drain' : ''}`);
    // As long as it takes data threads to answer.
    await delay(5);
    this.close(uid);
  }

  async equipped(uids: readonly string[]): Promise<ReadonlySet<string>> {
    const isLacking = this.lacks-- > 0;
    this.calls.push(isLacking ? 'lacking' : 'equipped');
    return new Set(isLacking ? [] : uids);
  }

  close(uid: string): void {
    for (const fd of Object.values(this.#captured.get(uid)?.listeners ?? {}).flat()) new FileDescriptor(fd)[Symbol.dispose]();
    this.#captured.delete(uid);
  }
}

/** An agent without data threads, in this process, and the API server that it asks. */
class Agent implements AsyncDisposable {
  readonly source = new MemoryPodSource('west');
  readonly capture: Capture;
  readonly traffic = new Traffic();
  readonly captures: PodCaptures;
  readonly settled = Promise.withResolvers<void>();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor({ labels = { 'landbridge.dev/dataplane-mode': 'ambient' }, hasPod = false, isReachable = true, others = [], capturesDns = false, ...options }: { readonly labels?: Record<string, string>; readonly hasPod?: boolean; readonly isReachable?: boolean; readonly capturesDns?: boolean; readonly others?: readonly V1Pod[]; readonly hook?: InterfaceHook } = {}) {
    this.capture = new Capture({ ...mesh.node('west'), ...options });
    this.captures = new PodCaptures(this.capture, this.source, this.traffic, silent, { admissionWaitMs: 200, capturesDns });
    this.source.setReachable(isReachable);
    this.source.setNamespace({ metadata: { name: 'demo', labels } });
    if (hasPod) this.setPod();
    for (const pod of others) this.source.setPod(pod);
    this.#running = this.captures.run(this.#stop.signal, () => this.settled.resolve());
  }

  setPod(status: V1Pod['status'] = { phase: 'Pending' }): void {
    const known = this.source.getPod('demo', 'one');
    this.source.setPod({ ...(known ?? { metadata: { namespace: 'demo', name: 'one', uid }, spec: { containers: [], nodeName: 'west' } }), ...(status === undefined ? {} : { status }) });
  }

  get isAnnounced(): boolean {
    return this.source.getPod('demo', 'one')?.metadata?.annotations?.[REDIRECTION_ANNOTATION] === 'enabled';
  }

  /** Follows the API server no more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** As when the process is killed: descriptors are gone, pins are not. */
  async die(): Promise<void> {
    await this.stop();
    this.traffic.close(uid);
    this.capture[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { uid } of this.captures.pods) for (const { netns } of mesh.node('west').pods) await this.captures.end({ uid, namespacePath: `/run/netns/${netns}` });
    await this.die();
  }
}

const sandbox = (pod: MeshPod, over: Partial<Sandbox> = {}): Sandbox => ({ uid, namespace: 'demo', name: 'one', addresses: pod.addresses, namespacePath: `/run/netns/${pod.netns}`, ...over });
const until = async (what: string, is: () => boolean): Promise<void> => void (await waitFor(() => is() || undefined, { signal: never, timeoutMs: 20_000, everyMs: 5, what }));
const traces = (): object[] => ['a', 'b'].map((name) => captureTraces(mesh.pod(name), path.join(mesh.node('west').bpfRoot, 'landbridge', String(CAPTURE_ABI))));

test.serial('a pod is known by namespace, name and uid, or refused', async (t) => {
  await using agent = new Agent();
  const a = sandbox(mesh.pod('a'));
  t.like(await agent.captures.admit(a, never), { kind: 'refused', reason: `the API server has not told the agent of pod demo/one with uid ${uid}` });
  agent.setPod();
  for (const wrong of [{ uid: uid.replace('0', '1') }, { name: 'two' }, { namespace: 'other' }]) t.like(await agent.captures.admit({ ...a, ...wrong }, never), { kind: 'refused' });
  t.like(await agent.captures.admit(a, AbortSignal.abort()), { kind: 'refused' });
  t.deepEqual(agent.traffic.calls, []);
});

test.serial('a pod out of the mesh may start and is left alone', async (t) => {
  const before = traces();
  await using agent = new Agent({ labels: {}, hasPod: true });
  t.deepEqual(await agent.captures.admit(sandbox(mesh.pod('a')), never), { kind: 'not-in-mesh' });
  t.deepEqual(traces(), before);
});

test.serial('a pod is captured before the API server knows its address, once, whoever tells of it', async (t) => {
  const before = traces();
  await using agent = new Agent();
  const a = sandbox(mesh.pod('a'));
  const early = agent.captures.admit(a, never);
  agent.setPod();
  t.deepEqual(await early, { kind: 'captured' });
  t.true(agent.captures.isCaptured(uid));
  t.deepEqual(await Promise.all([agent.captures.admit(a, never), agent.captures.admit(a, never)]), [{ kind: 'captured' }, { kind: 'captured' }]);
  await until('the pod to be announced', () => agent.isAnnounced);
  agent.setPod({ phase: 'Running', podIPs: a.addresses.map((ip) => ({ ip })) });
  await agent.settled.promise;
  t.deepEqual(agent.traffic.calls, [`add ${a.addresses[0]}`]);
  await agent.captures.end(a);
  t.false(agent.captures.isCaptured(uid));
  t.deepEqual(agent.traffic.calls, [`add ${a.addresses[0]}`, 'remove']);
  t.deepEqual(traces(), before);
});

test.serial('another sandbox of the same pod takes its place, and the end of the first is not the end of it', async (t) => {
  const before = traces();
  await using agent = new Agent({ hasPod: true });
  const [a, b] = [sandbox(mesh.pod('a')), sandbox(mesh.pod('b'))];
  t.deepEqual(await agent.captures.admit(a, never), { kind: 'captured' });
  // What the API server says still of the sandbox before.
  agent.setPod({ phase: 'Running', podIPs: a.addresses.map((ip) => ({ ip })) });
  t.deepEqual(await Promise.all([agent.captures.admit(b, never), agent.captures.admit(b, never)]), [{ kind: 'captured' }, { kind: 'captured' }]);
  await agent.captures.end(a);
  t.true(agent.captures.isCaptured(uid));
  t.deepEqual(agent.captures.pods.map(({ addresses }) => addresses), [b.addresses]);
  await agent.captures.end({ uid, namespacePath: '' });
  t.true(agent.captures.isCaptured(uid));
  await Promise.all([agent.captures.end(b), agent.captures.end(b)]);
  t.deepEqual(agent.traffic.calls, [`add ${a.addresses[0]}`, 'remove', `add ${b.addresses[0]}`, 'remove']);
  t.deepEqual(traces(), before);
});

test.serial('an address is of one pod: who had it before is gone', async (t) => {
  await using agent = new Agent({ hasPod: true });
  const a = sandbox(mesh.pod('a'));
  t.deepEqual(await agent.captures.admit(a, never), { kind: 'captured' });
  const other = uid.replace('0', '1');
  agent.source.setPod({ metadata: { namespace: 'demo', name: 'two', uid: other }, spec: { containers: [], nodeName: 'west' } });
  t.deepEqual(await agent.captures.admit({ ...a, uid: other, name: 'two', namespacePath: sandbox(mesh.pod('b')).namespacePath }, never), { kind: 'captured' });
  t.false(agent.captures.isCaptured(uid));
  t.true(agent.captures.isCaptured(other));
});

test.serial('a pod of a file of the kubelet’s is captured by the uid of the runtime, and stays so when its mirror is made anew', async (t) => {
  const before = traces();
  await using agent = new Agent();
  const sum = '0123456789abcdef0123456789abcdef';
  const mirror = (mirrorUid: string, labels = {}, name = 'one'): V1Pod => ({ metadata: { namespace: 'demo', name, uid: mirrorUid, labels, annotations: { 'kubernetes.io/config.mirror': sum } }, spec: { containers: [], nodeName: 'west' } });
  const a = sandbox(mesh.pod('a'), { uid: sum });
  agent.source.setPod(mirror(uid));
  t.deepEqual(await agent.captures.admit(a, never), { kind: 'captured' });
  await until('the mirror to be announced', () => agent.isAnnounced);
  t.deepEqual(agent.capture.pinned(), [sum]);
  agent.source.deletePod('demo', 'one');
  agent.source.setPod(mirror(uid.replace('0', '1')));
  await until('the next mirror to be announced', () => agent.isAnnounced);
  // Whoever may make pods may write anybody's uid into one.
  agent.source.setPod(mirror(uid.replace('0', '2'), { 'landbridge.dev/dataplane-mode': 'none' }, 'two'));
  t.deepEqual(await agent.captures.admit({ ...a, name: 'two' }, never), { kind: 'not-in-mesh' });
  t.deepEqual(await agent.captures.admit(a, never), { kind: 'captured' });
  t.deepEqual(agent.traffic.calls, [`add ${a.addresses[0]}`]);
  await agent.captures.end(a);
  t.deepEqual(traces(), before);
});

test.serial('a pod that can not be captured is refused with the reason', async (t) => {
  await using agent = new Agent({ hasPod: true });
  const refused = await agent.captures.admit(sandbox(mesh.pod('a'), { namespacePath: '/run/netns/nowhere' }), never);
  t.true(refused.kind === 'refused' && /^pod demo\/one could not be captured: .*ENOENT/.test(refused.reason), JSON.stringify(refused));
  t.false(agent.captures.isCaptured(uid));
});

test.serial('a pod that leaves the mesh gets time to end its connections, and one whose sandbox is there stays captured when it is gone from the API server', async (t) => {
  await using agent = new Agent({ hasPod: true });
  const a = sandbox(mesh.pod('a'));
  await agent.captures.admit(a, never);
  agent.source.setNamespace({ metadata: { name: 'demo', labels: {} } });
  await until('the pod to be released', () => !agent.captures.isCaptured(uid) && !agent.isAnnounced);
  t.deepEqual(agent.traffic.calls, [`add ${a.addresses[0]}`, 'remove and drain']);
  agent.source.setNamespace({ metadata: { name: 'demo', labels: { 'istio.io/dataplane-mode': 'ambient' } } });
  // The agent hears of the labels a moment later.
  while ((await agent.captures.admit(a, never)).kind !== 'captured') await delay(1);
  agent.source.deletePod('demo', 'one');
  // Another pod, so that the set without the first one has been handled.
  agent.source.setPod({ metadata: { namespace: 'demo', name: 'two', uid: uid.replace('0', '1') }, spec: { containers: [], nodeName: 'west' } });
  t.deepEqual(await agent.captures.admit(sandbox(mesh.pod('b'), { uid: uid.replace('0', '1'), name: 'two' }), never), { kind: 'captured' });
  await until('the other pod to be announced', () => agent.source.getPod('demo', 'two')?.metadata?.annotations?.[REDIRECTION_ANNOTATION] === 'enabled');
  t.true(agent.captures.isCaptured(uid));
});

test.serial('what an earlier agent captured stays while its address is not known yet', async (t) => {
  const before = traces();
  const a = sandbox(mesh.pod('a'));
  const first = new Agent({ hasPod: true });
  t.deepEqual(await first.captures.admit(a, never), { kind: 'captured' });
  await first.die();
  t.notDeepEqual(traces(), before);
  const left = traces();
  await using second = new Agent({ hasPod: true });
  await second.settled.promise;
  t.deepEqual(second.capture.pinned(), [uid]);
  t.deepEqual(traces(), left);
  // The runtime asks once more where the first agent did not answer.
  t.deepEqual(await second.captures.admit(a, never), { kind: 'captured' });
  await second.captures.end(a);
  t.deepEqual(traces(), before);
});

test.serial('beside an earlier agent nothing is settled before the pods are known, and connections of each can be carried', async (t) => {
  const a = sandbox(mesh.pod('a'));
  const killed = new Agent({ hasPod: true });
  t.deepEqual(await killed.captures.admit(a, never), { kind: 'captured' });
  // The pod is nobody's: the earlier agent that lives had given it to this one.
  await killed.die();
  await using _earlier = await mesh.node('west').startAgent(['sh', '-c', 'echo ready; exec sleep infinity'], 1);
  mesh.node('west').becomeAgent(2);
  try {
    await using next = new Agent({ isReachable: false });
    next.traffic.lacks = 1;
    const settled = next.settled.promise.then(() => next.traffic.calls.push('settled'));
    t.like(await next.captures.admit(a, never), { kind: 'refused' });
    next.setPod({ phase: 'Running', podIPs: a.addresses.map((ip) => ({ ip })) });
    next.source.setReachable(true);
    t.deepEqual(await next.captures.admit(a, never), { kind: 'captured' });
    await settled;
    t.deepEqual(next.traffic.calls, [`add ${a.addresses[0]}`, 'lacking', 'equipped', 'settled']);
    await next.captures.end(a);
  } finally {
    mesh.node('west').becomeAgent(1);
  }
});

for (const { hook, runs } of HOOKS) {
  (runs ? test.serial : test.serial.skip)(`an uninstalled agent leaves nothing of any capture, of an earlier agent’s neither, with programs attached by ${hook}`, async (t) => {
    const [a, b] = [mesh.pod('a'), mesh.pod('b')];
    await using _app = await b.start(greeter(8080));
    const two: V1Pod = { metadata: { namespace: 'demo', name: 'two', uid: uid.replace('0', '1') }, spec: { containers: [], nodeName: 'west' } };
    const first = new Agent({ hook, others: [two] });
    t.deepEqual(await first.captures.admit(sandbox(b, { uid: uid.replace('0', '1'), name: 'two' }), never), { kind: 'captured' });
    first.traffic.close(uid.replace('0', '1'));
    await first.die();
    // It leaves the other pod as it is until it hears of an address.
    await using second = new Agent({ hook, hasPod: true, others: [two] });
    t.deepEqual(await second.captures.admit(sandbox(a), never), { kind: 'captured' });
    t.is(second.capture.pinned().length, 2);
    t.is(await b.run(caller(a.address, 9)), 'ECONNREFUSED');
    await second.stop();
    await second.captures.remove();
    t.deepEqual(second.traffic.calls, [`add ${a.address}`, 'remove']);
    t.false(existsSync(path.join(mesh.node('west').bpfRoot, 'landbridge')));
    for (const pod of [a, b]) t.like(JSON.parse(await pod.run(['bpftool', '-j', 'net', 'show', 'dev', 'eth0'])), [{ tc: [] }], pod.name);
    // Both ways: nothing is redirected, guarded, or handed to a listener.
    t.regex(await a.run(caller(b.address, 8080)), /app saw/);
    t.regex(await b.run(caller(b.address, 8080)), /app saw/);
    t.is(await b.run(caller(a.address, 9)), 'ECONNREFUSED');
  });
}

test.serial('queries for names are captured as the agent is set, or as the pod says', async (t) => {
  for (const [capturesDns, annotations, expected] of [[true, {}, true], [false, {}, false], [true, { 'ambient.istio.io/dns-capture': 'false' }, false], [false, { 'landbridge.dev/dns-capture': 'true' }, true]] as const) {
    await using agent = new Agent({ capturesDns });
    const before = traces();
    agent.source.setPod({ metadata: { namespace: 'demo', name: 'one', uid, annotations }, spec: { containers: [], nodeName: 'west' }, status: { phase: 'Pending' } });
    const a = sandbox(mesh.pod('a'));
    t.deepEqual(await agent.captures.admit(a, never), { kind: 'captured' });
    t.is(agent.traffic.hasDns(uid), expected, JSON.stringify([capturesDns, annotations]));
    await agent.captures.end(a);
    t.deepEqual(traces(), before);
  }
});
