import test from 'ava';
import { findCgroup2 } from '@landbridge/agent/config.ts';
import { bundleAgent } from '@landbridge/lab/program-bundles.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { NAMESPACE, SERVICE_PORT, TARGET_PORT } from '../footprint/pod-objects.ts';
import { caller, greeter } from '../mesh/applications.ts';
import { AgentNodes, untilEnded } from '../replacement/agent-nodes.ts';

/** Without a rule it matches nothing, and so nothing is allowed. */
const NOTHING = { kind: 'AuthorizationPolicy', metadata: { name: 'nothing', namespace: NAMESPACE }, spec: {} };
const OTHER_PORT = TARGET_PORT + 1;
const END_MS = 30_000;

test('under a policy that allows nothing the kubelet probes a pod of a real agent, and nobody reaches it otherwise', async (t) => {
  buildCaptureObject();
  bundleAgent();
  await using nodes = await AgentNodes.open({ west: ['server', 'client'], east: [] }, { policies: [NOTHING] });
  const { mesh } = nodes;
  const [west, server, client] = [mesh.node('west'), mesh.pod('server'), mesh.pod('client')];
  for (const port of [TARGET_PORT, OTHER_PORT]) await server.start(greeter(port));
  const agent = await nodes.startReady('west', { 'kubelet.cgroup': west.kubeletGroup.slice(findCgroup2().length) });
  const metrics = async (): Promise<string> => await west.run(['busybox', 'wget', '-qO-', 'http://127.0.0.1:15020/metrics']);

  t.is(await west.runAsKubelet(caller(server.address, TARGET_PORT)), `${west.address} > ${server.address} ${TARGET_PORT} app saw ${west.address}`);
  t.is(await west.run(caller(server.address, TARGET_PORT)), 'ECONNRESET', 'another process of the node');
  t.is(await west.runAsKubelet(caller(server.address, OTHER_PORT)), 'ECONNRESET', 'a port that no probe names');
  t.is(await client.run(caller(nodes.service('server'), SERVICE_PORT)), 'ECONNRESET', 'a pod, by its service');
  const text = await metrics();
  t.regex(text, /^landbridge_kubelet_found 1$/m);
  t.regex(text, /^landbridge_kubelet_probes_total 1$/m);

  process.kill(agent.pid, 'SIGKILL');
  await untilEnded(agent.pid, END_MS);
  t.regex(await west.runAsKubelet(caller(server.address, TARGET_PORT)), /app saw/, 'without an agent');
  t.is(await west.run(caller(server.address, TARGET_PORT)), 'ECONNREFUSED');
  t.is(await west.runAsKubelet(caller(server.address, OTHER_PORT)), 'ECONNREFUSED');
});
