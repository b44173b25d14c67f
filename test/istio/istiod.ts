import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { waitFor } from '@landbridge/lab/wait.ts';
import type { Program } from '../mesh/program.ts';
import type { ControlPlane } from './control-plane.ts';
import { type Account, type Cluster, CONTROL_NODE } from './cluster.ts';

const PORT = 15012;
const ROOT_NAMESPACE = 'istio-system';
const READY_MS = 120_000;

/** As the charts of Istio give it, profile ambient. */
const environment = (trusted: readonly Account[]): Readonly<Record<string, string>> => ({
  REVISION: 'default',
  PILOT_CERT_PROVIDER: 'istiod',
  POD_NAME: 'istiod-0',
  POD_NAMESPACE: ROOT_NAMESPACE,
  SERVICE_ACCOUNT: 'istiod',
  CA_TRUSTED_NODE_ACCOUNTS: trusted.join(),
  PILOT_ENABLE_AMBIENT: 'true',
  PILOT_ENABLE_ANALYSIS: 'false',
  CLUSTER_ID: 'Kubernetes',
  PLATFORM: '',
});

const MESH_CONFIG = `rootNamespace: ${ROOT_NAMESPACE}
trustDomain: cluster.local
defaultConfig:
  proxyMetadata:
    ISTIO_META_ENABLE_HBONE: "true"
`;

/** The real istiod on the control node. */
export class Istiod implements ControlPlane, AsyncDisposable {
  readonly address: string;
  readonly serverName = `istiod.${ROOT_NAMESPACE}.svc`;
  readonly roots: string;
  readonly clusterId = 'Kubernetes';
  readonly trustDomain = 'cluster.local';
  readonly #cluster: Cluster;
  readonly #argv: readonly string[];
  #program: Program | undefined;

  /** `trusted`: service accounts of node proxies. */
  constructor(cluster: Cluster, executable: string, trusted: readonly Account[]) {
    this.#cluster = cluster;
    this.address = `${cluster.node(CONTROL_NODE).wan}:${PORT}`;
    this.roots = path.join(cluster.directory, 'istio-root.pem');
    const mesh = path.join(cluster.directory, 'istio-mesh');
    writeFileSync(mesh, MESH_CONFIG);
    mkdirSync(path.join(cluster.directory, 'var/run/secrets/istio-dns'), { recursive: true });
    const variables = Object.entries(environment(trusted)).map(([name, value]) => `${name}=${value}`);
    this.#argv = ['env', '-i', 'PATH=/usr/bin:/bin', `HOME=${cluster.directory}`, ...variables, executable, 'discovery', '--monitoringAddr=127.0.0.1:15014', '--httpAddr=127.0.0.1:8080', '--grpcAddr=', '--httpsAddr=127.0.0.1:15017', '--ctrlz_port=0', '--domain=cluster.local', `--kubeconfig=${cluster.kubeconfig}`, `--meshConfig=${mesh}`, '--keepaliveMaxServerConnectionAge=30m'];
  }

  /** Starts it, or starts it again; returns once it is ready. */
  async start(): Promise<void> {
    this.#program = await this.#cluster.start(CONTROL_NODE, 'istiod', this.#argv);
    const signal = new AbortController().signal;
    await waitFor(async () => (await this.#answers()) || undefined, { signal, timeoutMs: READY_MS, what: () => `istiod to be ready: ${this.#cluster.log('istiod').slice(-2000)}` });
    const root = await waitFor(async () => (await this.#cluster.kubectl(['get', 'configmap', '-n', ROOT_NAMESPACE, 'istio-ca-root-cert', '-o', 'jsonpath={.data.root-cert\\.pem}']).catch(() => '')) || undefined, { signal, timeoutMs: READY_MS, what: 'istiod to tell its root' });
    writeFileSync(this.roots, root);
  }

  /** As a node that loses power does. */
  async kill(): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #answers(): Promise<boolean> {
    const status = await this.#cluster.node(CONTROL_NODE).run(['sh', '-c', 'busybox wget -qO- http://127.0.0.1:8080/ready >/dev/null 2>&1 && echo ready || true']);
    return status === 'ready';
  }
}
