import test from 'ava';
import { bundleAgent } from '@landbridge/lab/program-bundles.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { eventually } from '../agents/eventually.ts';
import { SERVICE_PORT, TARGET_PORT } from '../footprint/pod-objects.ts';
import { caller, greeter } from '../mesh/applications.ts';
import { AgentNodes } from '../replacement/agent-nodes.ts';

/* Agents as the chart starts them with `discovery: on-demand`, and the discovery of the federation service. */

const metric = (metrics: string, name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(metrics)?.[1]);

test.serial('pods of an agent that asks for what they need call each other by a tunnel, and what is outside of the mesh without the agent', async (t) => {
  buildCaptureObject();
  bundleAgent();
  await using nodes = await AgentNodes.open({ west: ['a', 'near'], east: ['b', 'c', 'd', 'outside'] });
  const { mesh } = nodes;
  const values = { discovery: 'on-demand' };
  await using _west = await nodes.startReady('west', values);
  await using _east = await nodes.startReady('east', values);
  const [a, b] = [mesh.pod('a'), mesh.pod('b')];
  t.log(`at first: ${metric(await nodes.metrics('west'), 'landbridge_discovery_workloads')} workloads`);
  t.is(metric(await nodes.metrics('west'), 'landbridge_discovery_workloads'), 2, 'its own pods');
  await using _server = await b.start(greeter(TARGET_PORT));
  await using _near = await mesh.pod('near').start(greeter(TARGET_PORT));
  await nodes.untilTunnelled('west', a, 'b');
  const service = nodes.service('b');
  t.is(await a.run(caller(service, SERVICE_PORT)), `${a.address} > ${service} ${SERVICE_PORT} app saw ${a.address}`);
  t.is(await a.run(caller(b.address, TARGET_PORT)), `${a.address} > ${b.address} ${TARGET_PORT} app saw ${a.address}`, 'by the pod\'s own address');
  const near = nodes.service('near');
  t.is(await a.run(caller(near, SERVICE_PORT)), `${a.address} > ${near} ${SERVICE_PORT} app saw ${a.address}`, 'of the same node');
  t.is(metric(await nodes.metrics('west'), 'landbridge_discovery_workloads'), 3, 'and of the others the one that was called');
  t.is(metric(await nodes.metrics('west'), 'landbridge_direct_destinations'), 0);
  // What answers there is no pod that discovery knows.
  const gateway = mesh.node('west').wan;
  await using _outside = await mesh.node('west').start(greeter(8090));
  for (let i = 0; i < 2; i++) t.regex(await a.run(caller(gateway, 8090)), new RegExp(`^${a.address.replaceAll('.', '\\.')} > `));
  await eventually(async () => metric(await nodes.metrics('west'), 'landbridge_direct_destinations'), (count) => count === 1, 5000);
});
