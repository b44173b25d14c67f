/** Finds the node's kubelet, and the control group that tells its connections from all others. Needs the node's /proc. */
import { readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { inCgroupNamespace } from '@landbridge/native/cgroup-namespace.ts';
import { processIds } from '@landbridge/native/process-ids.ts';
import { parsePodUid } from '../pods/network-namespaces.ts';
import { groupId } from './group-id.ts';

export interface Kubelet {
  /** Undefined where its control group was told, and not found by its process. */
  readonly pid: number | undefined;
  /** Below the root of cgroup2. */
  readonly group: string;
  readonly groupId: bigint;
}

export interface NodeView {
  /** Where cgroup2 is mounted, from its root on. */
  readonly cgroupRoot: string;
  /** Default `/proc`. */
  readonly proc?: string;
  /** A process with the node's own namespaces. Default: 1, the first. */
  readonly nodeProcess?: string;
  /** Names control groups as that process does: the agent's container may have a cgroup namespace of its own. Default: by entering it. */
  readonly asNode?: <T>(work: () => T) => T;
}

/** Programs that are a kubelet: by itself, and of MicroK8s. */
const KUBELETS: ReadonlySet<string> = new Set(['kubelet', 'kubelite']);
/** K3s is one program for everything; as a server or an agent it is a kubelet as well. */
const K3S = 'k3s';
const K3S_ROLES: ReadonlySet<string> = new Set(['server', 'agent']);

/** `executable`: as /proc/PID/exe links to it; `commandLine`: of /proc/PID/cmdline, whose words K3s may join by spaces. */
export function isKubelet(executable: string, commandLine: string): boolean {
  // A program that was replaced while it runs is said to be deleted.
  const name = path.basename(executable.replace(/ \(deleted\)$/, ''));
  if (KUBELETS.has(name)) return true;
  if (name !== K3S) return false;
  const [called = '', role = ''] = commandLine.split(/[\0 ]/);
  return [...K3S_ROLES].some((each) => path.basename(called) === `${K3S}-${each}`) || K3S_ROLES.has(role);
}

/** The group of cgroup2 in a text of /proc/PID/cgroup, where it tells its processes from others. */
export function parseGroup(cgroup: string): string | undefined {
  const group = /^0::(\/.+)$/m.exec(cgroup)?.[1];
  // In the root is all that nobody has put elsewhere, pods of nodes with version 1 among it. Above the root of the namespace that it is read in, a path leads nowhere.
  return group === undefined || group.split('/').includes('..') ? undefined : group;
}

/** Undefined where there is no such group. */
export function kubeletOfGroup(cgroupRoot: string, group: string): Kubelet | undefined {
  try {
    return { pid: undefined, group, groupId: groupId(path.join(cgroupRoot, group)) };
  } catch {
    // Not there yet, or not any more.
    return undefined;
  }
}

/** The kubelet of a process, where it is that. */
export function kubeletOfProcess(pid: number, { cgroupRoot, proc = '/proc', nodeProcess = '1', asNode = (work) => inCgroupNamespace(path.join(proc, nodeProcess, 'ns/cgroup'), work) }: NodeView): Kubelet | undefined {
  const file = (name: string): string => path.join(proc, String(pid), name);
  const isShared = (name: string, other: string): boolean => readlinkSync(file(`ns/${name}`)) === readlinkSync(path.join(proc, other, 'ns', name));
  try {
    if (!isKubelet(readlinkSync(file('exe')), readFileSync(file('cmdline'), 'latin1'))) return undefined;
    // Whoever is root here, and sees the processes and files of the node, and is no pod's, may do as the kubelet anyway.
    if (!/^Uid:\t0\t0\t0\t0$/m.test(readFileSync(file('status'), 'latin1'))) return undefined;
    if (!isShared('pid', nodeProcess) || !isShared('mnt', nodeProcess) || !isShared('net', 'self')) return undefined;
    const text = asNode(() => readFileSync(file('cgroup'), 'utf8'));
    const group = parseGroup(text);
    if (group === undefined || parsePodUid(text) !== undefined) return undefined;
    const kubelet = kubeletOfGroup(cgroupRoot, group);
    // Where the mount has another root than the namespace, the path leads to another group.
    const isIn = readFileSync(path.join(cgroupRoot, group, 'cgroup.procs'), 'latin1').split('\n').includes(String(pid));
    return kubelet === undefined || !isIn ? undefined : { ...kubelet, pid };
  } catch {
    // The process ended meanwhile, or is one of the kernel's, which have no program.
    return undefined;
  }
}

/** Of several the one with the lowest process id. */
export function findKubelet(view: NodeView): Kubelet | undefined {
  const pids = processIds(view.proc).map(Number).sort((a, b) => a - b);
  for (const pid of pids) {
    const kubelet = kubeletOfProcess(pid, view);
    if (kubelet !== undefined) return kubelet;
  }
  return undefined;
}
