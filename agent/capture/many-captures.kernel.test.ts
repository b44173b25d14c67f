import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { CAPTURE_ABI } from '@landbridge/ebpf/capture-object.ts';
import { FileDescriptor } from '@landbridge/native/libc.ts';
import { captureTraces } from '../../test/mesh/capture-traces.ts';
import type { Mesh } from '../../test/mesh/mesh.ts';
import { twoPods } from '../../test/mesh/two-pods.ts';
import { Capture, type CapturedPod } from './capture.ts';

const CAPTURES = 500;

let mesh: Mesh;

test.before(async () => {
  ({ mesh } = await twoPods());
});

test.after.always(async () => await mesh[Symbol.asyncDispose]());

/**
 * Whatever a capture may leave behind, in this process, in the kernel and in the file system. Links, programs and maps are
 * kept by a descriptor or a pin, and classifiers by their interface: those of the whole machine are others' too.
 */
function traces(pins: string): object {
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    classifiers: ['a', 'b'].map((name) => execFileSync('ip', ['netns', 'exec', mesh.pod(name).netns, 'bpftool', '-j', 'net', 'show', 'dev', 'eth0'], { encoding: 'utf8' })),
    pins: ['netns', 'guards', 'probes'].map((name) => readdirSync(path.join(pins, name))),
    pods: ['a', 'b'].map((name) => captureTraces(mesh.pod(name), pins)),
  };
}

/** As the servers of its listeners do when it ends. */
function closeListeners({ listeners }: CapturedPod): void {
  for (const fd of Object.values(listeners).flat()) new FileDescriptor(fd)[Symbol.dispose]();
}

test(`${CAPTURES} captures and releases leave nothing, whoever is captured meanwhile`, (t) => {
  const node = mesh.node('west');
  using capture = new Capture({ ...node, threads: 2 });
  const pins = path.join(node.bpfRoot, 'landbridge', String(CAPTURE_ABI));
  const [a, b] = [mesh.pod('a').place, mesh.pod('b').place];
  const captureBoth = (round: number): void => {
    // A pod of another time has another uid.
    const pods = [a, b].map((place) => capture.capture({ ...place, uid: `${place.uid}-${round}` }));
    for (const pod of pods) {
      closeListeners(pod);
      capture.release(pod);
    }
  };
  // The first time opens what is kept.
  captureBoth(0);
  const before = traces(pins);
  for (let round = 1; round <= CAPTURES / 2; round++) captureBoth(round);
  t.deepEqual(traces(pins), before);
});
