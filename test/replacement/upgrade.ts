/**
 * Upgrades an agent under open connections of every kind, and prints on one line how many there were, how many of them
 * broke, by kind, and the longest time from a message to its answer, with that of a time without an upgrade beside it.
 * Ends with 1 where one broke that has to move.
 */
import path from 'node:path';
import { bundleAgent } from '@landbridge/agent/bundle.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { SERVICE_PORT, TARGET_PORT } from '../footprint/pod-objects.ts';
import { type Program, startProgram } from '../mesh/program.ts';
import { AgentNodes, type NodeAgent, untilEnded } from './agent-nodes.ts';
import { echo, steadyCalls, type SteadyCalls } from './load.ts';

const UPGRADES = 3;
const FLOWS = 50;
const OUTSIDE_PORT = 9090;
/** Connections that do not move have all but 5 of these. */
const GRACE_SECONDS = 8;
const END_MS = 30_000;
/** Without an upgrade, as the machine is at this moment. */
const QUIET_MS = 10_000;
const never = new AbortController().signal;
const values = { 'handover.enabled': true, plainTraffic: 'agent', terminationGracePeriodSeconds: GRACE_SECONDS };

interface Kind {
  readonly name: string;
  /** Whether it has to outlive an upgrade (docs/upgrade.md). */
  readonly moves: boolean;
  readonly load: Program;
}

async function told({ load }: Kind): Promise<SteadyCalls> {
  process.kill(load.pid, 'SIGTERM');
  return JSON.parse(await load.line()) as SteadyCalls;
}

buildCaptureObject();
bundleAgent();
await using nodes = await AgentNodes.open({ west: ['client', 'server'], east: ['peer'] });
const { mesh } = nodes;
const [west, east, client, server, peer] = [mesh.node('west'), mesh.node('east'), mesh.pod('client'), mesh.pod('server'), mesh.pod('peer')];
const onHost = (node: typeof west) => ({ netns: node.netns, group: path.join(node.cgroupRoot, 'host', 'cgroup.procs') });
for (const pod of [server, peer]) await pod.start(echo(TARGET_PORT));
await startProgram(onHost(east), echo(OUTSIDE_PORT));
await nodes.startReady('east', { plainTraffic: 'agent' });
let agent: NodeAgent = await nodes.startReady('west', values);
await nodes.untilTunnelled('west', client, 'peer');
await nodes.untilTunnelled('east', peer, 'server');
const kinds: readonly Kind[] = [
  { name: 'plain out', moves: true, load: await client.start(steadyCalls(east.wan, OUTSIDE_PORT, FLOWS)) },
  { name: 'plain in', moves: true, load: await startProgram(onHost(west), steadyCalls(server.address, TARGET_PORT, FLOWS)) },
  { name: 'tunnel out', moves: true, load: await client.start(steadyCalls(nodes.service('peer'), SERVICE_PORT, FLOWS)) },
  { name: 'tunnel in', moves: true, load: await peer.start(steadyCalls(nodes.service('server'), SERVICE_PORT, FLOWS)) },
  { name: 'same node', moves: true, load: await client.start(steadyCalls(nodes.service('server'), SERVICE_PORT, FLOWS)) },
];
await waitFor(QUIET_MS, never);
const quiet: number[] = [];
for (const { load } of kinds) {
  process.kill(load.pid, 'SIGHUP');
  quiet.push(Number(await load.line()));
}
for (let i = 0; i < UPGRADES; i++) {
  const old = agent;
  agent = await nodes.startReady('west', values);
  process.kill(old.pid, 'SIGTERM');
  await untilEnded(old.pid, END_MS);
}
const seen: (SteadyCalls & Kind)[] = [];
for (const kind of kinds) seen.push({ ...kind, ...(await told(kind)) });
const sum = (of: (each: SteadyCalls) => number): number => seen.reduce((total, each) => total + of(each), 0);
const byKind = seen.map(({ name, broken, flows }) => `${name} ${broken} of ${flows}`).join(', ');
process.stdout.write(`${sum(({ flows }) => flows)} flows, ${sum(({ broken }) => broken)} broken (${byKind}), longest pause ${Math.round(Math.max(...seen.filter(({ broken }) => broken === 0).map(({ longestMs }) => longestMs)))} ms in ${UPGRADES} upgrades (${Math.round(Math.max(...quiet))} ms without)\n`);
process.exitCode = seen.some(({ moves, broken }) => moves && broken > 0) ? 1 : 0;
