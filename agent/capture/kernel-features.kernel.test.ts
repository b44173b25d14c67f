import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import type { LandbridgeError } from '@landbridge/core/errors.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { CAPTURE_ABI } from '@landbridge/ebpf/capture-object.ts';
import { isAtLeast, parseKernelRelease } from '@landbridge/lab/machine.ts';
import { mountBpf, unmountBpf } from '../../test/mesh/bpf-mount.ts';
import { findCgroup2 } from '../config.ts';
import { Capture } from './capture.ts';
import { describeFeature, missingFeatures } from './kernel-features.ts';

/** From here on a kernel that lacks something is a failure of this test. */
const isSupported = isAtLeast(parseKernelRelease(release()) ?? { major: 0, minor: 0 }, { major: 6, minor: 1 });

test.serial('a kernel that is supported has all that is needed', (t) => {
  t.deepEqual(isSupported ? missingFeatures().map(describeFeature) : [], []);
});

test.serial('a kernel that lacks something is refused with the name of each, before anything is attached', (t) => {
  buildCaptureObject();
  const cgroupRoot = path.join(findCgroup2(), `landbridge-features-${process.pid}`);
  const bpfRoot = mkdtempSync(path.join(tmpdir(), 'landbridge-features-'));
  mkdirSync(cgroupRoot);
  t.teardown(() => rmdirSync(cgroupRoot));
  mountBpf(bpfRoot);
  t.teardown(() => unmountBpf(bpfRoot));
  const attached = (): unknown[] => JSON.parse(execFileSync('bpftool', ['-j', 'cgroup', 'show', cgroupRoot], { encoding: 'utf8' }).trim() || '[]') as unknown[];
  const links = path.join(bpfRoot, 'landbridge', String(CAPTURE_ABI), 'links');
  const missing = missingFeatures();
  if (missing.length === 0) {
    using capture = new Capture({ cgroupRoot, bpfRoot });
    t.true(attached().length > 0 && readdirSync(links).length > 0, 'the test can fail');
    capture.remove();
  } else {
    const error = t.throws(() => new Capture({ cgroupRoot, bpfRoot })) as LandbridgeError;
    t.log(error.message);
    t.is(error.code, 'kernel-unfit');
    for (const feature of missing) t.true(error.message.includes(describeFeature(feature)));
    t.deepEqual(readdirSync(links), []);
  }
  t.deepEqual(attached(), []);
});
