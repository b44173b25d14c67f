import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { waitFor } from '@landbridge/lab/wait.ts';
import { REPOSITORY } from '../command.ts';
import type { Program } from '../mesh/program.ts';
import { type Cluster, CONTROL_NODE } from './cluster.ts';
import type { ControlPlane } from './control-plane.ts';

const PORT = 15012;
const CLUSTER_NAME = 'trial';
const READY_MS = 60_000;
const NAMESPACE = 'landbridge-system';

/** Our federation service on the control node, of a cluster that has joined nobody. */
export class FederationService implements ControlPlane, AsyncDisposable {
  readonly address: string;
  readonly serverName = `landbridge-federation.${NAMESPACE}.svc`;
  readonly roots: string;
  readonly clusterId = CLUSTER_NAME;
  readonly trustDomain = `${CLUSTER_NAME}.landbridge`;
  readonly #cluster: Cluster;
  readonly #argv: readonly string[];
  #program: Program | undefined;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.address = `${cluster.node(CONTROL_NODE).wan}:${PORT}`;
    this.roots = path.join(cluster.directory, 'federation-root.pem');
    const config = path.join(cluster.directory, 'federation.json');
    writeFileSync(config, JSON.stringify({ cluster: { name: CLUSTER_NAME }, logLevel: 'debug' }));
    this.#argv = ['env', `LANDBRIDGE_CONFIG=${config}`, `KUBECONFIG=${cluster.kubeconfig}`, `POD_NAMESPACE=${NAMESPACE}`, process.execPath, path.join(REPOSITORY, 'federation/main.ts')];
  }

  /** Starts it, or starts it again; returns once it is ready. */
  async start(): Promise<void> {
    this.#program = await this.#cluster.start(CONTROL_NODE, 'federation', this.#argv);
    const node = this.#cluster.node(CONTROL_NODE);
    const signal = new AbortController().signal;
    await waitFor(async () => (await node.run(['sh', '-c', 'busybox wget -qO- http://127.0.0.1:15014/healthz/ready >/dev/null 2>&1 && echo ready || true'])) || undefined, { signal, timeoutMs: READY_MS, what: () => `the federation service to be ready: ${this.#cluster.log('federation').slice(-2000)}` });
    const root = await waitFor(async () => (await this.#cluster.kubectl(['get', 'configmap', '-n', NAMESPACE, 'landbridge-ca-root', '-o', 'jsonpath={.data.root-cert\\.pem}']).catch(() => '')) || undefined, { signal, timeoutMs: READY_MS, what: 'the federation service to tell its root' });
    writeFileSync(this.roots, root);
  }

  async kill(): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
