import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type PacketCapture, startCapture } from '../e2e/packet-capture.ts';
import type { PlannedNode } from './mesh-plan.ts';
import { MeshPod } from './mesh-pod.ts';
import { type Program, runProgram, startProgram } from './program.ts';

/** Control groups below the node's: the agent's own, that of its pods, the kubelet's, and that of what else runs on it. */
const GROUPS = ['agent', 'pods', 'kubelet', 'host'] as const;

/** A network namespace with a bridge for its pods, where the node's agent and what a kubelet does would run. */
export class MeshNode {
  readonly name: string;
  readonly address: string;
  readonly address6: string;
  /** On the link between nodes. */
  readonly wan: string;
  readonly netns: string;
  /** What the agent attaches to: all groups of the node are below it. */
  readonly cgroupRoot: string;
  readonly bpfRoot: string;
  readonly pods: readonly MeshPod[];
  readonly #directory: string;
  #captures = 0;

  /** `prefix`: of the names of network namespaces. */
  constructor(plan: PlannedNode, prefix: string, root: { readonly cgroup: string; readonly bpf: string; readonly directory: string }) {
    this.name = plan.name;
    this.address = plan.address;
    this.address6 = plan.address6;
    this.wan = plan.wan;
    this.netns = `${prefix}-${plan.name}`;
    this.cgroupRoot = path.join(root.cgroup, plan.name);
    this.bpfRoot = path.join(root.bpf, plan.name);
    this.#directory = root.directory;
    for (const group of GROUPS) mkdirSync(path.join(this.cgroupRoot, group), { recursive: true });
    mkdirSync(this.bpfRoot);
    this.pods = plan.pods.map((pod) => new MeshPod(pod, { netns: `${prefix}-${pod.name}`, group: this.#group('pods') }, path.join(root.cgroup, 'cgroup.procs')));
  }

  #group(name: (typeof GROUPS)[number]): string {
    return path.join(this.cgroupRoot, name, 'cgroup.procs');
  }

  /** Of the first agent, or of one that follows it: each has a group of its own, as each container has. */
  #agentGroup(generation: number): string {
    if (generation === 1) return this.#group('agent');
    const group = path.join(this.cgroupRoot, `agent-${generation}`);
    mkdirSync(group, { recursive: true });
    return path.join(group, 'cgroup.procs');
  }

  /** Makes this process the node's agent, as far as the kernel is concerned, until the mesh ends. */
  becomeAgent(generation = 1): void {
    writeFileSync(this.#agentGroup(generation), String(process.pid));
  }

  /** Makes this process one of the node's other programs. */
  becomeHost(): void {
    writeFileSync(this.#group('host'), String(process.pid));
  }

  /** Starts a program as the node's agent, on the node's own network, and waits for its first line. */
  async startAgent(argv: readonly string[], generation = 1): Promise<Program> {
    return await startProgram({ netns: this.netns, group: this.#agentGroup(generation) }, argv);
  }

  /** The kubelet's control group. */
  get kubeletGroup(): string {
    return path.dirname(this.#group('kubelet'));
  }

  /** Runs a program on the node to its end, as the kubelet. */
  async runAsKubelet(argv: readonly string[]): Promise<string> {
    return await runProgram({ netns: this.netns, group: this.#group('kubelet') }, argv);
  }

  /** Runs a program on the node to its end, as what is neither a pod, nor the kubelet, nor the agent. */
  async run(argv: readonly string[]): Promise<string> {
    return await runProgram({ netns: this.netns, group: this.#group('host') }, argv);
  }

  /** Starts a program on the node and waits for its first line. */
  async start(argv: readonly string[]): Promise<Program> {
    return await startProgram({ netns: this.netns, group: this.#group('host') }, argv);
  }

  /** Captures packets on the link to the other nodes until `stop`; see e2e/packet-capture.ts. */
  async captureWan(filter = 'tcp'): Promise<PacketCapture> {
    const file = `${this.name}-${++this.#captures}.pcap`;
    return await startCapture(this.netns, 'wan', path.join(this.#directory, file), filter);
  }

  /** Captures packets on the link of one of the node's pods until `stop`; see e2e/packet-capture.ts. */
  async capturePod(pod: MeshPod, filter = 'tcp', bytes?: number): Promise<PacketCapture> {
    return await startCapture(this.netns, `v${pod.name}`, path.join(this.#directory, `${pod.name}.pcap`), filter, bytes);
  }
}

/** The file that names the control group of this process now. */
export function ownGroup(cgroup2: string): string {
  const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
  return path.join(cgroup2, own, 'cgroup.procs');
}
