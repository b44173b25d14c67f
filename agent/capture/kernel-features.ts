import { release } from 'node:os';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { KernelReport } from '@landbridge/core/kernel-report.ts';
import { type BpfFeature, kernelHas, nameOf } from '@landbridge/native/bpf-features.ts';

/** Something of the kernel that capture needs. */
export interface KernelFeature {
  readonly feature: BpfFeature;
  /** The version of Linux that brought it; distributions may have it earlier. */
  readonly since: string;
  readonly purpose: string;
}

const program = (type: (BpfFeature & { kind: 'program' })['type'], since: string, purpose: string): KernelFeature => ({ feature: { kind: 'program', type }, since, purpose });
const map = (type: (BpfFeature & { kind: 'map' })['type'], since: string, purpose: string): KernelFeature => ({ feature: { kind: 'map', type }, since, purpose });
const helper = (program: (BpfFeature & { kind: 'helper' })['program'], helper: (BpfFeature & { kind: 'helper' })['helper'], since: string, purpose: string): KernelFeature => ({ feature: { kind: 'helper', program, helper }, since, purpose });

/** All that the programs of ebpf/programs/ are made of, but for tcx (6.6), in whose place clsact is taken. */
export const KERNEL_FEATURES: readonly KernelFeature[] = [
  program('CGROUP_SOCK_ADDR', '4.17', 'redirects connections of pods, and answers getpeername()'),
  program('SOCK_OPS', '4.13', 'tells the agent where a connection was to go, and counts those that need no agent'),
  program('SK_LOOKUP', '5.9', 'hands arriving connections to the agent'),
  program('CGROUP_SOCK', '4.10', 'keeps the ports of the agent for agents'),
  program('SCHED_CLS', '4.1', 'guards the way out of pods'),
  program('SYSCALL', '5.14', "registers the agent's control group"),
  map('HASH', '3.19', 'pods, agents, the kubelet, and destinations that need no agent'),
  map('ARRAY', '3.19', 'for how long the agent is believed'),
  map('PERCPU_HASH', '4.6', 'counts connections that need no agent'),
  map('LRU_HASH', '4.10', 'original destinations, servers of names, and dials'),
  map('SOCKHASH', '4.18', 'listeners'),
  map('SK_STORAGE', '5.2', 'the original destination of a socket, and what it may do without the agent'),
  map('PERCPU_ARRAY', '4.6', 'counts, and knows probes on their way'),
  helper('CGROUP_SOCK_ADDR', 'bpf_get_netns_cookie', '5.7', 'tells pods apart'),
  helper('CGROUP_SOCK_ADDR', 'bpf_get_current_cgroup_id', '4.18', 'tells the agent from pods'),
  helper('CGROUP_SOCK_ADDR', 'bpf_sk_storage_get', '5.10', 'keeps the original destination'),
  helper('CGROUP_SOCK_ADDR', 'bpf_sk_storage_delete', '5.10', 'forgets it when a socket is connected anew'),
  helper('CGROUP_SOCK_ADDR', 'bpf_bind', '4.17', 'knows the port of a socket that asks for names'),
  helper('CGROUP_SOCK_ADDR', 'bpf_sk_release', '4.20', 'knows whether an agent answers them'),
  helper('CGROUP_SOCK_ADDR', 'bpf_sk_lookup_tcp', '4.20', 'finds the connection of an MPTCP socket'),
  helper('CGROUP_SOCK_ADDR', 'bpf_set_retval', '6.1', 'refuses what has no route'),
  helper('SOCK_OPS', 'bpf_get_netns_cookie', '5.15', 'tells pods apart'),
  helper('SOCK_OPS', 'bpf_sk_storage_get', '5.2', 'knows connections that need no agent'),
  helper('SOCK_OPS', 'bpf_sock_ops_cb_flags_set', '4.16', 'is told of their ends'),
  helper('SOCK_OPS', 'bpf_setsockopt', '4.13', 'ends those that are not allowed any more'),
  helper('SK_LOOKUP', 'bpf_sk_assign', '5.9', 'hands arriving connections to the agent'),
  helper('SCHED_CLS', 'bpf_skb_cgroup_id', '4.18', 'tells the agent from pods, and the kubelet from others'),
  helper('SCHED_CLS', 'bpf_sk_fullsock', '5.1', 'finds the socket that sends'),
  helper('SCHED_CLS', 'bpf_sk_storage_get', '5.2', 'tells connections that need no agent'),
  helper('SCHED_CLS', 'bpf_skb_load_bytes_relative', '4.19', 'reads headers'),
];

/** What a kernel lacks. Needs the rights to load programs: without them it seems to lack everything. */
export function missingFeatures(has: (feature: BpfFeature) => boolean = kernelHas): readonly KernelFeature[] {
  return KERNEL_FEATURES.filter(({ feature }) => !has(feature));
}

/** One line for each feature: `BPF_PROG_TYPE_SK_LOOKUP (Linux 5.9): hands arriving connections to the agent`. */
export const describeFeature = ({ feature, since, purpose }: KernelFeature): string => describe(nameOf(feature), since, purpose);
const describe = (name: string, since: string, purpose: string): string => `${name} (Linux ${since}): ${purpose}`;

/** Why programs could not be loaded, where the kernel lacks something; undefined where it has all. */
export function kernelUnfit(missing: readonly KernelFeature[], cause: unknown): LandbridgeError | undefined {
  if (missing.length === 0) return undefined;
  return new LandbridgeError('kernel-unfit', `this kernel lacks what capture needs:\n${missing.map((each) => `- ${describeFeature(each)}`).join('\n')}`, { cause, hint: 'Linux 6.1 or newer, with CONFIG_BPF_SYSCALL, CONFIG_CGROUP_BPF, CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS, has all of it.' });
}

/** Asks the running kernel for each feature. */
export function reportKernel(has: (feature: BpfFeature) => boolean = kernelHas): KernelReport {
  const missing = new Set(missingFeatures(has));
  return { release: release(), features: KERNEL_FEATURES.map((each) => ({ name: nameOf(each.feature), since: each.since, purpose: each.purpose, isThere: !missing.has(each) })) };
}

/** What `agent --check` writes: a line for each feature. */
export function kernelText({ features }: KernelReport): string {
  return features.map(({ name, since, purpose, isThere }) => `${isThere ? 'ok     ' : 'missing'}  ${describe(name, since, purpose)}\n`).join('');
}
