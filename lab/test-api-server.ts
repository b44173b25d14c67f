/** A Kubernetes API server of a test's own, with its etcd, on loopback. There is no node, no controller and no scheduler. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { access, constants, mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { KubeConfig, loadAllYaml } from '@kubernetes/client-node';
import { freePorts } from './free-ports.ts';
import { REPOSITORY } from './paths.ts';
import { kubeconfig, makeCertificates } from './pki.ts';
import { TestGate } from './test-gate.ts';
import { toolPath } from './tools.ts';
import { waitFor } from './wait.ts';

const READY_TIMEOUT_MS = 120_000;
/** A storage that is not ready yet has whoever asks come again, also where the server itself says that it is ready. */
const LATER: ReadonlySet<number> = new Set([429, 503]);
const DEFINITIONS = path.join(REPOSITORY, 'charts/federation/crds');

interface Ports {
  readonly etcd: number;
  readonly peers: number;
  readonly api: number;
}

/** CustomResourceDefinition, as far as it is looked at here. */
export interface Definition {
  readonly spec: { readonly group: string; readonly names: { readonly plural: string }; readonly versions: readonly { readonly name: string }[] };
}

export class TestApiServer implements AsyncDisposable {
  /** Of an administrator. */
  readonly config: KubeConfig;
  /** Of the same administrator, by way of {@link gate}. */
  readonly gatedConfig: KubeConfig;
  readonly gate: TestGate;
  readonly #directory: string;
  readonly #ports: Ports;
  readonly #serviceRange: string;
  #etcd: ChildProcess | undefined;
  #apiServer: ChildProcess | undefined;
  /** A test that ends without its disposal must not leave servers behind. */
  readonly #onExit = (): void => {
    this.#etcd?.kill('SIGKILL');
    this.#apiServer?.kill('SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  };

  private constructor(directory: string, ports: Ports, serviceRange: string, gate: TestGate, config: KubeConfig, gatedConfig: KubeConfig) {
    this.#directory = directory;
    this.#ports = ports;
    this.#serviceRange = serviceRange;
    this.gate = gate;
    this.config = config;
    this.gatedConfig = gatedConfig;
    process.once('exit', this.#onExit);
  }

  /** Returns a server that answers and knows ServiceExports and ServiceImports. Services have addresses of one family, or of two that are joined by a comma. */
  static async start(serviceRange = '10.99.0.0/24'): Promise<TestApiServer> {
    for (const tool of ['etcd', 'kube-apiserver'] as const) {
      await access(toolPath(tool), constants.X_OK).catch(() => {
        throw new Error(`there is no ${tool} to test with: run npm test once, which builds it`);
      });
    }
    const directory = await mkdtemp(path.join(tmpdir(), 'landbridge-kubernetes-'));
    const [etcd, peers, api] = await freePorts(3);
    const gate = await TestGate.start(api);
    await makeCertificates(
      directory,
      'test-ca',
      [
        { name: 'apiserver', commonName: 'kube-apiserver', subjectAltNames: ['IP:127.0.0.1', 'DNS:localhost'] },
        { name: 'admin', commonName: 'test-admin', organization: 'system:masters' },
      ],
      AbortSignal.timeout(READY_TIMEOUT_MS),
    );
    const [config, gatedConfig] = await Promise.all([api, gate.port].map((port) => configFor(directory, port)));
    const server = new TestApiServer(directory, { etcd, peers, api }, serviceRange, gate, config as KubeConfig, gatedConfig as KubeConfig);
    try {
      server.#startEtcd();
      await server.boot();
      await server.define(...readdirSync(DEFINITIONS).flatMap((name) => loadAllYaml(readFileSync(path.join(DEFINITIONS, name), 'utf8')) as Definition[]));
    } catch (thrown) {
      await server[Symbol.asyncDispose]();
      throw thrown;
    }
    return server;
  }

  /** Starts the API server, on the same port and with what it had; returns once it is ready. */
  async boot(): Promise<void> {
    const { etcd, api } = this.#ports;
    const file = (name: string): string => path.join(this.#directory, name);
    this.#apiServer = this.#spawn('kube-apiserver', [
      `--etcd-servers=http://127.0.0.1:${etcd}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${api}`,
      // There is no address by which pods could reach a server on loopback.
      '--endpoint-reconciler-type=none',
      `--service-cluster-ip-range=${this.#serviceRange}`,
      '--authorization-mode=RBAC',
      // Nobody makes the service accounts that it would ask for.
      '--disable-admission-plugins=ServiceAccount',
      `--client-ca-file=${file('ca.crt')}`,
      `--tls-cert-file=${file('apiserver.crt')}`,
      `--tls-private-key-file=${file('apiserver.key')}`,
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      `--service-account-key-file=${file('sa.pub')}`,
      `--service-account-signing-key-file=${file('sa.key')}`,
    ]);
    await this.#until('/readyz');
  }

  /** As a power cut does, without a goodbye. Etcd and what is in it stay. */
  async kill(): Promise<void> {
    await end(this.#apiServer);
  }

  get isRunning(): boolean {
    return this.#apiServer !== undefined && !hasEnded(this.#apiServer);
  }

  #startEtcd(): void {
    const { etcd, peers } = this.#ports;
    const clients = `http://127.0.0.1:${etcd}`;
    const data = path.join(this.#directory, 'etcd');
    this.#etcd = this.#spawn('etcd', [`--data-dir=${data}`, '--unsafe-no-fsync', `--listen-client-urls=${clients}`, `--advertise-client-urls=${clients}`, `--listen-peer-urls=http://127.0.0.1:${peers}`, '--log-level=warn']);
  }

  #spawn(tool: 'etcd' | 'kube-apiserver', args: readonly string[]): ChildProcess {
    const log = openSync(path.join(this.#directory, `${tool}.log`), 'a');
    // The kernel ends the server with the test, also where the test is killed.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', toolPath(tool), ...args], { stdio: ['ignore', log, log], cwd: this.#directory });
    closeSync(log);
    child.on('error', () => {});
    return child;
  }

  /** Makes an object as it stands: a typed client leaves out what its version of the API does not know, and renames `x-kubernetes-…`. */
  async create(collection: string, object: object): Promise<void> {
    const content = JSON.stringify(object);
    let mayBeThere = false;
    const { status, body } = await waitFor(
      async () => {
        this.#throwIfEnded();
        const answer = await this.#ask('POST', collection, content).catch(() => undefined);
        mayBeThere ||= answer === undefined;
        return answer === undefined || LATER.has(answer.status ?? 0) ? undefined : answer;
      },
      { signal: new AbortController().signal, timeoutMs: READY_TIMEOUT_MS, everyMs: 200, what: () => `a POST of ${collection} that the test's API server takes: ${this.#lastWords()}` },
    );
    if (status !== 201 && !(status === 409 && mayBeThere)) throw new Error(`the test's API server answered ${status} to a POST of ${collection}: ${body}`);
  }

  /** Objects of a collection. */
  async count(collection: string): Promise<number> {
    const { status, body } = await this.#ask('GET', `${collection}?limit=1`);
    if (status !== 200) throw new Error(`the test's API server answered ${status} to a GET of ${collection}: ${body}`);
    const { items, metadata } = JSON.parse(body) as { readonly items: readonly unknown[]; readonly metadata: { readonly remainingItemCount?: number } };
    return items.length + (metadata.remainingItemCount ?? 0);
  }

  /** Defines kinds; returns once objects of them can be written. A new kind is announced before its storage is there. */
  async define(...definitions: readonly Definition[]): Promise<void> {
    await Promise.all(definitions.map(async (definition) => await this.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition)));
    for (const { spec } of definitions) for (const { name } of spec.versions) await this.#until(`/apis/${spec.group}/${name}/${spec.names.plural}`);
  }

  async #until(at: string): Promise<void> {
    await waitFor(
      async () => {
        this.#throwIfEnded();
        return (await this.#ask('GET', at).catch(() => undefined))?.status === 200 ? true : undefined;
      },
      { signal: new AbortController().signal, timeoutMs: READY_TIMEOUT_MS, everyMs: 50, what: () => `${at} of the test's API server: ${this.#lastWords()}` },
    );
  }

  #throwIfEnded(): void {
    for (const child of [this.#etcd, this.#apiServer]) if (child !== undefined && hasEnded(child)) throw new Error(`a server ended early: ${this.#lastWords()}`);
  }

  #ask(method: string, at: string, content?: string): Promise<{ readonly status: number | undefined; readonly body: string }> {
    const file = (name: string): Buffer => readFileSync(path.join(this.#directory, name));
    const headers = content === undefined ? {} : { 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port: this.#ports.api, method, path: at, headers, agent: false, timeout: 5000, ca: file('ca.crt'), cert: file('admin.crt'), key: file('admin.key') }, (answer) => {
        let body = '';
        answer.setEncoding('utf8').on('data', (text: string) => (body += text)).once('end', () => resolve({ status: answer.statusCode, body })).once('error', reject);
      });
      asked.once('timeout', () => asked.destroy(new Error('no answer'))).once('error', reject).end(content);
    });
  }

  #lastWords(): string {
    return ['etcd', 'kube-apiserver'].map((name) => `${name}: ${readFileSync(path.join(this.#directory, `${name}.log`), 'utf8').trim().split('\n').slice(-3).join('\n')}`).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gate[Symbol.asyncDispose]();
    await end(this.#apiServer);
    await end(this.#etcd);
    process.off('exit', this.#onExit);
    await rm(this.#directory, { recursive: true, force: true });
  }
}

const hasEnded = (child: ChildProcess): boolean => child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || hasEnded(child)) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

async function configFor(directory: string, port: number): Promise<KubeConfig> {
  const config = new KubeConfig();
  config.loadFromString(await kubeconfig(directory, 'test', `https://127.0.0.1:${port}`, 'admin'));
  return config;
}
