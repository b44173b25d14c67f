import test from 'ava';
import { describeFeature, missingFeatures } from './kernel-features.ts';

test('the running kernel has all that is needed', (t) => {
  t.deepEqual(missingFeatures().map(describeFeature), []);
});
