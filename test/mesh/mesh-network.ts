import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { inNetwork } from '@landbridge/lab/network.ts';
import type { PlannedNode, PlannedPod } from './mesh-plan.ts';

/** Addresses are used at once, without a second of asking who has them (RFC 4862, section 5.4): nobody else can. Of links that come later. */
const WITHOUT_DAD = { 'ipv6/conf/all/accept_dad': 0, 'ipv6/conf/default/accept_dad': 0 };
const FORWARDING = { 'ipv4/ip_forward': 1, 'ipv6/conf/all/forwarding': 1 };

/** Makes all network namespaces of a mesh with their links, addresses and routes. `prefix` begins their names. */
export function makeNetwork(nodes: readonly PlannedNode[], prefix: string): void {
  const wan = `${prefix}-wan`;
  const namespaces = [wan, ...nodes.flatMap(({ name, pods }) => [name, ...pods.map((pod) => pod.name)]).map((name) => `${prefix}-${name}`)];
  ip(namespaces.map((name) => `netns add ${name}`).join('\n'));
  for (const name of namespaces) set(name, WITHOUT_DAD);
  ip(['link add br0 type bridge', 'link set br0 up', ...nodes.flatMap(({ name }, at) => [`link add n${at} type veth peer name wan netns ${prefix}-${name}`, `link set n${at} master br0 up`])].join('\n'), wan);
  for (const node of nodes) {
    const netns = `${prefix}-${node.name}`;
    set(netns, FORWARDING);
    ip(nodeCommands(node, nodes, prefix).join('\n'), netns);
    for (const pod of node.pods) ip(podCommands(pod, node).join('\n'), `${prefix}-${pod.name}`);
  }
}

function nodeCommands(node: PlannedNode, nodes: readonly PlannedNode[], prefix: string): string[] {
  return [
    'link set lo up',
    'link add br0 type bridge',
    `addr add ${node.address}/24 dev br0`,
    `addr add ${node.address6}/64 dev br0`,
    'link set br0 up',
    `addr add ${node.wan}/24 dev wan`,
    `addr add ${node.wan6}/64 dev wan`,
    'link set wan up',
    ...nodes.filter((other) => other !== node).flatMap((other) => [`route add ${other.range} via ${other.wan}`, `route add ${other.range6} via ${other.wan6}`]),
    ...node.pods.flatMap(({ name }) => [`link add v${name} type veth peer name eth0 netns ${prefix}-${name}`, `link set v${name} master br0 up`]),
  ];
}

function podCommands(pod: PlannedPod, node: PlannedNode): string[] {
  const of = {
    IPv4: [`addr add ${pod.address}/24 dev eth0`, `route add default via ${node.address}`],
    IPv6: [`addr add ${pod.address6}/64 dev eth0`, `route add ::/0 via ${node.address6}`],
  };
  return ['link set lo up', 'link set eth0 up', ...pod.families.flatMap((family) => of[family])];
}

/** Removes every network namespace of the prefix; its links go with it. */
export function removeNetwork(prefix: string): void {
  const names = listNamespaces().filter((name) => name.startsWith(`${prefix}-`));
  ip(names.map((name) => `netns delete ${name}\n`).join(''));
}

function listNamespaces(): string[] {
  try {
    return readdirSync('/run/netns');
  } catch {
    // Nobody has made one since the machine started.
    return [];
  }
}

function set(netns: string, settings: Readonly<Record<string, number>>): void {
  const [command = '', ...args] = inNetwork(netns, ['sh', '-ec', Object.entries(settings).map(([name, value]) => `echo ${value} > /proc/sys/net/${name}`).join('\n')]);
  execFileSync(command, args);
}

function ip(commands: string, netns?: string): void {
  execFileSync('ip', [...(netns === undefined ? [] : ['-n', netns]), '-batch', '-'], { input: `${commands}\n`, stdio: ['pipe', 'ignore', 'inherit'] });
}
