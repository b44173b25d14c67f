import type { MeshPod } from './mesh-pod.ts';

/** Has the kernel give a pod's sockets these ports only, until it is disposed of. */
export async function withPorts(pod: MeshPod, range: string): Promise<AsyncDisposable> {
  const file = '/proc/sys/net/ipv4/ip_local_port_range';
  const usual = await pod.run(['cat', file]);
  const set = async (value: string): Promise<unknown> => await pod.run(['sh', '-ec', `echo '${value}' > ${file}`]);
  await set(range);
  return { [Symbol.asyncDispose]: async () => void (await set(usual)) };
}
