import test from 'ava';
import { missingOf, parseKernelReport } from '@landbridge/core/kernel-report.ts';
import { ok } from '@landbridge/core/result.ts';
import { parseTerminationMessage, terminationMessage } from '@landbridge/core/termination-message.ts';
import { nameOf } from '@landbridge/native/bpf-features.ts';
import { describeFeature, KERNEL_FEATURES, kernelText, kernelUnfit, missingFeatures, reportKernel } from './kernel-features.ts';

test('what is missing is named, with the version that brought it', (t) => {
  const missing = missingFeatures((feature) => nameOf(feature) !== 'BPF_PROG_TYPE_SK_LOOKUP' && nameOf(feature) !== 'bpf_get_netns_cookie() in BPF_PROG_TYPE_SOCK_OPS');
  t.deepEqual(missing.map(describeFeature), ['BPF_PROG_TYPE_SK_LOOKUP (Linux 5.9): hands arriving connections to the agent', 'bpf_get_netns_cookie() in BPF_PROG_TYPE_SOCK_OPS (Linux 5.15): tells pods apart']);
  const cause = new Error('load');
  const error = kernelUnfit(missing, cause);
  t.is(error?.code, 'kernel-unfit');
  t.is(error?.cause, cause);
  t.regex(error?.message ?? '', /SK_LOOKUP \(Linux 5\.9\)/);
  t.is(kernelUnfit([], cause), undefined);
});

test('no feature is named twice, and none is newer than the kernel that is asked for', (t) => {
  const names = KERNEL_FEATURES.map(({ feature }) => nameOf(feature));
  t.is(new Set(names).size, names.length);
  for (const { since } of KERNEL_FEATURES) {
    const [major = 0, minor = 0] = since.split('.').map(Number);
    t.true(major < 6 || (major === 6 && minor <= 1), since);
  }
});

test('the report has each feature, and its text a line for each', (t) => {
  const good = reportKernel(() => true);
  t.deepEqual(missingOf(good), []);
  t.is(kernelText(good).trimEnd().split('\n').length, KERNEL_FEATURES.length);
  const bad = reportKernel((feature) => nameOf(feature) !== 'BPF_MAP_TYPE_SOCKHASH');
  t.deepEqual(missingOf(bad), [{ name: 'BPF_MAP_TYPE_SOCKHASH', since: '4.18', purpose: 'listeners', isThere: false }]);
  t.regex(kernelText(bad), /^missing {2}BPF_MAP_TYPE_SOCKHASH \(Linux 4\.18\): listeners$/m);
  t.is(kernelText(bad).match(/^missing/gm)?.length, 1);
  t.deepEqual(parseKernelReport(JSON.stringify(bad)), ok(bad));
});

test('what ends an agent on a kernel without anything fits into what the kubelet keeps', (t) => {
  const words = parseTerminationMessage(terminationMessage(kernelUnfit(KERNEL_FEATURES, undefined)));
  t.is(words?.code, 'kernel-unfit');
  for (const feature of KERNEL_FEATURES) t.true(words?.message.includes(describeFeature(feature)), nameOf(feature.feature));
});
