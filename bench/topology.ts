import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { inNetwork } from '@landbridge/lab/network.ts';
import { outcomeOf, run } from '@landbridge/lab/run.ts';
import { OPEN_FILES } from './open-files.ts';

/** One end of a path: callers and their proxy, or the application and its proxy. */
export interface Side {
  readonly netns: string;
  /** Its address, as the other side reaches it. */
  readonly ip: string;
  /** The processors that proxies may use there, as taskset names them, and those of callers or application. */
  readonly cpus: Processors;
}

export interface Processors {
  readonly proxy: string;
  readonly load: string;
}

export const TOPOLOGIES = ['loopback', 'veth'] as const;
export type TopologyName = (typeof TOPOLOGIES)[number];

export interface Topology extends AsyncDisposable {
  readonly name: TopologyName;
  readonly client: Side;
  readonly server: Side;
}

export const PINNINGS = ['sides', 'proxies', 'none'] as const;
export type Pinning = (typeof PINNINGS)[number];

const PREFIX = 'bench-';
/**
 * Ports in TIME_WAIT must be usable again at once, else new connections measure how many ports there are, and there
 * must be enough for the idle ones. Send buffers end where a network of 10 Gbit/s and 0.2 ms ends; larger ones hold
 * gigabytes for 256 connections, and overrun the receiver's, which waits 200 ms for what it had to drop. In namespaces
 * of the benchmark's own, so that the machine's settings stay.
 */
const SYSCTLS = {
  'ipv4/tcp_tw_reuse': '1',
  'ipv4/ip_local_port_range': '10000 65535',
  // Of Istio's proxies, whose ports are not for us to choose: what the kernel has lent to a connection can not be listened at.
  'ipv4/ip_local_reserved_ports': '15000-15099',
  'ipv4/tcp_rmem': '4096 131072 4194304',
  'ipv4/tcp_wmem': '4096 16384 262144',
};
/** Between the two namespaces only (RFC 5737). */
const CLIENT_IP = '192.0.2.1';
const SERVER_IP = '192.0.2.2';

/**
 * `proxies`: those of both sides have one half of the processors, callers and application the other; what proxies can
 * carry is what is measured then, and samples differ least. `sides`: each side has one half, as each node would have
 * its own; on two processors, what the proxies hand on in batches then goes to and fro between the two in step, and
 * either is idle meanwhile. `none`: all share all, as they must where there is only one.
 */
export function processorsOf(total: number, pinning: Pinning): { readonly client: Processors; readonly server: Processors } {
  const range = (from: number, to: number): string => (from === to ? String(from) : `${from}-${to}`);
  const both = (cpus: string): Processors => ({ proxy: cpus, load: cpus });
  const all = both(range(0, total - 1));
  if (pinning === 'none' || total < 2) return { client: all, server: all };
  const first = range(0, (total >> 1) - 1);
  const second = range(total >> 1, total - 1);
  if (pinning === 'sides') return { client: both(first), server: both(second) };
  return { client: { proxy: second, load: first }, server: { proxy: second, load: first } };
}

/** Makes the namespaces of a topology; disposing of it removes them. */
export async function makeTopology(name: TopologyName, pinning: Pinning, signal: AbortSignal): Promise<Topology> {
  const cpus = processorsOf(availableParallelism(), pinning);
  const netns = (end: string): string => `${PREFIX}${process.pid}-${end}`;
  const names = name === 'loopback' ? [netns('both')] : [netns('client'), netns('server')];
  const dispose = async (): Promise<void> => await removeNamespaces(names);
  try {
    await run(['ip', '-batch', '-'], { signal, input: names.map((one) => `netns add ${one}\n`).join('') });
    for (const one of names) {
      const lines = Object.entries(SYSCTLS).map(([file, value]) => `echo '${value}' > /proc/sys/net/${file}`);
      await run(inNetwork(one, ['sh', '-ec', lines.join('\n')]), { signal });
      await run(['ip', '-n', one, 'link', 'set', 'lo', 'up'], { signal });
    }
    const [client = '', server = client] = names;
    if (name === 'loopback') {
      return { name, client: { netns: client, ip: '127.0.0.1', cpus: cpus.client }, server: { netns: client, ip: '127.0.0.1', cpus: cpus.server }, [Symbol.asyncDispose]: dispose };
    }
    await run(['ip', '-n', client, 'link', 'add', 'wire', 'type', 'veth', 'peer', 'name', 'wire', 'netns', server], { signal });
    for (const [one, ip] of [[client, CLIENT_IP], [server, SERVER_IP]] as const) {
      await run(['ip', '-n', one, '-batch', '-'], { signal, input: `addr add ${ip}/24 dev wire\nlink set wire up\n` });
    }
    return { name, client: { netns: client, ip: CLIENT_IP, cpus: cpus.client }, server: { netns: server, ip: SERVER_IP, cpus: cpus.server }, [Symbol.asyncDispose]: dispose };
  } catch (thrown) {
    await dispose();
    throw thrown;
  }
}

/** The command line that runs a command on a side. It dies with this process, whatever becomes of this one. */
export function onSide(side: Side, part: keyof Processors, argv: readonly string[]): readonly string[] {
  return [...inNetwork(side.netns, ['prlimit', `--nofile=${OPEN_FILES}`, 'setpriv', '--pdeathsig', 'KILL', 'taskset', '--cpu-list', side.cpus[part]]), ...argv];
}

/** Removes what runs that were killed have left. */
export async function removeStaleNamespaces(): Promise<void> {
  if (!existsSync('/run/netns')) return;
  await removeNamespaces(readdirSync('/run/netns').filter((name) => {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  }));
}

async function removeNamespaces(names: readonly string[]): Promise<void> {
  // Not the run's own signal: the removal follows its abort.
  const signal = AbortSignal.timeout(10_000);
  for (const name of names) {
    // Whatever a proxy has started and left behind is in its namespace still.
    const { stdout } = await outcomeOf(['ip', 'netns', 'pids', name], { signal });
    for (const pid of stdout.split('\n').filter((line) => /^\d+$/.test(line))) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It ended meanwhile.
      }
    }
    await outcomeOf(['ip', 'netns', 'del', name], { signal });
  }
}
