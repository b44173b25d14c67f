import { type ClusterPlan, HUB_ADDRESS, type LabPlan, neighboursOf, type NodePlan, WAN } from './plan.ts';

/** What one network namespace needs; `commands` are lines for `ip -batch`. */
export interface NamespacePlan {
  readonly netns: string;
  readonly commands: readonly string[];
  /** Files below /proc/sys/net, which belong to the network namespace. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Rules for `nft -f`. */
  readonly ruleset?: string;
}

/** Forwarding on, reverse-path filter off: a reply may take another way than its request. */
const ROUTER_SYSCTLS = {
  'ipv4/ip_forward': '1',
  'ipv4/conf/all/rp_filter': '0',
  'ipv4/conf/default/rp_filter': '0',
} as const;

/**
 * Links, addresses and routes of all namespaces, in the order they have to be applied: {@link WAN} first, because
 * it makes both ends of every link. Nodes of a cluster share one bridge; between clusters {@link WAN} routes.
 */
export function planNetwork(plan: LabPlan): readonly NamespacePlan[] {
  return [planWan(plan), ...plan.clusters.flatMap((cluster) => cluster.nodes.map((node) => planNodeNetwork(plan, cluster, node)))];
}

function planWan(plan: LabPlan): NamespacePlan {
  const commands = ['link set lo up', `addr add ${HUB_ADDRESS}/32 dev lo`];
  for (const cluster of plan.clusters) {
    commands.push(
      `link add ${cluster.bridge} type bridge`,
      `addr add ${cluster.gateway}/24 dev ${cluster.bridge}`,
      `link set ${cluster.bridge} up`,
    );
    for (const node of cluster.nodes) {
      commands.push(`link add ${node.link} type veth peer name eth0 netns ${node.netns}`, `link set ${node.link} master ${cluster.bridge} up`);
    }
  }
  for (const node of plan.clusters.flatMap((cluster) => cluster.nodes)) commands.push(`route add ${node.podRange} via ${node.address}`);
  return { netns: WAN, commands, sysctls: ROUTER_SYSCTLS, ...(plan.shape.networks === 1 ? {} : { ruleset: separation(plan) }) };
}

/** Pods are reached from their own network only, and reach no other by their own address. */
function separation(plan: LabPlan): string {
  const networks = [...new Set(plan.clusters.map(({ network }) => network))].map((network) => plan.clusters.filter((cluster) => cluster.network === network));
  const rules = networks.flatMap((clusters) => {
    const pods = clusters.map(({ podRange }) => podRange).join(', ');
    const all = clusters.flatMap(({ podRange, nodeRange }) => [podRange, nodeRange]).join(', ');
    return [`    ip daddr { ${pods} } ip saddr != { ${all} } drop`, `    ip saddr { ${pods} } ip daddr != { ${all} } drop`];
  });
  return `table ip landbridge-lab {
  chain forward {
    type filter hook forward priority filter; policy accept;
${rules.join('\n')}
  }
}
`;
}

function planNodeNetwork(plan: LabPlan, cluster: ClusterPlan, node: NodePlan): NamespacePlan {
  const neighbours = cluster.nodes.filter((other) => other !== node);
  const commands = [
    'link set lo up',
    `addr add ${node.address}/24 dev eth0`,
    'link set eth0 up',
    `route add default via ${cluster.gateway}`,
    ...neighbours.map((other) => `route add ${other.podRange} via ${other.address}`),
  ];
  // Replies of a Service's endpoint on the same bridge must pass netfilter, or kube-proxy cannot undo its translation.
  const sysctls = { ...ROUTER_SYSCTLS, 'bridge/bridge-nf-call-iptables': '1' };
  if (plan.shape.networks === 1) return { netns: node.netns, commands, sysctls };
  return { netns: node.netns, commands, sysctls, ruleset: masquerade(cluster, neighboursOf(plan, cluster)) };
}

/** Pods keep their address inside the network and take the node's when they leave it. */
function masquerade(cluster: ClusterPlan, network: readonly ClusterPlan[]): string {
  const inside = [...network.flatMap(({ podRange, nodeRange }) => [podRange, nodeRange]), cluster.serviceRange, '224.0.0.0/4'];
  return `table ip landbridge-lab {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${cluster.podRange} ip daddr != { ${inside.join(', ')} } oifname "eth0" masquerade
  }
}
`;
}
