/** A cluster for programs of Istio and our own to run in: a real API server, and network namespaces for its nodes and pods. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from '@landbridge/lab/run.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import { toolPath } from '@landbridge/lab/tools.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import { Mesh } from '../mesh/mesh.ts';
import type { MeshNode } from '../mesh/mesh-node.ts';
import type { MeshPod } from '../mesh/mesh-pod.ts';
import { type Program, startProgram } from '../mesh/program.ts';

export const NAMESPACE = 'demo';
/** What a Kubernetes API server is at on each node's loopback. */
export const API_PORT = 6443;
const AUDIENCE = 'istio-ca';
const HOUR_SECONDS = 3600;
const COMMAND_MS = 60_000;

/** Where the control plane runs, and nothing else. */
export const CONTROL_NODE = 'south';
export type NodeName = 'west' | 'east' | 'north';

/** A service account: `NAMESPACE/NAME`. */
export type Account = `${string}/${string}`;

const signal = (): AbortSignal => AbortSignal.timeout(COMMAND_MS);

export class Cluster implements AsyncDisposable {
  readonly mesh: Mesh;
  /** For files of whatever runs in it. */
  readonly directory = mkdtempSync(path.join(tmpdir(), 'landbridge-istio-'));
  readonly #api: TestApiServer;
  readonly #stack = new AsyncDisposableStack();

  private constructor(mesh: Mesh, api: TestApiServer) {
    this.mesh = mesh;
    this.#api = api;
  }

  /** Pods by node. Each has a service account of its name, and a Service that leads to its port 8080 by port 80. */
  static async open(shape: Readonly<Record<NodeName, readonly string[]>>, definitions: readonly string[]): Promise<Cluster> {
    const mesh = await Mesh.open({ ...shape, [CONTROL_NODE]: [] });
    const cluster = new Cluster(mesh, await TestApiServer.start());
    try {
      const { config } = cluster.#api;
      const [{ server = '', caData = '' } = {}] = config.clusters;
      writeFileSync(cluster.#kubeconfig('host'), config.exportConfig());
      writeFileSync(cluster.kubeconfig, config.exportConfig().replace(server, `https://127.0.0.1:${API_PORT}`));
      writeFileSync(path.join(cluster.directory, 'ca.crt'), Buffer.from(caData, 'base64'));
      await cluster.#relay(Number(new URL(server).port));
      for (const file of definitions) await cluster.kubectl(['apply', '--server-side', '-f', file]);
      // A definition that is new has no conditions, which kubectl takes for an error.
      const established = async (): Promise<true | undefined> => await cluster.kubectl(['wait', '--for=condition=Established', '--timeout=10s', 'crd', '--all']).then(() => true, () => undefined);
      await waitFor(established, { signal: signal(), timeoutMs: COMMAND_MS, what: 'definitions to be established' });
      await cluster.apply(namespace('istio-system'), namespace('landbridge-system'), namespace(NAMESPACE, { 'istio.io/dataplane-mode': 'ambient' }));
      await cluster.apply(...mesh.nodes.map((node) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name: node.name, labels: { 'topology.kubernetes.io/region': 'r1', 'topology.kubernetes.io/zone': `zone-of-${node.name}` } } })));
      return cluster;
    } catch (thrown) {
      await cluster[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** Of an administrator on a node. */
  get kubeconfig(): string {
    return this.#kubeconfig('node');
  }

  #kubeconfig(where: string): string {
    return path.join(this.directory, `${where}.kubeconfig`);
  }

  node(name: NodeName | typeof CONTROL_NODE): MeshNode {
    return this.mesh.node(name);
  }

  pod(name: string): MeshPod {
    return this.mesh.pod(name);
  }

  async kubectl(args: readonly string[], input?: string): Promise<string> {
    return await run([toolPath('kubectl'), ...args], { signal: signal(), env: { KUBECONFIG: this.#kubeconfig('host'), KUBECACHEDIR: path.join(this.directory, 'kubectl-cache') }, ...(input === undefined ? {} : { input }) });
  }

  async apply(...objects: readonly object[]): Promise<void> {
    await this.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], list(objects));
  }

  async delete(...objects: readonly object[]): Promise<void> {
    await this.kubectl(['delete', '--ignore-not-found', '-f', '-'], list(objects));
  }

  /** Makes the objects of a pod of the mesh that runs and is ready; resolves to its uid. `redirected`: whether istio-cni would have said that it takes tunnels. */
  async admit(pod: MeshPod, node: NodeName, { redirected }: { readonly redirected: boolean }): Promise<string> {
    const { name, addresses } = pod;
    await this.#account(`${NAMESPACE}/${name}`);
    const uid = await this.#pod({ namespace: NAMESPACE, name, labels: { app: name }, annotations: redirected ? { 'ambient.istio.io/redirection': 'enabled' } : {} }, { node, account: name, addresses });
    await this.apply(
      { apiVersion: 'v1', kind: 'Service', metadata: { namespace: NAMESPACE, name }, spec: { ipFamilyPolicy: 'SingleStack', selector: { app: name }, ports: [{ name: 'tcp', port: 80, targetPort: 8080 }] } },
      { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { namespace: NAMESPACE, name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } }, addressType: 'IPv4', ports: [{ name: 'tcp', port: 8080, protocol: 'TCP' }], endpoints: [{ addresses: [pod.address], conditions: { ready: true }, nodeName: node, targetRef: { kind: 'Pod', namespace: NAMESPACE, name } }] },
    );
    // A process in a control group of the pod, by which our agent finds its network namespace.
    const group = path.join(this.node(node).cgroupRoot, 'pods', `pod${uid}`);
    mkdirSync(group);
    await startProgram({ netns: pod.netns, group: path.join(group, 'cgroup.procs') }, ['sh', '-c', 'echo ready; exec sleep infinity']);
    return uid;
  }

  /** The address of a Service. */
  async serviceAddress(name: string): Promise<string> {
    return await this.kubectl(['get', 'service', '-n', NAMESPACE, name, '-o', 'jsonpath={.spec.clusterIP}']);
  }

  /** Makes the pod of a node proxy and a token that is bound to it; resolves to the file of the token. */
  async proxyToken(account: Account, node: NodeName): Promise<string> {
    const [space = '', name = ''] = account.split('/');
    await this.#account(account);
    const podName = `${name}-${node}`;
    await this.#pod({ namespace: space, name: podName, labels: { app: name } }, { node, account: name, addresses: [this.node(node).address], hostNetwork: true });
    const file = path.join(this.directory, `token-${name}-${node}`);
    writeFileSync(file, await this.#token(space, name, podName, AUDIENCE));
    return file;
  }

  /** A folder with a proxy's token for the API server and its roots, as the kubelet mounts them; the proxy's pod must be there. */
  async apiCredentials(account: Account, node: NodeName): Promise<string> {
    const [space = '', name = ''] = account.split('/');
    const folder = path.join(this.directory, `api-${name}-${node}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'ca.crt'), readFileSync(path.join(this.directory, 'ca.crt')));
    writeFileSync(path.join(folder, 'token'), await this.#token(space, name, `${name}-${node}`));
    return folder;
  }

  async #token(space: string, account: string, pod: string, audience?: string): Promise<string> {
    const audiences = audience === undefined ? [] : [`--audience=${audience}`];
    return (await this.kubectl(['create', 'token', '-n', space, account, ...audiences, `--duration=${HOUR_SECONDS}s`, '--bound-object-kind=Pod', `--bound-object-name=${pod}`])).trim();
  }

  async #account(account: Account): Promise<void> {
    const [space, name] = account.split('/');
    await this.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: space, name } });
  }

  async #pod(metadata: { readonly namespace: string; readonly name: string; readonly labels: object; readonly annotations?: object }, { node, account, addresses, hostNetwork = false }: { readonly node: string; readonly account: string; readonly addresses: readonly string[]; readonly hostNetwork?: boolean }): Promise<string> {
    const { namespace: space, name } = metadata;
    await this.apply({ apiVersion: 'v1', kind: 'Pod', metadata, spec: { nodeName: node, serviceAccountName: account, hostNetwork, containers: [{ name: 'app', image: 'registry.example/app' }] } });
    const conditions = ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) => ({ type, status: 'True' }));
    await this.kubectl(['patch', 'pod', '-n', space, name, '--subresource=status', '--type=merge', '-p', JSON.stringify({ status: { phase: 'Running', conditions, podIP: addresses[0], podIPs: addresses.map((ip) => ({ ip })), hostIP: this.mesh.node(node).address, hostIPs: [{ ip: this.mesh.node(node).address }] } })]);
    return await this.kubectl(['get', 'pod', '-n', space, name, '-o', 'jsonpath={.metadata.uid}']);
  }

  /** Starts a program on a node whose words go to a file. */
  async start(node: NodeName | typeof CONTROL_NODE, log: string, argv: readonly string[], { asAgent = 0 }: { readonly asAgent?: number } = {}): Promise<Program> {
    const command = ['sh', '-c', 'cd "$0"; echo started; exec "$@" >>"$LOG" 2>&1', this.directory, ...argv];
    const withLog = ['env', `LOG=${this.logFile(log)}`, ...command];
    const at = this.node(node);
    return asAgent > 0 ? await at.startAgent(withLog, asAgent) : await at.start(withLog);
  }

  logFile(name: string): string {
    return path.join(this.directory, `${name}.log`);
  }

  /** What was written to a log from an offset on. */
  log(name: string, from = 0): string {
    try {
      return readFileSync(this.logFile(name), 'utf8').slice(from);
    } catch {
      // It has not begun yet.
      return '';
    }
  }

  /** Brings the API server, which is on this machine's loopback, to that of each node, by a socket in the file system. */
  async #relay(port: number): Promise<void> {
    const socket = path.join(this.directory, 'api.sock');
    const server = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      near.on('error', () => far.destroy());
      far.on('error', () => near.destroy());
      near.pipe(far).pipe(near);
    }).listen(socket);
    this.#stack.defer(() => void server.close());
    const script = `const net = require('net'); net.createServer((s) => { const t = net.connect(${JSON.stringify(socket)}); s.on('error', () => t.destroy()); t.on('error', () => s.destroy()); s.pipe(t).pipe(s); }).listen(${API_PORT}, '127.0.0.1', () => console.log('ready'))`;
    for (const node of this.mesh.nodes) await node.start([process.execPath, '-e', script]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mesh[Symbol.asyncDispose]();
    await this.#api[Symbol.asyncDispose]();
    await this.#stack.disposeAsync();
    if (process.env['LANDBRIDGE_KEEP_LOGS'] === undefined) rmSync(this.directory, { recursive: true, force: true });
    else process.stderr.write(`logs are in ${this.directory}\n`);
  }
}

const namespace = (name: string, labels: object = {}): object => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
const list = (objects: readonly object[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
