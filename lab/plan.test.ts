import test from 'ava';
import { findCluster, findNode, MAX_CLUSTERS, MAX_WORKERS, parseShape, planLab } from './plan.ts';

test('two clusters of two nodes have the documented names and addresses', (t) => {
  const plan = planLab({ clusters: 2, joined: 2, bare: false, workers: 1, networks: 1 });
  const west = findCluster(plan, 'west')!;
  t.deepEqual(plan.clusters.map((cluster) => cluster.name), ['east', 'west']);
  t.deepEqual(west.nodes.map((node) => [node.name, node.netns, node.address, node.podRange]), [
    ['west-control-plane', 'lb-west-control-plane', '172.31.2.10', '10.102.0.0/24'],
    ['west-worker', 'lb-west-worker', '172.31.2.11', '10.102.1.0/24'],
  ]);
  t.is(west.serviceRange, '10.202.0.0/16');
  t.is(west.dnsAddress, '10.202.0.10');
  t.is(west.gateway, '172.31.2.1');
  t.is(west.apiserver, 'https://172.31.2.10:6443');
});

test('the largest lab has no name or address twice, and every link name fits the kernel', (t) => {
  const plan = planLab({ clusters: MAX_CLUSTERS, joined: 1, bare: false, workers: MAX_WORKERS, networks: 1 });
  const nodes = plan.clusters.flatMap((cluster) => cluster.nodes);
  for (const field of ['name', 'netns', 'address', 'link', 'podRange'] as const) t.is(new Set(nodes.map((node) => node[field])).size, nodes.length);
  for (const name of [...nodes.map((node) => node.link), ...plan.clusters.map((cluster) => cluster.bridge)]) t.true(name.length <= 15, name);
  t.is(plan.clusters[4]?.name, 'cluster5');
  t.is(plan.clusters[0].nodes[2]?.name, 'east-worker2');
});

test('a node is found by its whole name and by its short one', (t) => {
  const [east] = planLab({ clusters: 1, joined: 1, bare: false, workers: 2, networks: 1 }).clusters;
  t.is(findNode(east, 'east-worker2'), east.nodes[2]);
  t.is(findNode(east, 'worker'), east.nodes[1]);
  t.is(findNode(east, 'control-plane'), east.controlPlane);
  t.is(findNode(east, 'west-worker'), undefined);
});

test('a shape outside the limits is refused', (t) => {
  for (const bad of [{ clusters: 0 }, { clusters: MAX_CLUSTERS + 1 }, { workers: 0 }, { workers: 1.5 }, { clusters: Number.NaN }, { networks: 0 }, { networks: 3 }]) {
    t.false(parseShape({ clusters: 2, joined: 2, bare: false, workers: 1, networks: 1, ...bad }).ok);
  }
});

test('clusters take turns in joining networks, which have names where there are several', (t) => {
  const networks = (count: number): string[] => planLab({ clusters: 3, joined: 3, bare: false, workers: 1, networks: count }).clusters.map(({ network }) => network);
  t.deepEqual(networks(2), ['n1', 'n2', 'n1']);
  t.deepEqual(networks(1), ['', '', '']);
});
