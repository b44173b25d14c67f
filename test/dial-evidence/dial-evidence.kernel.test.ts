import { bundleAgent } from '@landbridge/lab/program-bundles.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import { SERVICE_PORT } from '../footprint/pod-objects.ts';
import { greeter, repeatedCaller } from '../mesh/applications.ts';
import type { MeshPod } from '../mesh/mesh-pod.ts';
import { AgentNodes } from '../replacement/agent-nodes.ts';

/* Agents as the chart starts them, and the federation service of their cluster: what dials of the former come to, the latter tells all of them. */

/** The address of the one import. */
const SERVICE = '10.96.0.7';
const PORT = 8090;
/** So many at once. */
const CALLS = 20;

const FAILED = /^landbridge_tunnel_failures_total\{.*\} [1-9]/;

interface Dumped {
  readonly workloads: readonly { readonly uid: string; readonly locality?: { readonly subzone?: string } }[];
}

test.serial('a peer to which dials of two agents fail comes last for an agent that has not dialled it, and is first again later', async (t) => {
  t.timeout(300_000);
  buildCaptureObject();
  bundleAgent();
  await using nodes = await AgentNodes.open({ west: ['a'], east: ['b'], south: ['c'] }, {
    // Of the one nobody listens, neither for tunnels nor otherwise.
    peersOf: (mesh) => [
      { cluster: 'dark', service: 'cart', address: mesh.node('east').wan, port: PORT + 1, tunnel: 'hbone' },
      { cluster: 'lit', service: 'cart', address: mesh.node('west').wan, port: PORT, tunnel: 'none' },
    ],
  });
  const { mesh } = nodes;
  for (const node of ['west', 'east', 'south'] as const) await nodes.startReady(node);
  await using _lit = await mesh.node('west').start(greeter(PORT));
  const call = async (pod: MeshPod): Promise<string> => await pod.run(repeatedCaller(SERVICE, SERVICE_PORT, CALLS));
  const comesLast = async (): Promise<boolean> => {
    const dump = JSON.parse(await mesh.node('south').run(['busybox', 'wget', '-qO-', 'http://127.0.0.1:15000/config_dump'])) as Dumped;
    const dark = dump.workloads.filter(({ uid }) => uid.includes('cart-dark'));
    return dark.length > 0 && dark.every(({ locality }) => locality?.subzone === 'landbridge-stale');
  };
  const failures = async (node: 'west' | 'south'): Promise<string[]> => (await nodes.metrics(node)).split('\n').filter((line) => FAILED.test(line));

  await until('the service to be there', async () => (await call(mesh.pod('a'))) === `done ${CALLS}`);
  t.false(await comesLast());
  const startMs = performance.now();
  await until('the agent of the third node to be told that dark comes last', async () => {
    for (const pod of ['a', 'b']) t.is(await call(mesh.pod(pod)), `done ${CALLS}`, 'no call of an application fails');
    return await comesLast();
  });
  t.log(`told after ${Math.round(performance.now() - startMs)} ms`);
  t.is(await call(mesh.pod('c')), `done ${CALLS}`);
  // Threads are asked twice in a second what they have counted.
  await until('its calls to be counted', async () => [...(await nodes.metrics('south')).matchAll(/^istio_tcp_connections_opened_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0) >= CALLS);
  t.deepEqual(await failures('south'), [], 'it has dialled only the other one');
  t.not((await failures('west')).length, 0);
  await until('it counts as before', async () => !(await comesLast()));
});
