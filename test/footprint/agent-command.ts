import path from 'node:path';
import { type Manifest, only, render } from '../charts/render.ts';
import { REPOSITORY } from '../command.ts';
import type { MeshNode } from '../mesh/mesh-node.ts';
import type { MeshPod } from '../mesh/mesh-pod.ts';

/** Where control-plane.ts listens on the loopback address of the node. */
export interface ControlPlanePorts {
  readonly discovery: number;
  readonly api: number;
}

type Values = Readonly<Record<string, string | number | boolean>>;
type Environment = Readonly<Record<string, string>>;

/** What the chart would have the kubelet run, with this machine's files and the test's control plane. Takes the agent to be bundled. */
export async function agentCommand(directory: string, { name, cgroupRoot, bpfRoot }: MeshNode, ports: ControlPlanePorts, values: Values, over: Environment = {}): Promise<readonly string[]> {
  // All agents that tests start on this machine would meet in one folder of it.
  const [container] = only(await render('agent', { 'cluster.name': 'west', 'handover.enabled': false, ...values }), 'DaemonSet').spec.template.spec.containers;
  return commandOf(container, name, {
    ...controlPlaneFiles(directory, ports),
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
  });
}

/** As {@link agentCommand}, for the gateway that a pod is. */
export async function gatewayCommand(directory: string, { name, address }: MeshPod, ports: ControlPlanePorts, values: Values, over: Environment = {}): Promise<readonly string[]> {
  const [container] = only(await render('gateway', { 'cluster.name': 'west', ...values }), 'Deployment').spec.template.spec.containers;
  return commandOf(container, name, { ...controlPlaneFiles(directory, ports), INSTANCE_IP: address, ...over });
}

const controlPlaneFiles = (directory: string, ports: ControlPlanePorts): Environment => ({
  XDS_ADDRESS: `https://localhost:${ports.discovery}`,
  CA_ADDRESS: `https://localhost:${ports.discovery}`,
  XDS_ROOT_CA: path.join(directory, 'ca.crt'),
  CA_ROOT_CA: path.join(directory, 'ca.crt'),
  TOKEN_FILE: path.join(directory, 'token'),
});

/** `name`: for all that the kubelet would fill in. */
function commandOf(container: Manifest, name: string, over: Environment): readonly string[] {
  const environment = { ...Object.fromEntries(container.env.map((variable: Manifest) => [variable.name, variable.value ?? name])), ...over };
  const args = (container.args as readonly string[]).map((arg) => arg.replace(/^\/app(?=\/)/, REPOSITORY));
  return ['env', '-i', ...Object.entries(environment).map(([variable, value]) => `${variable}=${value}`), process.execPath, ...args];
}
