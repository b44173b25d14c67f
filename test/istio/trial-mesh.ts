/** Six pods on three nodes, each node with another proxy, and all that is to be told of them to a control plane. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import { render } from '../charts/render.ts';
import { greeter } from '../mesh/applications.ts';
import type { MeshPod } from '../mesh/mesh-pod.ts';
import { echo } from '../replacement/load.ts';
import { callEach, type Outcomes } from './calls.ts';
import { type Account, Cluster, CONTROL_NODE, NAMESPACE, type NodeName } from './cluster.ts';
import { NodeIstioCni, redirectToZtunnel, type ToldPod } from './istio-cni.ts';
import type { IstioPrograms } from './istio-programs.ts';
import type { ControlPlane } from './control-plane.ts';
import { configDump, type NodeProxy, type Trust, startAgent, startAgentForZtunnel, startZtunnel, untilReady } from './node-proxies.ts';

/** Of each node a pod that calls and one that is called. */
export const PODS = { west: ['a', 'b'], east: ['c', 'd'], north: ['z', 'y'] } as const satisfies Record<NodeName, readonly [string, string]>;
export const NODES = Object.keys(PODS) as readonly NodeName[];
export const CALLERS = NODES.map((node) => PODS[node][0]);
export const SERVERS = NODES.map((node) => PODS[node][1]);
/** A program outside of the mesh, on the control node. */
export const PLAIN = 'plain';
export const GREETER_PORT = 8080;
export const ECHO_PORT = 8081;
const SETTLE_MS = 30_000;

export type Caller = (typeof CALLERS)[number] | typeof PLAIN;

const never = new AbortController().signal;

export class TrialMesh implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly programs: IstioPrograms;
  readonly #stack: AsyncDisposableStack;
  readonly #told: Readonly<Record<NodeName, readonly ToldPod[]>>;
  readonly #proxies: NodeProxy[] = [];
  #markers = 0;

  private constructor(cluster: Cluster, programs: IstioPrograms, told: Readonly<Record<NodeName, readonly ToldPod[]>>, stack: AsyncDisposableStack) {
    this.cluster = cluster;
    this.programs = programs;
    this.#told = told;
    this.#stack = stack;
  }

  /** With Istio's definitions, and all pods running. */
  static async open(programs: IstioPrograms): Promise<TrialMesh> {
    buildCaptureObject();
    const base = path.join(programs.source, 'manifests/charts/base/files');
    const stack = new AsyncDisposableStack();
    const cluster = stack.use(await Cluster.open(PODS, [path.join(base, readdirSync(base).find((name) => name.startsWith('crd-all')) ?? '')]));
    try {
      await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'elsewhere' } });
      await cluster.apply(...(await render('agent', { 'cluster.name': 'trial' })).filter(({ kind }) => /Role/.test(kind as string)) as object[]);
      const told: Record<NodeName, ToldPod[]> = { west: [], east: [], north: [] };
      for (const node of NODES) {
        for (const name of PODS[node]) {
          const pod = cluster.pod(name);
          // Our agent says by itself of which pods it takes tunnels, where it is not told of them by istio-cni.
          told[node].push({ pod, uid: await cluster.admit(pod, node, { redirected: node !== 'west' }) });
        }
      }
      for (const name of SERVERS) for (const server of [greeter(GREETER_PORT), echo(ECHO_PORT)]) await cluster.pod(name).start(server);
      for (const { pod } of told.north) await redirectToZtunnel(programs.source, pod);
      return new TrialMesh(cluster, programs, told, stack);
    } catch (thrown) {
      await stack.disposeAsync();
      throw thrown;
    }
  }

  /** Starts a proxy on each node, in the place of one that was there before, and waits until all are ready. `variables`: further ones for our agents. */
  async startProxies(control: ControlPlane, accounts: Readonly<Record<NodeName, Account>>, trust: Trust, variables: Readonly<Record<string, string>> = {}): Promise<void> {
    const { cluster, programs } = this;
    for (const proxy of this.#proxies.splice(0)) await proxy[Symbol.asyncDispose]();
    const options = (node: NodeName) => ({ cluster, node, account: accounts[node], control, variables: node === 'north' ? {} : variables });
    const [eastCni, northCni] = [new NodeIstioCni(), new NodeIstioCni()];
    this.#stack.use(eastCni);
    this.#stack.use(northCni);
    const west = await startAgent(options('west'), trust);
    const east = await startAgentForZtunnel(options('east'), eastCni.socket, trust);
    const north = await startZtunnel(options('north'), programs.ztunnel, northCni.socket);
    this.#proxies.push(west, east, north);
    await Promise.all([eastCni.tell(NAMESPACE, this.#told.east), northCni.tell(NAMESPACE, this.#told.north)]);
    await Promise.all([untilReady(cluster, 'west', west.log), untilReady(cluster, 'east', east.log), untilReady(cluster, 'north', north.log)]);
  }

  /** Resolves once each node's proxy knows of all pods that they take tunnels. */
  async untilTold(): Promise<void> {
    const names: readonly string[] = [...CALLERS, ...SERVERS];
    for (const node of NODES) {
      let missing: readonly string[] = [];
      await waitFor(async () => {
        const { workloads } = await configDump(this.cluster, node);
        missing = names.filter((name) => !workloads.some((workload) => workload.name === name && workload.protocol === 'HBONE'));
        return missing.length === 0 || undefined;
      }, { signal: never, timeoutMs: SETTLE_MS, what: () => `${node} to be told of ${missing.join()}` });
    }
  }

  pod(name: string): MeshPod {
    return this.cluster.pod(name);
  }

  /** What comes of one connection to each target (`HOST PORT`). */
  async call(caller: Caller, targets: readonly string[]): Promise<Outcomes> {
    const text = caller === PLAIN ? await this.cluster.node(CONTROL_NODE).run(callEach(targets)) : await this.pod(caller).run(callEach(targets));
    return JSON.parse(text) as Outcomes;
  }

  /** Who reaches which server's pod, directly by its address. */
  async reach(callers: readonly Caller[]): Promise<Readonly<Record<string, readonly Caller[]>>> {
    const targets = SERVERS.map((name) => `${this.pod(name).address} ${GREETER_PORT}`);
    const outcomes = await Promise.all(callers.map(async (caller) => await this.call(caller, targets)));
    return Object.fromEntries(SERVERS.map((name, at) => [name, callers.filter((_, i) => outcomes[i]?.[targets[at] ?? '']?.startsWith('app saw') === true)]));
  }

  /** Has these policies and no others in force before, and waits until every proxy has the newest. */
  async setPolicies(before: readonly object[], policies: readonly object[]): Promise<void> {
    const name = `marker-${++this.#markers}`;
    if (before.length > 0) await this.cluster.delete(...before);
    await this.cluster.apply(...policies, { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { namespace: 'elsewhere', name }, spec: { action: 'ALLOW', rules: [{ from: [{ source: { principals: ['*'] } }] }] } });
    for (const node of NODES) await waitFor(async () => ((await configDump(this.cluster, node)).policies.some((policy) => policy.name === name) ? true : undefined), { signal: never, timeoutMs: SETTLE_MS, what: `${node} to have the policies` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
