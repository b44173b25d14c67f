import path from 'node:path';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { CAPTURE_ABI } from '@landbridge/ebpf/capture-object.ts';
import { FileDescriptor } from '@landbridge/native/libc.ts';
import test from 'ava';
import pino from 'pino';
import { captureTraces } from '../../test/mesh/capture-traces.ts';
import { Mesh } from '../../test/mesh/mesh.ts';
import { Capture, type CapturedPod } from '../capture/capture.ts';
import type { LocalPod } from './local-pod.ts';
import { PodCaptures } from './pod-captures.ts';
import { TestIstioCni } from './test-istio-cni.ts';
import { ZdsPods } from './zds-pods.ts';

const silent = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });
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

test.serial('a pod is captured by the namespace that istio-cni passes on, and left as it was when it is deleted', async (t) => {
  const node = mesh.node('west');
  const file = (name: string): string => `/run/netns/${mesh.pod(name).netns}`;
  using capture = new Capture(node);
  const traces = (): object[] => ['a', 'b'].map((name) => captureTraces(mesh.pod(name), path.join(node.bpfRoot, 'landbridge', String(CAPTURE_ABI))));
  const before = traces();
  using istio = new TestIstioCni();
  istio.start();
  const source = new ZdsPods({ socket: istio.socket, log: silent });
  const captured = new Map<string, CapturedPod>();
  const calls: string[] = [];
  const close = (uid: string): void => {
    for (const fd of Object.values(captured.get(uid)?.listeners ?? {}).flat()) new FileDescriptor(fd)[Symbol.dispose]();
    captured.delete(uid);
  };
  const traffic = {
    add: (pod: LocalPod, of: CapturedPod): void => {
      calls.push(`add ${pod.name} ${pod.addresses.join()}`);
      captured.set(pod.uid, of);
    },
    equipped: async (uids: readonly string[]): Promise<ReadonlySet<string>> => new Set(uids),
    remove: async (uid: string): Promise<void> => {
      calls.push(`remove ${uid}`);
      close(uid);
    },
  };
  const captures = new PodCaptures(capture, source, traffic, silent);
  const stop = new AbortController();
  const running = Promise.all([captures.run(stop.signal, () => {}), source.run(captures, stop.signal)]);
  const first = await istio.accept();
  t.is(await first.hello(), 1);
  t.is(await first.add('uid-a', file('a'), 'cart'), '');
  t.is(await first.add('uid-b', file('b'), 'till'), '');
  t.is(await first.snapshotSent(), '');
  t.deepEqual(calls, [`add cart ${mesh.pod('a').addresses.join()}`, `add till ${mesh.pod('b').addresses.join()}`]);
  t.true(captures.isCaptured('uid-a') && captures.isCaptured('uid-b'));

  // Told again by another connection it stays the same capture; what that does not name is released.
  first.close();
  const second = await istio.accept();
  await second.hello();
  t.is(await second.add('uid-a', file('a'), 'cart'), '');
  t.is(await second.snapshotSent(), '');
  t.deepEqual(calls.slice(2), ['remove uid-b']);

  t.is(await second.delete('uid-a'), '');
  t.deepEqual(calls.slice(3), ['remove uid-a']);
  t.deepEqual(traces(), before);

  t.regex(await second.add('uid-n', '/proc/self/ns/net'), /has the network of its node/);
  t.regex(await second.add('uid-f', import.meta.filename), /setns: EINVAL/);
  stop.abort();
  await running;
});
