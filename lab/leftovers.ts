import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import path from 'node:path';
import { findLabGroups, processesIn } from './cgroups.ts';
import { LOCK, STATE } from './paths.ts';

/** Everything of the lab that is on the machine. All lists are empty after `down`. */
export interface Leftovers {
  readonly processes: readonly { readonly pid: number; readonly command: string }[];
  /** Names in /run/netns. */
  readonly networkNamespaces: readonly string[];
  readonly mounts: readonly string[];
  readonly cgroups: readonly string[];
  readonly bpfPins: readonly string[];
  /** Links and routes of the machine's own network namespace. */
  readonly links: readonly string[];
  readonly routes: readonly string[];
  readonly files: readonly string[];
}

const NETNS_DIRECTORY = '/run/netns';
const BPF_DIRECTORY = '/sys/fs/bpf';

export function findLeftovers(): Leftovers {
  const networkNamespaces = listDirectory(NETNS_DIRECTORY).filter((name) => name.startsWith('lb-'));
  const cgroups = findLabGroups();
  return {
    processes: findProcesses(cgroups, networkNamespaces),
    networkNamespaces,
    mounts: parseLabMounts(readFileSync('/proc/self/mountinfo', 'utf8')),
    cgroups,
    bpfPins: listDirectory(BPF_DIRECTORY).filter((name) => name.startsWith('landbridge')).map((name) => path.join(BPF_DIRECTORY, name)),
    links: listDirectory('/sys/class/net').filter((name) => /^(lb-|v\d+-\d+$|br-(east|west|north|south|cluster\d+)$)/.test(name)),
    routes: parseLabRoutes(readFileSync('/proc/net/route', 'utf8')),
    files: [STATE, LOCK].filter((file) => existsSync(file) && !isOwnLock(file)),
  };
}

export function isClean(leftovers: Leftovers): boolean {
  return Object.values(leftovers).every((list: readonly unknown[]) => list.length === 0);
}

/** One line for each thing that is left. */
export function describeLeftovers(leftovers: Leftovers): string[] {
  return Object.entries(leftovers).flatMap(([kind, list]: [string, readonly unknown[]]) =>
    list.map((item) => `${kind}: ${typeof item === 'string' ? item : `${(item as { pid: number }).pid} ${(item as { command: string }).command}`}`),
  );
}

/** Mount points of the lab in a mountinfo text: its network namespaces and anything below its state. */
export function parseLabMounts(mountinfo: string): string[] {
  return mountinfo
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((mountpoint) => mountpoint.startsWith(`${NETNS_DIRECTORY}/lb-`) || mountpoint === STATE || mountpoint.startsWith(`${STATE}/`));
}

/** Destinations in a /proc/net/route text that are ranges of the lab: 172.31.0.0/16, 10.101-116.x and 10.201-216.x. */
export function parseLabRoutes(text: string): string[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t')[1] ?? '')
    .filter((hex) => /^[0-9A-F]{8}$/.test(hex))
    .map((hex) => [3, 2, 1, 0].map((i) => Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16)))
    .filter(([a, b = 0]) => (a === 172 && b === 31) || (a === 10 && ((b > 100 && b <= 116) || (b > 200 && b <= 216))))
    .map((bytes) => bytes.join('.'));
}

/** Processes in the lab's cgroups, and those in its network namespaces wherever they are: a port-forward, a capture. */
function findProcesses(cgroups: readonly string[], networkNamespaces: readonly string[]): { pid: number; command: string }[] {
  const pids = new Set(cgroups.flatMap(processesIn));
  const inodes = new Set(networkNamespaces.map((name) => inodeOf(path.join(NETNS_DIRECTORY, name))).filter((inode) => inode !== undefined));
  for (const name of listDirectory('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const inode = netnsOf(pid);
    if (inode !== undefined && inodes.has(inode)) pids.add(pid);
  }
  return [...pids].filter((pid) => pid !== process.pid).map((pid) => ({ pid, command: commandOf(pid) }));
}

function inodeOf(file: string): number | undefined {
  try {
    return statSync(file).ino;
  } catch {
    // Removed meanwhile.
    return undefined;
  }
}

function netnsOf(pid: number): number | undefined {
  try {
    return Number(/\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[1]);
  } catch {
    // The process ended meanwhile, or is a zombie.
    return undefined;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().slice(0, 100);
  } catch {
    // The process ended meanwhile.
    return '(gone)';
  }
}

function listDirectory(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    // Not there: nothing of ours in it.
    return [];
  }
}

/** The lock of this very run is no leftover. */
function isOwnLock(file: string): boolean {
  try {
    return file === LOCK && (JSON.parse(readFileSync(file, 'utf8')) as { pid?: unknown }).pid === process.pid;
  } catch {
    // Unreadable: a leftover.
    return false;
  }
}
