import { findPodNamespaces } from '@landbridge/agent/pods/network-namespaces.ts';
import { DEMO_IMAGE } from '@landbridge/lab/images.ts';
import { clusterEnvironment, kubectlCommand } from '@landbridge/lab/kubectl.ts';
import { inNode } from '@landbridge/lab/node.ts';
import type { NodePlan } from '@landbridge/lab/plan.ts';
import { outcomeOf, run } from '@landbridge/lab/run.ts';
import { apply, kubectl } from '../e2e/running-lab.ts';
import { witness } from './observation.ts';
import { APPLICATION_PORT, DOMAIN_PORT, PROBED_PORT } from './rows.ts';

export const INSIDE = 'matrix';
export const OUTSIDE = 'matrix-outside';
const PORTS = [APPLICATION_PORT, PROBED_PORT, DOMAIN_PORT];
const never = new AbortController().signal;

export interface LabPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly address: string;
}

/** Pods on one node: two that are in the mesh, one that is not, and one on the network of the host. */
export interface LabPods extends AsyncDisposable {
  readonly captured: LabPod;
  readonly peer: LabPod;
  readonly other: LabPod;
  readonly host: LabPod;
  /** Address of a Service of `peer`. */
  readonly service: string;
}

/** As containers may be that have all rights inside their pod. Python is the machine's own. */
function podOf(namespace: string, name: string, node: NodePlan, extra: object = {}, container: object = {}): object {
  const mounts = ['usr', 'lib', 'lib64'].map((folder) => ({ name: folder, mountPath: `/${folder}`, readOnly: true }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name } },
    spec: {
      nodeName: node.name,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'application', image: DEMO_IMAGE, command: witness(...PORTS), securityContext: { privileged: true }, volumeMounts: mounts, ...container }],
      volumes: mounts.map(({ name: folder, mountPath }) => ({ name: folder, hostPath: { path: mountPath } })),
      ...extra,
    },
  };
}

export async function startLabPods(cluster: string, node: NodePlan): Promise<LabPods> {
  const namespace = (name: string, labels: object): object => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
  await apply(cluster, namespace(INSIDE, { 'landbridge.dev/dataplane-mode': 'ambient' }), namespace(OUTSIDE, {}));
  await apply(cluster,
    podOf(INSIDE, 'captured', node, {}, { readinessProbe: { tcpSocket: { port: PROBED_PORT }, periodSeconds: 1 } }),
    podOf(INSIDE, 'peer', node),
    podOf(OUTSIDE, 'other', node),
    podOf(OUTSIDE, 'host', node, { hostNetwork: true }),
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'peer', namespace: INSIDE }, spec: { selector: { app: 'peer' }, ports: [{ port: APPLICATION_PORT }] } });
  const started = async (where: string, name: string): Promise<LabPod> => {
    await kubectl(cluster, '-n', where, 'wait', '--for=condition=Ready', `pod/${name}`, '--timeout=90s');
    const { metadata, status } = JSON.parse(await kubectl(cluster, '-n', where, 'get', 'pod', name, '-o', 'json')) as { metadata: { uid: string }; status: { podIP: string } };
    return { namespace: where, name, uid: metadata.uid, address: status.podIP };
  };
  const [captured, peer, other, host] = await Promise.all([started(INSIDE, 'captured'), started(INSIDE, 'peer'), started(OUTSIDE, 'other'), started(OUTSIDE, 'host')]);
  for (const pod of [captured, peer]) await kubectl(cluster, '-n', INSIDE, 'wait', '--for=jsonpath={.metadata.annotations.ambient\\.istio\\.io/redirection}=enabled', `pod/${pod.name}`, '--timeout=60s');
  return {
    captured,
    peer,
    other,
    host,
    service: await kubectl(cluster, '-n', INSIDE, 'get', 'service', 'peer', '-o', 'jsonpath={.spec.clusterIP}'),
    [Symbol.asyncDispose]: async () => {
      for (const name of [INSIDE, OUTSIDE]) await kubectl(cluster, 'delete', 'namespace', name, '--wait=false');
    },
  };
}

/** Runs a command in a pod to its end and returns what it wrote. */
export async function runIn(cluster: string, { namespace, name }: LabPod, argv: readonly string[]): Promise<string> {
  return await run(kubectlCommand(['-n', namespace, 'exec', name, '--', ...argv]), { signal: never, env: clusterEnvironment(cluster) });
}

/** As one of the node's own processes. */
export async function runOnNode(node: NodePlan, argv: readonly string[]): Promise<string> {
  return await run(await inNode(node, argv), { signal: never });
}

/** In the pod's network, and in this process' control group, which is not below the node's. */
export async function runOutside({ uid }: LabPod, argv: readonly string[]): Promise<string> {
  const namespace = findPodNamespaces(new Set([uid])).get(uid);
  if (namespace === undefined) throw new Error(`pod ${uid} has no process`);
  return await run(['nsenter', `--net=${namespace}`, '--', ...argv], { signal: never });
}

/** Makes a network namespace inside a pod, as docker in it does, and runs a command in it. */
export async function runInInnerNamespace(cluster: string, pod: LabPod, argv: readonly string[]): Promise<string> {
  const ip = '/usr/bin/ip';
  const make = `mkdir -p /var/run /run && ${ip} netns add inner && ${ip} link add inner type veth peer name eth0 netns inner && ${ip} addr add 198.51.100.1/24 dev inner && ${ip} link set inner up && ${ip} -n inner addr add 198.51.100.2/24 dev eth0 && ${ip} -n inner link set eth0 up && ${ip} -n inner route add default via 198.51.100.1 && echo 1 > /proc/sys/net/ipv4/ip_forward && /usr/sbin/nft add table ip nat && /usr/sbin/nft add chain ip nat post '{ type nat hook postrouting priority 100; }' && /usr/sbin/nft add rule ip nat post oifname eth0 masquerade`;
  await runIn(cluster, pod, ['/bin/sh', '-ec', `${ip} netns list | grep -q inner || { ${make}; }`]);
  return await runIn(cluster, pod, [ip, 'netns', 'exec', 'inner', ...argv]);
}

/** The node's end of a pod's link. */
export async function linkOf(cluster: string, pod: LabPod, node: NodePlan): Promise<string> {
  const index = (await runIn(cluster, pod, ['/bin/cat', '/sys/class/net/eth0/iflink'])).trim();
  const outcome = await outcomeOf(['ip', '-n', node.netns, '-o', 'link'], { signal: never });
  const name = new RegExp(`^${index}: ([^@:]+)`, 'm').exec(outcome.stdout)?.[1];
  if (name === undefined) throw new Error(`${node.name} has no link ${index}`);
  return name;
}
