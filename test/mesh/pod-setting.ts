import type { MeshPod } from './mesh-pod.ts';

/** Gives a setting of a pod's network, as `ipv4/tcp_fastopen`, another value until it is disposed of. */
export async function withSetting(pod: MeshPod, name: string, value: string): Promise<AsyncDisposable> {
  const file = `/proc/sys/net/${name}`;
  const usual = await pod.run(['cat', file]);
  const set = async (text: string): Promise<unknown> => await pod.run(['sh', '-ec', `echo '${text}' > ${file}`]);
  await set(value);
  return { [Symbol.asyncDispose]: async () => void (await set(usual)) };
}

/** Has the kernel give its sockets these ports only. */
export const withPorts = async (pod: MeshPod, range: string): Promise<AsyncDisposable> => await withSetting(pod, 'ipv4/ip_local_port_range', range);
