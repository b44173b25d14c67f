import { readFileSync } from 'node:fs';
import test from 'ava';
import { ACCELERATION_SKELETON, accelerationSkeleton, buildAccelerationObject, buildCaptureObject, CAPTURE_SKELETON, captureSkeleton } from './build.ts';

test('the skeleton that is kept is that of the programs', (t) => {
  buildCaptureObject();
  t.is(readFileSync(CAPTURE_SKELETON, 'utf8'), captureSkeleton(), 'after a change of layout: node ebpf/build.ts --skeleton, and raise CAPTURE_ABI');
});

test('so is that of acceleration, which is loaded by itself', (t) => {
  buildAccelerationObject();
  t.is(readFileSync(ACCELERATION_SKELETON, 'utf8'), accelerationSkeleton(), 'after a change of layout: node ebpf/build.ts --skeleton');
});
