/** Node proxies on nodes of a {@link Cluster}: our agent as our chart has it, our agent in the place of ztunnel, and ztunnel. */
import path from 'node:path';
import { waitFor } from '@landbridge/lab/wait.ts';
import { only, render } from '../charts/render.ts';
import { REPOSITORY } from '../command.ts';
import type { MeshNode } from '../mesh/mesh-node.ts';
import type { Program } from '../mesh/program.ts';
import { type Account, API_PORT, type Cluster, type NodeName } from './cluster.ts';
import type { ControlPlane } from './control-plane.ts';
import { ztunnelEnvironment } from './ztunnel-environment.ts';

const AGENT = path.join(REPOSITORY, 'agent/main.ts');
const READY_MS = 90_000;

/** Who tells our agent which roots vouch for peers. */
export type Trust = 'discovery' | 'certificates';

export interface ProxyOptions {
  readonly cluster: Cluster;
  readonly node: NodeName;
  readonly account: Account;
  readonly control: ControlPlane;
  /** Further ones. */
  readonly variables: Readonly<Record<string, string>>;
}

export interface NodeProxy extends AsyncDisposable {
  /** The name of its log ({@link Cluster.log}). */
  readonly log: string;
}

/** What Istio's chart gives, and where this machine has what a pod would have mounted. */
async function common({ cluster, node, account, control }: ProxyOptions, kind: string) {
  const [namespace = '', name = ''] = account.split('/');
  const token = await cluster.proxyToken(account, node);
  const variables = {
    ...ztunnelEnvironment({ node, ip: cluster.node(node).address, pod: `${name}-${node}`, namespace, account: name }, control),
    XDS_ROOT_CA: control.roots,
    CA_ROOT_CA: control.roots,
    ALT_XDS_HOSTNAME: control.serverName,
    ALT_CA_HOSTNAME: control.serverName,
    AUTH_TOKEN: token,
    PATH: process.env['PATH'] ?? '',
  };
  return { variables, log: `${kind}-${node}` };
}

/** What our agent needs of a machine that is no node. */
const ofMachine = ({ cgroupRoot, bpfRoot }: MeshNode): Readonly<Record<string, string>> => ({ CGROUP_ROOT: cgroupRoot, BPF_ROOT: bpfRoot, SYSCTL_ROOT: '/proc/sys', CNI_SOCKET: '', NRI_SOCKET: '', HEALTH_SOCKET: '', WORKERS: '1', LOG_LEVEL: 'debug' });

/** Our agent with ztunnel's manifest and istio-cni: only who tells pods and roots is said in our own words. */
export async function startAgentForZtunnel(options: ProxyOptions, socket: string, trust: Trust): Promise<NodeProxy> {
  const { cluster, node } = options;
  const { variables, log } = await common(options, 'agent');
  return await launch(options, log, { ...variables, ...ofMachine(cluster.node(node)), POD_SOURCE: 'zds', INPOD_UDS: socket, TRUST_SOURCE: trust, TRUST_DOMAIN: options.control.trustDomain }, [process.execPath, AGENT]);
}

/** Our agent as our chart has it, told of pods by the API server. */
export async function startAgent(options: ProxyOptions, trust: Trust): Promise<NodeProxy> {
  const { cluster, node, account, control } = options;
  const { variables, log } = await common(options, 'agent');
  const api = await cluster.apiCredentials(account, node);
  const values = trust === 'certificates' ? { 'cluster.name': 'trial', 'istiod.address': control.address, 'istiod.clusterId': control.clusterId } : { 'cluster.name': control.clusterId };
  const [{ env }] = only(await render('agent', values), 'DaemonSet').spec.template.spec.containers as readonly [{ readonly env: readonly { readonly name: string; readonly value?: string }[] }];
  const chart = Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])));
  // What the kubelet fills in, where files are here, and that the control plane is known by an address.
  const { NODE_NAME, POD_NAME, POD_NAMESPACE, INSTANCE_IP, XDS_ADDRESS, CA_ADDRESS, XDS_ROOT_CA, CA_ROOT_CA, ALT_XDS_HOSTNAME, ALT_CA_HOSTNAME, AUTH_TOKEN, PATH } = variables;
  const here = { NODE_NAME, POD_NAME, POD_NAMESPACE, INSTANCE_IP, XDS_ADDRESS, CA_ADDRESS, XDS_ROOT_CA, CA_ROOT_CA, ALT_XDS_HOSTNAME, ALT_CA_HOSTNAME, AUTH_TOKEN, PATH, KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(API_PORT), KUBERNETES_CREDENTIALS: api };
  return await launch(options, log, { ...chart, ...here, ...ofMachine(cluster.node(node)) }, [process.execPath, AGENT]);
}

/** ztunnel with its manifest and istio-cni. */
export async function startZtunnel(options: ProxyOptions, executable: string, socket: string): Promise<NodeProxy> {
  const { variables, log } = await common(options, 'ztunnel');
  return await launch(options, log, { ...variables, INPOD_UDS: socket, IPV6_ENABLED: 'false', ZTUNNEL_WORKER_THREADS: '1' }, [executable]);
}

let agents = 0;

async function launch({ cluster, node, variables: further }: ProxyOptions, log: string, variables: Readonly<Record<string, string>>, argv: readonly string[]): Promise<NodeProxy> {
  const program: Program = await cluster.start(node, log, ['env', '-i', ...Object.entries({ ...variables, ...further }).map(([name, value]) => `${name}=${value}`), ...argv], { asAgent: ++agents });
  return { log, [Symbol.asyncDispose]: async () => await program[Symbol.asyncDispose]() };
}

/** Resolves once a node's proxy says that it is ready. */
export async function untilReady(cluster: Cluster, node: NodeName, log: string): Promise<void> {
  const ask = async (): Promise<string> => await cluster.node(node).run(['sh', '-c', 'busybox wget -qO- http://127.0.0.1:15021/healthz/ready 2>&1 || true']);
  await waitFor(async () => ((await ask()) === 'ready' ? true : undefined), { signal: new AbortController().signal, timeoutMs: READY_MS, what: () => `the proxy of ${node} to be ready: ${cluster.log(log).slice(-3000)}` });
}

/** What a node's proxy says of itself, in the shape that istioctl reads. */
export async function configDump(cluster: Cluster, node: NodeName): Promise<ConfigDump> {
  return JSON.parse(await cluster.node(node).run(['busybox', 'wget', '-qO-', 'http://127.0.0.1:15000/config_dump'])) as ConfigDump;
}

/** As far as it is looked at here. */
export interface ConfigDump {
  readonly workloads: readonly { readonly name: string; readonly protocol: string; readonly workloadIps: readonly string[]; readonly network: string; readonly capacity: number; readonly networkGateway?: { readonly destination: string; readonly hboneMtlsPort: number } | null; readonly services: readonly string[]; readonly authorizationPolicies?: readonly string[] }[];
  readonly services: readonly { readonly hostname: string; readonly vips: readonly string[] }[];
  readonly policies: readonly { readonly name: string; readonly namespace: string }[];
  readonly certificates: readonly { readonly identity: string; readonly state?: string }[];
}

/** The metrics of a node's proxy. */
export async function metrics(cluster: Cluster, node: NodeName): Promise<string> {
  return await cluster.node(node).run(['busybox', 'wget', '-qO-', 'http://127.0.0.1:15020/metrics']);
}
