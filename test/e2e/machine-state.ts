import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** What a lab could leave on the machine, as sorted texts that are compared before and after. */
export interface MachineState {
  readonly networkNamespaces: readonly string[];
  readonly mounts: readonly string[];
  readonly cgroups: readonly string[];
  readonly bpfPins: readonly string[];
  readonly bpfPrograms: readonly string[];
  readonly links: readonly string[];
  readonly routes: readonly string[];
  readonly sysctls: readonly string[];
  /** Processes of the lab's kind, by name; others come and go. */
  readonly processes: readonly string[];
}

const SERVERS = /^(etcd|kube-|kubelet|containerd|nats-server|coredns|pause|runc|demo)/;
/** Settings that a kubelet or kube-proxy of the lab could have changed. */
const SYSCTLS = ['vm/overcommit_memory', 'vm/panic_on_oom', 'kernel/panic', 'kernel/panic_on_oops', 'kernel/keys/root_maxkeys', 'kernel/keys/root_maxbytes', 'net/ipv4/ip_forward', 'net/netfilter/nf_conntrack_max'];

export function readMachineState(): MachineState {
  return {
    networkNamespaces: list('/run/netns'),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n').map((line) => line.split(' ').slice(3, 5).join(' ')).sort(),
    cgroups: lines('find', ['/sys/fs/cgroup', '-maxdepth', '3', '-type', 'd']),
    bpfPins: lines('find', ['/sys/fs/bpf', '-mindepth', '1', '-maxdepth', '2']),
    bpfPrograms: lines('bpftool', ['prog', 'list']).filter((line) => line.includes('name lb_')),
    links: list('/sys/class/net'),
    routes: lines('ip', ['route', 'show', 'table', 'all']),
    sysctls: SYSCTLS.map((name) => `${name} ${read(`/proc/sys/${name}`)}`),
    processes: list('/proc').filter((name) => /^\d+$/.test(name) && !isZombie(name)).map((pid) => read(`/proc/${pid}/comm`)).filter((name) => SERVERS.test(name)).sort(),
  };
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    // Not there: nothing in it.
    return [];
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    // A process that ended, or a setting that this kernel has not.
    return '';
  }
}

const lines = (command: string, args: readonly string[]): string[] => execFileSync(command, args, { encoding: 'utf8' }).trim().split('\n').map((line) => line.trim()).sort();

/** A process that has ended and waits for the machine's init to collect its status is not left by the lab. */
const isZombie = (pid: string): boolean => /^State:\s+Z/m.test(read(`/proc/${pid}/status`));
