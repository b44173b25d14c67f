import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { findCgroup2 } from '@landbridge/agent/config.ts';
import { labGroup, readHierarchies, removeGroup } from '@landbridge/lab/cgroups.ts';
import { archiveEntries } from '@landbridge/lab/image-archive.ts';
import { importImage } from '@landbridge/lab/image-store.ts';
import { DEMO_IMAGE, labImages } from '@landbridge/lab/images.ts';
import { cniConfiguration, containerdConfiguration, containerdServer, NODE_HOME, PAUSE_IMAGE } from '@landbridge/lab/kubernetes-config.ts';
import { bootNode, inNode, startServers, toolInNode } from '@landbridge/lab/node.ts';
import { nodeDirectory } from '@landbridge/lab/paths.ts';
import type { NodePlan } from '@landbridge/lab/plan.ts';
import { outcomeOf, run } from '@landbridge/lab/run.ts';
import { writeTar } from '@landbridge/lab/tar.ts';
import { patient, waitFor } from '@landbridge/lab/wait.ts';
import { mountBpf, unmountBpf } from '../mesh/bpf-mount.ts';
import { ownGroup } from '../mesh/mesh-node.ts';
import { CriClient } from './cri-client.ts';

const START_MS = 60_000;
const END_MS = 20_000;
/** Plugins have the time that they have by default. Pods say by an annotation without which plugins none of their containers may be made. */
const PLUGINS = `[plugins.'io.containerd.nri.v1.nri']
  plugin_registration_timeout = '${patient(5)}s'
  plugin_request_timeout = '${patient(2)}s'
[plugins.'io.containerd.nri.v1.nri'.default_validator]
  enable = true
`;

/** A node of the lab without Kubernetes: namespaces of its own with a real containerd, which this process is the kubelet of. Needs root. */
export class RuntimeNode implements AsyncDisposable {
  readonly #plan: NodePlan;
  readonly #group: string;
  readonly #home = ownGroup(findCgroup2());
  readonly cri: CriClient;
  /** The node's files as this process sees them. */
  readonly #root: string;

  private constructor(plan: NodePlan, group: string, root: string) {
    this.#plan = plan;
    this.#group = group;
    this.#root = root;
    this.cri = new CriClient(path.join(root, 'run/containerd/containerd.sock'));
  }

  static async open(): Promise<RuntimeNode> {
    const name = `runtime${process.pid}`;
    const plan: NodePlan = { name, role: 'worker', netns: `lb-${name}`, address: '172.31.99.10', link: 'none', podRange: '10.199.0.0/24' };
    const signal = AbortSignal.timeout(patient(START_MS));
    const directory = nodeDirectory(name);
    for (const folder of ['etc', 'log', 'lib', 'varlog', 'bpf']) mkdirSync(path.join(directory, folder), { recursive: true });
    const etc = (file: string, text: string): void => writeFileSync(path.join(directory, 'etc', file), text);
    etc('cni.conflist', JSON.stringify(cniConfiguration(plan)));
    etc('containerd.toml', `${containerdConfiguration()}${PLUGINS}`);
    etc('resolv.conf', '');
    etc('hosts', '127.0.0.1 localhost\n');
    execFileSync('ip', ['netns', 'add', plan.netns]);
    // containerd listens there, and ends itself where it can not.
    execFileSync('ip', ['-n', plan.netns, 'link', 'set', 'lo', 'up']);
    const cgroup2 = readHierarchies().find(({ version }) => version === 2);
    if (cgroup2 === undefined) throw new Error('there is no cgroup2');
    const group = path.join(labGroup(cgroup2), name);
    await bootNode(plan, signal);
    const node = new RuntimeNode(plan, group, `/proc/${readFileSync(path.join(directory, 'init.pid'), 'utf8')}/root`);
    try {
      mountBpf(node.bpfRoot);
      mkdirSync(path.join(group, 'agent'));
      writeFileSync(path.join(group, 'agent', 'cgroup.procs'), String(process.pid));
      await node.#startContainerd(signal);
      const images = (await labImages(signal)).filter((image) => [PAUSE_IMAGE, DEMO_IMAGE].includes(image.name));
      await writeTar(path.join(directory, 'images.tar'), archiveEntries(images), signal);
      await importImage(`${NODE_HOME}/images.tar`, plan, signal);
      return node;
    } catch (thrown) {
      await node[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** What captures of the node's pods attach to. */
  get cgroupRoot(): string {
    return this.#group;
  }

  get bpfRoot(): string {
    return path.join(nodeDirectory(this.#plan.name), 'bpf');
  }

  /** A path of the node, as this process can open it. */
  fileOf(file: string): string {
    return path.join(this.#root, file.replace(/^\/var\/run\//, '/run/'));
  }

  /** What the node sees as NODE_HOME. */
  get home(): string {
    return nodeDirectory(this.#plan.name);
  }

  get nriSocket(): string {
    return this.fileOf('/run/nri/nri.sock');
  }

  async #startContainerd(signal: AbortSignal): Promise<void> {
    await startServers(this.#plan, [containerdServer(toolInNode)], signal);
    await this.#untilReady(signal);
  }

  async #untilReady(signal: AbortSignal): Promise<void> {
    await waitFor(async () => (await this.cri.isReady()) || undefined, { signal, timeoutMs: START_MS, everyMs: 50, what: () => `containerd: ${this.runtimeLog}` });
  }

  /** The end of what containerd has logged. */
  get runtimeLog(): string {
    return readFileSync(path.join(nodeDirectory(this.#plan.name), 'log/containerd.log'), 'utf8').slice(-2000);
  }

  /** Ends containerd at once, as a crash does; it begins again by itself. Containers go on. */
  async killContainerd(): Promise<void> {
    const signal = AbortSignal.timeout(patient(START_MS));
    const pid = await this.#pidOfContainerd(signal);
    await run(await inNode(this.#plan, ['kill', '-KILL', pid]), { signal });
    await waitFor(async () => (await this.#pidOfContainerd(signal).catch(() => pid)) !== pid || undefined, { signal, timeoutMs: START_MS, everyMs: 50, what: 'another containerd' });
    await this.#untilReady(signal);
  }

  async #pidOfContainerd(signal: AbortSignal): Promise<string> {
    const { stdout } = await outcomeOf(await inNode(this.#plan, ['pgrep', '-x', 'containerd']), { signal });
    if (!/^\d+$/.test(stdout.trim())) throw new Error('containerd is not running');
    return stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cri[Symbol.dispose]();
    writeFileSync(this.#home, String(process.pid));
    const directory = nodeDirectory(this.#plan.name);
    // The end of its first process is that of all others of its pid namespace.
    process.kill(Number(readFileSync(path.join(directory, 'init.pid'), 'utf8')), 'SIGKILL');
    const signal = AbortSignal.timeout(patient(END_MS));
    for (const hierarchy of readHierarchies()) {
      const group = path.join(labGroup(hierarchy), this.#plan.name);
      if (existsSync(group)) await waitFor(() => removeGroup(group) || undefined, { signal, timeoutMs: END_MS, everyMs: 20, what: `the processes in ${group} to end` });
      removeIfEmpty(labGroup(hierarchy));
    }
    unmountBpf(this.bpfRoot);
    execFileSync('ip', ['netns', 'delete', this.#plan.netns]);
    rmSync(directory, { recursive: true, force: true });
    for (const parent of [path.dirname(directory), path.dirname(path.dirname(directory))]) removeIfEmpty(parent);
  }
}

/** The lab's own folders and groups, where nothing else of it is there. */
function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (thrown) {
    // In a virtual machine it is a file system of its own, which stays.
    if (!['ENOTEMPTY', 'EBUSY'].includes((thrown as NodeJS.ErrnoException).code ?? '')) throw thrown;
  }
}
