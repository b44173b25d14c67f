/**
 * Upgrades an agent under open connections of every kind, each byte of which is checked at both ends, and prints on one
 * line how many there were, how many of them broke, and how long they stood still. `--flows N` and `--upgrades N` are
 * for more than the usual ones; with more lines of what was measured. `--kills N` has as many successors killed instead,
 * at moments drawn by lot. Ends with 1 where a connection broke that has to live.
 */
import { parseArgs } from 'node:util';
import { bundleAgent } from '@landbridge/lab/program-bundles.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { quantile } from '../quantile.ts';
import { AgentNodes, type NodeAgent, untilEnded, untilSaid } from './agent-nodes.ts';
import { brokenOf, Flows } from './flows.ts';
import { KILL_VALUES, killSuccessor } from './killed-successors.ts';

const GRACE_SECONDS = 60;
const END_MS = 120_000;
const { values: options } = parseArgs({ options: { flows: { type: 'string', default: '250' }, upgrades: { type: 'string', default: '3' }, kills: { type: 'string', default: '0' }} });
const [flowCount, upgrades, kills] = [Number(options.flows), Number(options.upgrades), Number(options.kills)];
const say = (text: string): void => void process.stdout.write(`${text}\n`);

interface Batch {
  readonly connections: number;
  readonly tunnels: number;
  readonly pause_ms: number;
  readonly state_bytes: number;
}

/** What an agent has said of a hand-over that it gave. */
interface Given {
  readonly connections: number;
  readonly tookMs: number;
  readonly staying: object;
}

/** Reads what an agent says until it ends. */
async function given(agent: NodeAgent): Promise<readonly Given[]> {
  const all: Given[] = [];
  for (;;) {
    const line = JSON.parse(await agent.line()) as { readonly msg: string; readonly connections: number; readonly took_ms: number; readonly staying: object };
    if (line.msg === 'connections handed over') all.push({ connections: line.connections, tookMs: line.took_ms, staying: line.staying });
    if (line.msg === 'agent stopped') return all;
  }
}

/** The batches in which so many connections have come to an agent, as it has said. */
async function taken(agent: NodeAgent, connections: number): Promise<readonly Batch[]> {
  const batches: Batch[] = [];
  for (let left = connections; left > 0; ) {
    const batch = await untilSaid<Batch>(agent, 'batch of connections taken');
    batches.push(batch);
    left -= batch.connections;
  }
  return batches;
}

/** Of connections, each of which stood still as long as its batch. */
function shareOf(batches: readonly Batch[], share: number): number {
  return quantile(batches.flatMap(({ connections, pause_ms: pauseMs }) => Array.from({ length: connections }, () => pauseMs)), share);
}

const pausesOf = (name: string, batches: readonly Batch[]): string => `${name}: ${batches.reduce((sum, { connections }) => sum + connections, 0)} moves, pause p50 ${shareOf(batches, 0.5)} ms, p99 ${shareOf(batches, 0.99)} ms, longest ${shareOf(batches, 1)} ms`;

async function upgrade(nodes: AgentNodes, flows: Flows, first: NodeAgent, values: Parameters<AgentNodes['start']>[1]): Promise<number> {
  let agent = first;
  await flows.begin(Math.ceil(flowCount / flows.ways));
  // What all send at once in the beginning is not what an upgrade is to be compared with.
  await flows.failed();
  await flows.longestMs();
  const early = await flows.failed();
  const quietMs = await flows.longestMs();
  const all: Batch[] = [];
  for (let i = 0; i < upgrades; i++) {
    const old = agent;
    agent = await nodes.startReady('west', values);
    const told = given(old);
    process.kill(old.pid, 'SIGTERM');
    const handed = await told;
    await untilEnded(old.pid, END_MS);
    const connections = handed.reduce((sum, each) => sum + each.connections, 0);
    const batches = await taken(agent, connections);
    all.push(...batches);
    if (upgrades > 3) say(`upgrade ${i + 1}: ${connections} connections in ${batches.length} batches and ${handed.map(({ tookMs }) => tookMs).join(' + ')} ms, ${batches.reduce((sum, each) => sum + each.state_bytes, 0)} bytes of state; stay ${JSON.stringify(handed.at(-1)?.staying)}; pause p50 ${shareOf(batches, 0.5)} ms, p99 ${shareOf(batches, 0.99)} ms`);
  }
  const longestMs = await flows.longestMs();
  const report = await flows.finish();
  if (upgrades > 3) {
    say(pausesOf('pairs of sockets', all.filter(({ tunnels }) => tunnels === 0)));
    say(pausesOf('streams of tunnels', all.filter(({ tunnels }) => tunnels > 0)));
    say(`${report.bytes} bytes received at all ends`);
  }
  const broken = brokenOf(report);
  say(`${report.flows} flows, ${broken} broken${broken > 0 ? `, ${early} of them before the first upgrade ${JSON.stringify(report.faults)}` : ''}, longest pause ${Math.round(shareOf(all, 1))} ms of ${all.length} batches in ${upgrades} upgrades, longest answer ${Math.round(longestMs)} ms (${Math.round(quietMs)} ms without)`);
  return broken;
}

async function kill(nodes: AgentNodes, flows: Flows, first: NodeAgent): Promise<number> {
  let agent = first;
  let [bad, hits, taken, survived] = [0, 0, 0, 0];
  for (let i = 0; i < kills; i++) {
    const { agent: next, killed } = await killSuccessor(nodes, flows, agent, Math.random);
    agent = next;
    const isBad = killed.broken !== killed.taken || killed.wrong.length > 0;
    if (isBad) say(`kill ${i + 1}: ${JSON.stringify(killed)}`);
    bad += isBad ? 1 : 0;
    hits += killed.outcome === 'successor-gone' ? 1 : 0;
    taken += killed.taken;
    survived += killed.flows - killed.broken;
  }
  say(`${kills} successors killed, ${hits} of them in the middle: ${taken} connections had gone and ended with them, ${survived} went on; ${bad} times it was otherwise`);
  return bad;
}

buildCaptureObject();
bundleAgent();
await using nodes = await AgentNodes.open({ west: ['client', 'server'], east: ['peer', 'entry'], north: ['far', 'exit'] }, { gateways: ['entry', 'exit'] });
const values = kills > 0 ? KILL_VALUES : { 'handover.enabled': true, plainTraffic: 'agent', terminationGracePeriodSeconds: GRACE_SECONDS, logLevel: 'debug' };
const flows = await Flows.open(nodes, { plainOut: kills === 0, far: 'far' });
await nodes.startReady('east', { plainTraffic: 'agent' });
await nodes.startReady('north', { plainTraffic: 'agent' });
for (const gateway of ['entry', 'exit']) await nodes.startGateway(gateway);
const agent = await nodes.startReady('west', values);
await nodes.untilTunnelled('west', nodes.mesh.pod('client'), 'peer');
await nodes.untilTunnelled('east', nodes.mesh.pod('peer'), 'server');
await nodes.untilReached(nodes.mesh.pod('client'), 'far');
await nodes.untilReached(nodes.mesh.pod('far'), 'server');
process.exitCode = (kills > 0 ? await kill(nodes, flows, agent) : await upgrade(nodes, flows, agent, values)) > 0 ? 1 : 0;
