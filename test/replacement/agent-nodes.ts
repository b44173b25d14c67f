import { get } from 'node:http';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { waitFor } from '@landbridge/lab/wait.ts';
import { agentCommand, gatewayCommand } from '../footprint/agent-command.ts';
import { CLUSTER, type IdlePod, importAddress, SERVICE_PORT, serviceAddress, serviceAddress6 } from '../footprint/pod-objects.ts';
import { Mesh } from '../mesh/mesh.ts';
import type { MeshNode } from '../mesh/mesh-node.ts';
import type { ToldPeer } from '../footprint/peered-cluster.ts';
import type { Families, Family } from '../mesh/mesh-plan.ts';
import type { MeshPod } from '../mesh/mesh-pod.ts';
import { type Program, startProgram } from '../mesh/program.ts';
import { persistentCall } from './load.ts';

const PORTS = { discovery: 15012, api: 6443 };
/** Of the control plane, where there is a further cluster; its nodes have it at the port of all. */
const FAR_DISCOVERY = PORTS.discovery + 1;
const CONTROL_PLANE = path.resolve(import.meta.dirname, '../footprint/control-plane.ts');
const READY_MS = 60_000;
const never = new AbortController().signal;

/** West, east and south are of one cluster. North is one of its own, in another network. */
type NodeName = 'west' | 'east' | 'south' | 'north';
type Values = Readonly<Record<string, string | number | boolean>>;

/** Of an agent that a test started. */
export interface NodeAgent extends Program {
  readonly healthSocket: string;
}

/**
 * A mesh whose nodes have agents as the chart starts them, each a process of its own, with one control plane for all. The
 * bundle and the BPF programs must be there. All pods are enrolled.
 */
export class AgentNodes implements AsyncDisposable {
  readonly mesh: Mesh;
  /** For files of the control plane and of agents. */
  readonly directory: string;
  #controlPlane: Program | undefined;
  #agents = 0;

  private constructor(mesh: Mesh, directory: string) {
    this.mesh = mesh;
    this.directory = directory;
  }

  /** `policies`: AuthorizationPolicies and PeerAuthentications, as an API server has them. `gateways`: pods that lead into the network of their cluster, which {@link startGateway} starts. `peersOf`: peers of the cluster of west; then all of its federation service runs. */
  static async open(shape: Readonly<Record<'west' | 'east', readonly string[]>> & { readonly south?: readonly string[]; readonly north?: readonly string[] }, { policies = [], families = {}, gateways = [], peersOf = () => [] }: { readonly policies?: readonly object[]; readonly peersOf?: (mesh: Mesh) => readonly ToldPeer[]; readonly families?: Families; readonly gateways?: readonly string[] } = {}): Promise<AgentNodes> {
    const mesh = await Mesh.open(shape, families);
    const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-replacement-'));
    const nodes = new AgentNodes(mesh, directory);
    try {
      const pods = mesh.nodes.flatMap((node) => node.pods.map((pod, i): IdlePod & { readonly pod: MeshPod } => ({ uid: uidOf(node, i), name: pod.name, address: pod.addresses[0] ?? '', addresses: pod.addresses, node: node.name, cluster: clusterOf(node.name), isGateway: gateways.includes(pod.name), pod })));
      writeFileSync(path.join(directory, 'pods.json'), JSON.stringify(pods.map(({ pod: _, ...facts }) => facts)));
      writeFileSync(path.join(directory, 'peers.json'), JSON.stringify(peersOf(mesh)));
      nodes.#writePolicies(policies);
      for (const { uid, node = '', isGateway, pod } of pods) if (isGateway !== true) await nodes.#holdNamespace(mesh.node(node), uid, pod);
      const west = mesh.node('west');
      nodes.#controlPlane = await startProgram(onHost(west), [process.execPath, CONTROL_PLANE, directory, String(PORTS.discovery), String(PORTS.api)]);
      for (const node of mesh.nodes) if (node !== west) await startProgram(onHost(node), relay(west.wan, portsOf(node.name)));
      return nodes;
    } catch (thrown) {
      await nodes[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** Has these policies and no others told to all agents. */
  setPolicies(policies: readonly object[]): void {
    this.#writePolicies(policies);
    if (this.#controlPlane !== undefined) process.kill(this.#controlPlane.pid, 'SIGHUP');
  }

  #writePolicies(policies: readonly object[]): void {
    writeFileSync(path.join(this.directory, 'policies.json'), JSON.stringify(policies));
  }

  /** A process in a control group of the pod, by which agents find its network namespace. */
  async #holdNamespace({ cgroupRoot }: MeshNode, uid: string, { netns }: MeshPod): Promise<void> {
    const group = path.join(cgroupRoot, 'pods', `pod${uid}`);
    mkdirSync(group);
    await startProgram({ netns, group: path.join(group, 'cgroup.procs') }, ['sh', '-c', 'echo ready; exec sleep infinity']);
  }

  /** An address of the Service that a pod has for itself. */
  service(name: string, family: Family = 'IPv4'): string {
    const index = this.mesh.nodes.flatMap(({ pods }) => pods).findIndex((pod) => pod.name === name);
    return family === 'IPv4' ? serviceAddress(index) : serviceAddress6(index);
  }

  /** As {@link service}, of the Service in the clusterset. */
  imported(name: string): string {
    return importAddress(this.mesh.nodes.flatMap(({ pods }) => pods).findIndex((pod) => pod.name === name));
  }

  /** Of all that is started in a cluster; networks have names where there are several. */
  #valuesOf(node: string): Values {
    return this.mesh.nodes.some(({ name }) => clusterOf(name) !== CLUSTER) ? { 'cluster.name': clusterOf(node), 'cluster.network': clusterOf(node) } : {};
  }

  /** Starts another agent on a node, in a control group of its own. */
  async start(node: NodeName, values: Values = {}): Promise<NodeAgent> {
    const generation = ++this.#agents;
    const healthSocket = path.join(this.directory, `health-${generation}.sock`);
    const command = await agentCommand(this.directory, this.mesh.node(node), PORTS, { workers: 2, accessLog: 'errors', ...this.#valuesOf(node), ...values }, { HEALTH_SOCKET: healthSocket, TOKEN_FILE: this.#tokenOf(node), ...(values['handover.enabled'] === undefined ? {} : { HANDOVER_DIRECTORY: path.join(this.directory, `handover-${node}`) }) });
    const program = await this.mesh.node(node).startAgent(command, generation);
    return Object.assign(program, { healthSocket });
  }

  /** Who an agent is, is its token's to say. */
  #tokenOf(node: NodeName): string {
    const file = path.join(this.directory, `token-${node}`);
    writeFileSync(file, node);
    return file;
  }

  async startReady(node: NodeName, values: Values = {}): Promise<NodeAgent> {
    const agent = await this.start(node, values);
    await untilReady(agent);
    return agent;
  }

  /** Starts the gateway that a pod is, and waits until it is ready. */
  async startGateway(name: string): Promise<void> {
    const pod = this.mesh.pod(name);
    const node = this.mesh.nodes.find(({ pods }) => pods.includes(pod))?.name ?? '';
    await pod.start(relay(this.mesh.node('west').wan, portsOf(node)));
    const healthSocket = path.join(this.directory, `health-${name}.sock`);
    const gateway = await pod.start(await gatewayCommand(this.directory, pod, PORTS, { workers: 1, accessLog: 'errors', ...this.#valuesOf(node) }, { POD_NAMESPACE: 'landbridge-system', HEALTH_SOCKET: healthSocket }));
    await untilReady(Object.assign(gateway, { healthSocket }));
  }

  /** Calls a pod's Service until the caller's agent goes there by a tunnel: discovery says that the pod takes some soon after its agent has told so. */
  async untilTunnelled(node: NodeName, from: MeshPod, to: string): Promise<void> {
    const call = async (): Promise<boolean> => {
      await using calling = await from.start(persistentCall(this.service(to), SERVICE_PORT));
      await calling.line();
      return /^landbridge_connections_total\{[^}]*outbound[^}]*hbone[^}]*\} [1-9]/m.test(await this.metrics(node));
    };
    await waitFor(async () => ((await call()) ? true : undefined), { signal: never, timeoutMs: READY_MS, what: `${to} to be called by a tunnel` });
  }

  /** Calls a pod's Service in the clusterset until it answers: where it is in another network, there is no way but through a gateway. */
  async untilReached(from: MeshPod, to: string): Promise<void> {
    await using calling = await from.start(persistentCall(this.imported(to), SERVICE_PORT));
    await calling.line();
  }

  /** What the agent that has the node's port says; empty while nobody has. */
  async metrics(node: NodeName): Promise<string> {
    return await this.mesh.node(node).run(['busybox', 'wget', '-qO-', 'http://127.0.0.1:15020/metrics']);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mesh[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export async function untilReady({ healthSocket }: NodeAgent): Promise<void> {
  let answer = '';
  await waitFor(async () => ((answer = await health(healthSocket)) === 'ready' ? true : undefined), { signal: never, timeoutMs: READY_MS, everyMs: 20, what: () => `the agent to be ready: ${answer}` });
}

/** What an agent says of itself; why it can not be asked otherwise. */
export async function health(socketPath: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  get({ socketPath, path: '/healthz/ready' }, (response) => {
    let text = '';
    response.on('data', (chunk: Buffer) => (text += chunk.toString()));
    response.on('end', () => resolve(text.trim()));
  }).on('error', (error) => resolve(error.message));
  return await promise;
}

/** Reads what an agent says until it says this. */
export async function untilSaid<T extends object>(agent: NodeAgent, message: string): Promise<T> {
  for (;;) {
    const line = JSON.parse(await agent.line()) as T & { readonly msg: string };
    if (line.msg === message) return line;
  }
}

/** Resolves once a process has ended. */
export async function untilEnded(pid: number, timeoutMs: number): Promise<void> {
  await waitFor(() => !isRunning(pid) || undefined, { signal: never, timeoutMs, everyMs: 10, what: `process ${pid} to end` });
}

export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    // ESRCH
    return false;
  }
}

const NODE_OF_UID: Readonly<Record<NodeName, string>> = { west: '8000', east: '9000', north: 'a000', south: 'b000' };
/** Agents look for processes of a pod on the whole machine, where other tests may have meshes too. */
const uidOf = ({ name }: MeshNode, index: number): string => `${String(process.pid).padStart(8, '0')}-0000-4000-${NODE_OF_UID[name as NodeName]}-${String(index).padStart(12, '0')}`;
const onHost = ({ netns, cgroupRoot }: MeshNode) => ({ netns, group: path.join(cgroupRoot, 'host', 'cgroup.procs') });
const clusterOf = (node: string): string => (node === 'north' ? 'north' : CLUSTER);
/** At which port of west a node has what. */
const portsOf = (node: string): readonly (readonly [here: number, there: number])[] => [[PORTS.discovery, clusterOf(node) === CLUSTER ? PORTS.discovery : FAR_DISCOVERY], [PORTS.api, PORTS.api]];
/** The control plane's certificate is for localhost. */
const relay = (host: string, ports: readonly (readonly [here: number, there: number])[]): readonly string[] => [process.execPath, '-e', `const net = require('net'); for (const [here, there] of ${JSON.stringify(ports)}) net.createServer((s) => { const t = net.connect(there, '${host}'); s.on('error', () => t.destroy()); t.on('error', () => s.destroy()); s.pipe(t).pipe(s); }).listen(here, '127.0.0.1'); console.log('ready')`];
