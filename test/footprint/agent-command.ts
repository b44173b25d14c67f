import path from 'node:path';
import { type Manifest, only, render } from '../charts/render.ts';
import { REPOSITORY } from '../command.ts';
import type { MeshNode } from '../mesh/mesh-node.ts';

/** Where control-plane.ts listens on the loopback address of the node. */
export interface ControlPlanePorts {
  readonly discovery: number;
  readonly api: number;
}

/** What the chart would have the kubelet run, with this machine's files and the test's control plane. Takes agent/bundle.ts to have run. */
export async function agentCommand(directory: string, { name, cgroupRoot, bpfRoot }: MeshNode, ports: ControlPlanePorts, values: Readonly<Record<string, string | number | boolean>>, over: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
  const [container] = only(await render('agent', { 'cluster.name': 'west', ...values }), 'DaemonSet').spec.template.spec.containers;
  const environment = {
    ...Object.fromEntries(container.env.map((variable: Manifest) => [variable.name, variable.value ?? name])),
    XDS_ADDRESS: `https://localhost:${ports.discovery}`,
    CA_ADDRESS: `https://localhost:${ports.discovery}`,
    XDS_ROOT_CA: path.join(directory, 'ca.crt'),
    CA_ROOT_CA: path.join(directory, 'ca.crt'),
    TOKEN_FILE: path.join(directory, 'token'),
    KUBERNETES_CREDENTIALS: directory,
    KUBERNETES_SERVICE_HOST: 'localhost',
    KUBERNETES_SERVICE_PORT: String(ports.api),
    CGROUP_ROOT: cgroupRoot,
    BPF_ROOT: bpfRoot,
    SYSCTL_ROOT: '/proc/sys',
    // No network of this machine is to have the plugin.
    CNI_SOCKET: '',
    NRI_SOCKET: '',
    HEALTH_SOCKET: '',
    ...over,
  };
  const args = (container.args as readonly string[]).map((arg) => arg.replace(/^\/app(?=\/)/, REPOSITORY));
  return ['env', '-i', ...Object.entries(environment).map(([variable, value]) => `${variable}=${value}`), process.execPath, ...args];
}
