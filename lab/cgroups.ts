import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * One cgroup hierarchy of the machine. A hybrid machine has one for each version 1 controller and a version 2 one
 * beside them; a pure one has the version 2 hierarchy only.
 */
export interface Hierarchy {
  readonly version: 1 | 2;
  /** Where it is mounted on this machine. */
  readonly mountpoint: string;
  /** Version 1 mount options that name the hierarchy: `cpu,cpuacct`, `name=systemd`; empty for version 2. */
  readonly controllers: string;
}

/** The cgroup that holds everything of the lab, in each hierarchy. */
export const LAB_CGROUP = 'landbridge-lab';

const MOUNT_FLAGS = new Set(['rw', 'ro', 'relatime', 'noatime', 'nosuid', 'nodev', 'noexec', 'xattr', 'clone_children', 'nsdelegate', 'memory_recursiveprot']);

/** Reads the hierarchies out of /proc/PID/mountinfo; of several mounts of one the first counts. */
export function parseHierarchies(mountinfo: string): readonly Hierarchy[] {
  const found = new Map<string, Hierarchy>();
  for (const line of mountinfo.split('\n')) {
    const match = /^\d+ \d+ \d+:\d+ (\S+) (\S+) .* - (cgroup2?) \S+ (\S+)$/.exec(line);
    if (match === null || match[1] !== '/') continue;
    const [, , mountpoint = '', type, options = ''] = match;
    const version = type === 'cgroup2' ? 2 : 1;
    const controllers = version === 2 ? '' : options.split(',').filter((option) => !MOUNT_FLAGS.has(option) && !option.startsWith('release_agent=')).join(',');
    if (!found.has(controllers)) found.set(controllers, { version, mountpoint, controllers });
  }
  return [...found.values()];
}

export function readHierarchies(): readonly Hierarchy[] {
  return parseHierarchies(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/**
 * The lab's cgroup in one hierarchy. In version 1 it lies beside the group of this process, so that limits which
 * someone set for this session's group of groups hold for the lab too.
 */
export function labGroup(hierarchy: Hierarchy, selfCgroup: string = readFileSync('/proc/self/cgroup', 'utf8')): string {
  if (hierarchy.version === 2) return path.join(hierarchy.mountpoint, LAB_CGROUP);
  const own = selfCgroup.split('\n').map((line) => /^\d+:([^:]*):(.*)$/.exec(line)).find((match) => match?.[1] === hierarchy.controllers)?.[2] ?? '/';
  const inside = own.split('/').indexOf(LAB_CGROUP);
  const parent = inside === -1 ? path.dirname(own) : own.split('/').slice(0, inside).join('/');
  return path.join(hierarchy.mountpoint, parent, LAB_CGROUP);
}

/** Makes the group `name` below the lab's in every hierarchy and returns the files to write a process id to. */
export async function makeGroups(name: string, hierarchies: readonly Hierarchy[]): Promise<readonly string[]> {
  const files: string[] = [];
  for (const hierarchy of hierarchies) {
    const lab = labGroup(hierarchy);
    const group = path.join(lab, name);
    await mkdir(group, { recursive: true });
    if (hierarchy.version === 2) {
      for (const parent of [hierarchy.mountpoint, lab]) await delegate(parent);
    } else if (hierarchy.controllers.split(',').includes('cpuset')) {
      // A version 1 cpuset is born empty and takes no process until it has processors and memory nodes.
      for (const child of [lab, group]) {
        for (const file of ['cpuset.cpus', 'cpuset.mems']) await writeFile(path.join(child, file), await readFile(path.join(path.dirname(child), file)));
      }
    }
    files.push(path.join(group, 'cgroup.procs'));
  }
  return files;
}

/** Hands all controllers that a version 2 group has down to its children. */
export async function delegate(group: string): Promise<void> {
  const available = (await readFile(path.join(group, 'cgroup.controllers'), 'utf8')).split(/\s+/).filter(Boolean);
  const enabled = new Set((await readFile(path.join(group, 'cgroup.subtree_control'), 'utf8')).split(/\s+/));
  for (const controller of available.filter((name) => !enabled.has(name) && ['cpu', 'cpuset', 'memory', 'pids', 'io'].includes(name))) {
    await writeFile(path.join(group, 'cgroup.subtree_control'), `+${controller}`);
  }
}

/** The lab's cgroups that exist now, whichever process made them. */
export function findLabGroups(hierarchies: readonly Hierarchy[] = readHierarchies()): readonly string[] {
  return hierarchies.flatMap((hierarchy) => {
    const direct = [path.join(hierarchy.mountpoint, LAB_CGROUP), labGroup(hierarchy)];
    const nested = hierarchy.version === 1 ? subgroups(hierarchy.mountpoint).map((group) => path.join(group, LAB_CGROUP)) : [];
    return [...new Set([...direct, ...nested])].filter((group) => existsSync(group));
  });
}

/** Ids of all processes in a group and below it, as this pid namespace sees them. */
export function processesIn(group: string): number[] {
  let text: string;
  try {
    text = readFileSync(path.join(group, 'cgroup.procs'), 'utf8');
  } catch {
    // The group went away while it was being read.
    return [];
  }
  const own = text.split('\n').map(Number).filter((pid) => pid > 0);
  return [...own, ...subgroups(group).flatMap(processesIn)];
}

/** Removes an empty group with all groups in it; returns whether it is gone. */
export function removeGroup(group: string): boolean {
  for (const child of subgroups(group)) removeGroup(child);
  try {
    rmdirSync(group);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function subgroups(group: string): string[] {
  try {
    return readdirSync(group, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => path.join(group, entry.name));
  } catch {
    // The group went away while it was being read.
    return [];
  }
}
