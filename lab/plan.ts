import { parseClusterName } from '@landbridge/core/names.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';

/** What was asked for. */
export interface LabShape {
  /** 1..{@link MAX_CLUSTERS} */
  readonly clusters: number;
  /** Worker nodes for each cluster, 1..{@link MAX_WORKERS}. */
  readonly workers: number;
  /** Pod ranges are routed between clusters of the same network; others go through gateways. 1..clusters */
  readonly networks: number;
  /** How many clusters join the first one's clusterset, itself counted; the others stay alone. 1..clusters */
  readonly joined: number;
  /** Clusters only: nothing of the product but its image on the nodes, and a DNS that knows nothing of other clusters. */
  readonly bare: boolean;
  /** Whether each cluster has a leaf node with a copy of what the hub has. */
  readonly leaf?: true;
}

export interface NodePlan {
  /** Also the host name, the Kubernetes node name and the name of its cgroup. */
  readonly name: string;
  readonly role: 'control-plane' | 'worker';
  /** Network namespace in /run/netns. */
  readonly netns: string;
  readonly address: string;
  /** The end in {@link WAN} of the node's link; at most 15 characters (IFNAMSIZ). */
  readonly link: string;
  readonly podRange: string;
}

export interface ClusterPlan {
  readonly name: string;
  readonly index: number;
  /** Empty where all are in the same. */
  readonly network: string;
  readonly bridge: string;
  readonly gateway: string;
  readonly nodeRange: string;
  readonly podRange: string;
  readonly serviceRange: string;
  readonly kubernetesServiceAddress: string;
  readonly dnsAddress: string;
  readonly apiserver: string;
  readonly controlPlane: NodePlan;
  /** The control-plane node first. */
  readonly nodes: readonly NodePlan[];
}

export interface LabPlan {
  readonly shape: LabShape;
  /** The founder of the clusterset first. */
  readonly clusters: readonly [ClusterPlan, ...ClusterPlan[]];
}

/** The network namespace between the clusters: routers, and the hub's home. */
export const WAN = 'lb-wan';
export const HUB_ADDRESS = '172.31.0.1';
export const HUB_PORT = 4222;
/** Where the hub hears leaf nodes, in a lab that has them. */
export const HUB_LEAF_PORT = 7422;
export const MAX_CLUSTERS = 16;
export const MAX_WORKERS = 8;

const NAMES = ['east', 'west', 'north', 'south'];

export function parseShape(input: LabShape): Result<LabShape> {
  if (!Number.isInteger(input.clusters) || input.clusters < 1 || input.clusters > MAX_CLUSTERS) {
    return err(`--clusters takes a number from 1 to ${MAX_CLUSTERS}`);
  }
  if (!Number.isInteger(input.workers) || input.workers < 1 || input.workers > MAX_WORKERS) {
    return err(`--workers takes a number from 1 to ${MAX_WORKERS}`);
  }
  if (!Number.isInteger(input.joined) || input.joined < 1 || input.joined > input.clusters) {
    return err(`--joined takes a number from 1 to the number of clusters, ${input.clusters}`);
  }
  if (!Number.isInteger(input.networks) || input.networks < 1 || input.networks > input.clusters) {
    return err(`--networks takes a number from 1 to the number of clusters, ${input.clusters}`);
  }
  if (input.bare && input.joined !== 1) return err('--bare joins no clusters, so --joined has no place beside it');
  if (input.bare && input.leaf === true) return err('--bare has nothing of the product, so --leaf has no place beside it');
  return ok(input);
}

/** The names and addresses of a whole lab; the shape must come from {@link parseShape}. */
export function planLab(shape: LabShape): LabPlan {
  const [first, ...others] = Array.from({ length: shape.clusters }, (_, i) => planCluster(i + 1, shape.workers, shape.networks === 1 ? '' : `n${(i % shape.networks) + 1}`));
  if (first === undefined) throw new RangeError('a lab has at least one cluster');
  return { shape, clusters: [first, ...others] };
}

export function findCluster(plan: LabPlan, name: string): ClusterPlan | undefined {
  return plan.clusters.find((cluster) => cluster.name === name);
}

/** Finds a node by its whole name or by what follows the cluster's name (`worker` for `west-worker`). */
export function findNode(cluster: ClusterPlan, name: string): NodePlan | undefined {
  return cluster.nodes.find((node) => node.name === name || node.name === `${cluster.name}-${name}`);
}

/** The clusters of its network, itself among them. */
export function neighboursOf({ clusters }: LabPlan, cluster: ClusterPlan): readonly ClusterPlan[] {
  return clusters.filter(({ network }) => network === cluster.network);
}

function planCluster(index: number, workers: number, network: string): ClusterPlan {
  const name = NAMES[index - 1] ?? `cluster${index}`;
  if (!parseClusterName(name).ok) throw new RangeError(`no cluster can be called ${name}`);
  const controlPlane = planNode(name, index, 0);
  return {
    name,
    index,
    network,
    bridge: `br-${name}`,
    gateway: `172.31.${index}.1`,
    nodeRange: `172.31.${index}.0/24`,
    podRange: `10.${100 + index}.0.0/16`,
    serviceRange: `10.${200 + index}.0.0/16`,
    kubernetesServiceAddress: `10.${200 + index}.0.1`,
    dnsAddress: `10.${200 + index}.0.10`,
    apiserver: `https://${controlPlane.address}:6443`,
    controlPlane,
    nodes: [controlPlane, ...Array.from({ length: workers }, (_, i) => planNode(name, index, i + 1))],
  };
}

function planNode(cluster: string, index: number, j: number): NodePlan {
  const name = j === 0 ? `${cluster}-control-plane` : `${cluster}-worker${j === 1 ? '' : j}`;
  return {
    name,
    role: j === 0 ? 'control-plane' : 'worker',
    netns: `lb-${name}`,
    address: `172.31.${index}.${10 + j}`,
    link: `v${index}-${j}`,
    podRange: `10.${100 + index}.${j}.0/24`,
  };
}
