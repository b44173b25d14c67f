import { existsSync } from 'node:fs';
import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism, freemem, release } from 'node:os';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { CACHE } from './paths.ts';
import { say } from './progress.ts';
import { outcomeOf, run } from './run.ts';

export interface MachineRequirements {
  /** Nodes that will run, of all clusters. */
  readonly nodes: number;
  readonly toolsAreBuilt: boolean;
}

export interface Kernel {
  readonly major: number;
  readonly minor: number;
}

/** Debian packages by a file that each of them brings. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'containernetworking-plugins': ['/usr/lib/cni/bridge'],
  runc: ['/usr/sbin/runc', '/usr/bin/runc'],
  nftables: ['/usr/sbin/nft'],
  iptables: ['/usr/sbin/iptables'],
  conntrack: ['/usr/sbin/conntrack'],
  iproute2: ['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip'],
  'util-linux': ['/usr/bin/nsenter'],
  mount: ['/usr/bin/mount', '/bin/mount'],
  kmod: ['/usr/sbin/modprobe', '/sbin/modprobe'],
  openssl: ['/usr/bin/openssl'],
  'busybox-static': ['/usr/share/doc/busybox-static'],
  gcc: ['/usr/bin/gcc'],
  'libc6-dev': ['/usr/lib/x86_64-linux-gnu/libc.a'],
  'clang-14': ['/usr/bin/clang-14'],
  'llvm-14': ['/usr/bin/llvm-strip-14'],
  libbpf1: ['/usr/lib/x86_64-linux-gnu/libbpf.so.1'],
  'libbpf-dev': ['/usr/include/bpf/bpf_helpers.h'],
  libelf1: ['/usr/lib/x86_64-linux-gnu/libelf.so.1'],
  'linux-libc-dev': ['/usr/include/linux/bpf.h'],
  tcpdump: ['/usr/bin/tcpdump', '/usr/sbin/tcpdump'],
  bpftool: ['/usr/sbin/bpftool'],
  ethtool: ['/usr/sbin/ethtool', '/sbin/ethtool'],
};

/** Modules that a minimal kernel configuration loads on demand; absent where they are built in. */
const MODULES = ['overlay', 'br_netfilter', 'nf_conntrack', 'nf_tables', 'veth', 'bridge', 'dummy'];

const GIB = 1024 ** 3;
const MEMORY_FOR_EACH_NODE_BYTES = 0.45 * GIB;
const DISK_FOR_EACH_NODE_BYTES = 0.5 * GIB;
/** The servers, the images and what Go keeps while it builds them. */
const DISK_FOR_TOOLS_BYTES = 8 * GIB;

export function parseKernelRelease(text: string): Kernel | undefined {
  const match = /^(\d+)\.(\d+)/.exec(text);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]) };
}

export function isAtLeast(have: Kernel, want: Kernel): boolean {
  return have.major > want.major || (have.major === want.major && have.minor >= want.minor);
}

/** Installs what is missing of Debian's packages, then refuses a machine that can not run the lab, naming everything it lacks. */
export async function prepareMachine(requirements: MachineRequirements, signal: AbortSignal): Promise<void> {
  await installPackages(PACKAGES, signal);
  // A module that is built in or not needed is not an error; what it is for fails by name later.
  for (const name of MODULES) await outcomeOf(['modprobe', '-q', name], { signal }).catch(() => undefined);
  const lacking = [...(await lackingOfKernel(signal)), ...(await lackingOfSpace(requirements)), ...(await lackingOfCommands(signal))];
  if (lacking.length > 0) {
    throw new LandbridgeError('machine-unfit', `this machine can not run the lab:\n${lacking.map((line) => `  - ${line}`).join('\n')}`);
  }
}

async function lackingOfKernel(signal: AbortSignal): Promise<string[]> {
  const lacking: string[] = [];
  const kernel = parseKernelRelease(release());
  if (kernel === undefined || !isAtLeast(kernel, { major: 6, minor: 1 })) lacking.push(`Linux ${release()}: 6.1 or newer is needed`);
  if (process.arch !== 'x64') lacking.push(`${process.arch}: the pinned Node.js is for x86-64 only`);
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  if (!/ - cgroup2 /.test(mounts)) lacking.push('no cgroup2 is mounted: mount one (mount -t cgroup2 none /sys/fs/cgroup), or boot with systemd.unified_cgroup_hierarchy=1');
  const filesystems = await readFile('/proc/filesystems', 'utf8');
  for (const [name, configuration] of [['overlay', 'CONFIG_OVERLAY_FS'], ['bpf', 'CONFIG_BPF_SYSCALL']] as const) {
    if (!new RegExp(`\\b${name}$`, 'm').test(filesystems)) lacking.push(`the kernel has no ${name} file system (${configuration})`);
  }
  const unshare = await outcomeOf(['unshare', '--net', '--mount', '--pid', '--uts', '--ipc', '--cgroup', '--fork', 'sh', '-c', 'mount -t bpf bpf /sys/fs/bpf'], { signal });
  if (unshare.status !== 0) lacking.push(`root may not make namespaces or mount bpf here (a container without privileges?): ${unshare.stderr.trim()}`);
  return lacking;
}

async function lackingOfSpace(requirements: MachineRequirements): Promise<string[]> {
  const lacking: string[] = [];
  const available = /^MemAvailable:\s+(\d+) kB/m.exec(await readFile('/proc/meminfo', 'utf8'));
  const memory = available === null ? freemem() : Number(available[1]) * 1024;
  const wantedMemory = requirements.nodes * MEMORY_FOR_EACH_NODE_BYTES;
  if (memory < wantedMemory) lacking.push(`${gib(memory)} of memory are free, ${gib(wantedMemory)} are needed for ${requirements.nodes} nodes`);
  const wantedDisk = requirements.nodes * DISK_FOR_EACH_NODE_BYTES + (requirements.toolsAreBuilt ? 0 : DISK_FOR_TOOLS_BYTES);
  for (const [what, directory, wanted] of [['the cache', existingParent(CACHE), wantedDisk], ['the lab', '/var/lib', requirements.nodes * DISK_FOR_EACH_NODE_BYTES]] as const) {
    const space = await statfs(directory);
    const free = space.bavail * space.bsize;
    if (free < wanted) lacking.push(`${gib(free)} of disk are free for ${what} in ${directory}, ${gib(wanted)} are needed`);
    // linux/magic.h OVERLAYFS_SUPER_MAGIC: containerd's snapshots are overlays, which can not be stacked on one.
    if (space.type === 0x794c7630) lacking.push(`${directory} is on an overlay file system: mount a directory of ext4, xfs or tmpfs there`);
  }
  return lacking;
}

async function lackingOfCommands(signal: AbortSignal): Promise<string[]> {
  const lacking: string[] = [];
  const git = await outcomeOf(['git', '--version'], { signal }).catch(() => undefined);
  if (git?.status !== 0) lacking.push('git is missing: apt-get install git');
  const go = await outcomeOf(['go', 'env', 'GOVERSION'], { signal }).catch(() => undefined);
  const version = /^go(\d+)\.(\d+)/.exec(go?.stdout ?? '');
  if (version === null) lacking.push('Go is missing: install 1.26 or newer from https://go.dev/dl and put it in PATH');
  else if (!isAtLeast({ major: Number(version[1]), minor: Number(version[2]) }, { major: 1, minor: 26 })) lacking.push(`Go ${go?.stdout.trim()} is too old: 1.26 or newer is needed`);
  return lacking;
}

/** Installs Debian packages of which none of the files is there. @throws LandbridgeError `machine-unfit` */
export async function installPackages(packages: Readonly<Record<string, readonly string[]>>, signal: AbortSignal): Promise<void> {
  const missing = Object.entries(packages).filter(([, files]) => !files.some((file) => existsSync(file))).map(([name]) => name);
  if (missing.length === 0) return;
  if (!existsSync('/usr/bin/apt-get')) {
    throw new LandbridgeError('machine-unfit', `these are missing, and this is not a Debian to install them on: ${missing.join(', ')}`, {
      hint: 'Install what they hold by hand, or use Debian 12.',
    });
  }
  say(`installing Debian packages: ${missing.join(' ')}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const install = ['apt-get', 'install', '-y', '-q', '--no-install-recommends', ...missing];
  if ((await outcomeOf(install, { signal, env })).status === 0) return;
  await run(['apt-get', 'update', '-q'], { signal, env });
  await run(install, { signal, env });
}

function existingParent(directory: string): string {
  let at = directory;
  while (!existsSync(at)) at = at.slice(0, at.lastIndexOf('/')) || '/';
  return at;
}

const gib = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;

/** For estimates of time. */
export const processors = (): number => availableParallelism();
