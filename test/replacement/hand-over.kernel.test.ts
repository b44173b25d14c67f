import path from 'node:path';
import test from 'ava';
import { bundleAgent } from '@landbridge/lab/program-bundles.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import { SERVICE_PORT, TARGET_PORT } from '../footprint/pod-objects.ts';
import { type Program, startProgram } from '../mesh/program.ts';
import { AgentNodes, type NodeAgent, untilEnded, untilSaid } from './agent-nodes.ts';
import { echo, steadyCalls, type SteadyCalls } from './load.ts';
import { threadPolicies } from './thread-policies.ts';

const UPGRADES = 3;
const FLOWS = 50;
const OUTSIDE_PORT = 9090;
const GRACE_SECONDS = 20;
const END_MS = 30_000;
/** Kept connections keep nobody alive: an agent that has given all away ends long before its grace period does. */
const GIVEN_MS = 10_000;
const never = new AbortController().signal;
const values = { 'handover.enabled': true, plainTraffic: 'agent', terminationGracePeriodSeconds: GRACE_SECONDS };

/** Asks a program of load.ts what it has seen, which ends it. */
async function told(load: Program): Promise<SteadyCalls> {
  process.kill(load.pid, 'SIGTERM');
  return JSON.parse(await load.line()) as SteadyCalls;
}

test.serial(`${UPGRADES} upgrades of an agent break no connection, in tunnels, through gateways or without`, async (t) => {
  buildCaptureObject();
  bundleAgent();
  await using nodes = await AgentNodes.open({ west: ['client', 'server'], east: ['peer', 'entry'], north: ['far', 'exit'] }, { gateways: ['entry', 'exit'] });
  const { mesh } = nodes;
  const [west, east, client, server, peer, far] = [mesh.node('west'), mesh.node('east'), mesh.pod('client'), mesh.pod('server'), mesh.pod('peer'), mesh.pod('far')];
  for (const pod of [server, peer, far]) await pod.start(echo(TARGET_PORT));
  const onHost = (node: typeof west) => ({ netns: node.netns, group: path.join(node.cgroupRoot, 'host', 'cgroup.procs') });
  await startProgram(onHost(east), echo(OUTSIDE_PORT));
  for (const node of ['east', 'north'] as const) await nodes.startReady(node);
  for (const gateway of ['entry', 'exit']) await nodes.startGateway(gateway);
  let agent: NodeAgent = await nodes.startReady('west', values);
  await nodes.untilTunnelled('west', client, 'peer');
  await nodes.untilTunnelled('east', peer, 'server');
  await nodes.untilReached(client, 'far');
  await nodes.untilReached(far, 'server');
  const loads: Readonly<Record<string, Program>> = {
    'out, to an address outside the mesh': await client.start(steadyCalls(east.wan, OUTSIDE_PORT, FLOWS)),
    'out, by tunnel': await client.start(steadyCalls(nodes.service('peer'), SERVICE_PORT, FLOWS)),
    'in, by tunnel': await peer.start(steadyCalls(nodes.service('server'), SERVICE_PORT, FLOWS)),
    'out, to another network': await client.start(steadyCalls(nodes.imported('far'), SERVICE_PORT, FLOWS)),
    'in, from another network': await far.start(steadyCalls(nodes.imported('server'), SERVICE_PORT, FLOWS)),
    'within the node': await client.start(steadyCalls(nodes.service('server'), SERVICE_PORT, FLOWS)),
    'in, plaintext': await startProgram(onHost(west), steadyCalls(server.address, TARGET_PORT, FLOWS)),
  };
  for (let i = 0; i < UPGRADES; i++) {
    const old = agent;
    agent = await nodes.startReady('west', values);
    process.kill(old.pid, 'SIGTERM');
    const beganMs = performance.now();
    await untilEnded(old.pid, END_MS);
    const tookMs = performance.now() - beganMs;
    t.log(`the old agent ended after ${Math.round(tookMs)} ms`);
    t.true(tookMs < GIVEN_MS, 'with nothing left to wait for');
    t.true((await untilSaid<{ readonly came_first: boolean }>(agent, 'connections taken over')).came_first, 'on the processors, while connections stood still');
    t.deepEqual(threadPolicies(agent.pid), [0], 'and no longer');
  }
  const seen = await waitFor(async () => await nodes.metrics('west').then((text) => (text.includes('landbridge_handover_connections_total{outcome="taken"} ') ? text : undefined)), { signal: never, timeoutMs: END_MS, what: 'metrics of the last agent' });
  t.true(seen.includes(`landbridge_handover_connections_total{outcome="taken"} ${Object.keys(loads).length * FLOWS}\n`), seen.split('\n').filter((line) => line.startsWith('landbridge_handover')).join('\n'));
  for (const [name, load] of Object.entries(loads)) {
    const calls = await told(load);
    t.log(`${name}: ${JSON.stringify(calls)}`);
    t.deepEqual([calls.broken, calls.errors], [0, {}], name);
  }
});
