import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { findCgroup2 } from '@landbridge/agent/config.ts';
import { removeGroup } from '@landbridge/lab/cgroups.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import { mountBpf, unmountBpf } from './bpf-mount.ts';
import { makeNetwork, removeNetwork } from './mesh-network.ts';
import { MeshNode, ownGroup } from './mesh-node.ts';
import { type Families, planMesh, type Shape } from './mesh-plan.ts';
import type { MeshPod } from './mesh-pod.ts';

/** One directory for each process that has a mesh, so that what a killed one left is found. */
const DIRECTORY = '/run/landbridge-mesh';
const GROUPS_END_MS = 10_000;

/**
 * Nodes and pods without Kubernetes: network namespaces on this machine, joined by bridges. Needs root. Nothing of it
 * is left when it is disposed of; what a process left that was killed goes when the next mesh begins.
 */
export class Mesh implements AsyncDisposable {
  readonly nodes: readonly MeshNode[];
  readonly #home: string;

  private constructor(nodes: readonly MeshNode[], home: string) {
    this.nodes = nodes;
    this.#home = home;
  }

  /** One mesh for each process: its names are made of the process id. */
  static async open(shape: Shape, families: Families = {}): Promise<Mesh> {
    const plan = planMesh(shape, families);
    await removeMeshesOfDeadProcesses();
    const home = ownGroup(findCgroup2());
    const { cgroup, bpf, directory, prefix } = tracesOf(process.pid);
    mkdirSync(DIRECTORY, { recursive: true });
    mkdirSync(directory);
    try {
      mountBpf(bpf);
      makeNetwork(plan, prefix);
      return new Mesh(plan.map((node) => new MeshNode(node, prefix, { cgroup, bpf, directory })), home);
    } catch (thrown) {
      await removeMesh(process.pid);
      throw thrown;
    }
  }

  node(name: string): MeshNode {
    return found(this.nodes, name);
  }

  pod(name: string): MeshPod {
    return found(this.nodes.flatMap(({ pods }) => pods), name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    writeFileSync(this.#home, String(process.pid));
    await removeMesh(process.pid);
  }
}

function found<T extends { readonly name: string }>(all: readonly T[], name: string): T {
  const one = all.find((candidate) => candidate.name === name);
  if (one === undefined) throw new Error(`the mesh has no ${name}`);
  return one;
}

/** Everything of a mesh on the machine, by the id of its process. */
function tracesOf(pid: number): { readonly prefix: string; readonly cgroup: string; readonly directory: string; readonly bpf: string } {
  const prefix = `lbmesh${pid}`;
  const directory = path.join(DIRECTORY, String(pid));
  return { prefix, cgroup: path.join(findCgroup2(), prefix), directory, bpf: path.join(directory, 'bpf') };
}

async function removeMesh(pid: number): Promise<void> {
  const { prefix, cgroup, directory, bpf } = tracesOf(pid);
  if (existsSync(cgroup)) {
    // Whatever was started in it and was not stopped (Linux 5.14).
    writeFileSync(path.join(cgroup, 'cgroup.kill'), '1');
    await waitFor(() => removeGroup(cgroup) || undefined, { signal: new AbortController().signal, timeoutMs: GROUPS_END_MS, everyMs: 5, what: `the processes in ${cgroup} to end` });
  }
  removeNetwork(prefix);
  unmountBpf(bpf);
  rmSync(directory, { recursive: true, force: true });
}

async function removeMeshesOfDeadProcesses(): Promise<void> {
  for (const pid of existsSync(DIRECTORY) ? readdirSync(DIRECTORY) : []) if (!existsSync(`/proc/${pid}`)) await removeMesh(Number(pid));
}
