import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { bundleAgent } from '@landbridge/lab/program-bundles.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import { SERVICE_PORT, TARGET_PORT } from '../footprint/pod-objects.ts';
import { type Program, startProgram } from '../mesh/program.ts';
import { AgentNodes, type NodeAgent, untilEnded } from './agent-nodes.ts';
import { echo, type LongCall, longCall, shortCalls, type ShortCalls } from './load.ts';

const REPLACEMENTS = 3;
const CALLS = 9000;
const LANES = 3;
/** The chart's is 30; connections have all but 5 of it. */
const GRACE_SECONDS = 8;
const LOAD_MS = 60_000;
const END_MS = 30_000;
/** Length of the header of a capture in which there is no packet. */
const EMPTY_CAPTURE = 24;
const never = new AbortController().signal;

/** Asks a program of load.ts what it has seen, which ends it. */
async function told<T>(load: Program): Promise<T> {
  process.kill(load.pid, 'SIGTERM');
  return JSON.parse(await load.line()) as T;
}

/** How many connections an agent that has ended said that it cuts. */
async function cutBy(agent: NodeAgent): Promise<number> {
  for (let cut = 0; ; ) {
    const line = JSON.parse(await agent.line()) as { readonly msg: string; readonly connections: number };
    if (line.msg.startsWith('open connections end')) cut = line.connections;
    if (line.msg === 'agent stopped') return cut;
  }
}

const outcome = async (argv: readonly string[]): Promise<number> => await promisify(execFile)(argv[0] ?? '', argv.slice(1)).then(() => 0, (error: { code: number }) => error.code);

test.serial(`${REPLACEMENTS} replacements of an agent under load break no new connection, and open ones go on while the agent that goes has time`, async (t) => {
  buildCaptureObject();
  const bundle = bundleAgent();
  await using nodes = await AgentNodes.open({ west: ['client', 'server'], east: ['peer'] });
  const { mesh } = nodes;
  const [west, east, client, server, peer] = [mesh.node('west'), mesh.node('east'), mesh.pod('client'), mesh.pod('server'), mesh.pod('peer')];
  for (const pod of [server, peer]) await pod.start(echo(TARGET_PORT));
  const onHost = (node: typeof west) => ({ netns: node.netns, group: path.join(node.cgroupRoot, 'host', 'cgroup.procs') });
  await startProgram(onHost(east), echo(9090));
  await nodes.startReady('east');
  let agent = await nodes.startReady('west', { terminationGracePeriodSeconds: GRACE_SECONDS });

  await nodes.untilTunnelled('west', client, 'peer');
  await nodes.untilTunnelled('east', peer, 'server');
  const tunnels = [await west.captureWan('tcp port 15008'), await west.captureWan(`tcp and not port 15008 and (host ${peer.address} or host ${server.address})`)] as const;
  const loads: Readonly<Record<string, Program>> = {
    'out, by tunnel': await client.start(shortCalls(nodes.service('peer'), SERVICE_PORT, LANES)),
    'out, to an address outside the mesh': await client.start(shortCalls(east.wan, 9090, LANES)),
    'in, by tunnel': await peer.start(shortCalls(nodes.service('server'), SERVICE_PORT, LANES)),
    'in, plaintext': await startProgram(onHost(west), shortCalls(server.address, TARGET_PORT, LANES)),
    'within the node': await client.start(shortCalls(nodes.service('server'), SERVICE_PORT, LANES)),
  };
  for (let i = 0; i < REPLACEMENTS; i++) {
    const long = [await client.start(longCall(nodes.service('peer'), SERVICE_PORT)), await peer.start(longCall(nodes.service('server'), SERVICE_PORT))] as const;
    const old: NodeAgent = agent;
    agent = await nodes.startReady('west', { terminationGracePeriodSeconds: GRACE_SECONDS });
    t.is(await outcome([process.execPath, path.join(bundle, 'readiness-probe.cjs'), agent.healthSocket]), 0);
    process.kill(old.pid, 'SIGTERM');
    const isLast = i === REPLACEMENTS - 1;
    // The ports of the node are given away at once, not when the old one ends.
    await waitFor(async () => ((await nodes.metrics('west')).includes('landbridge_captured_pods 2\n') ? true : undefined), { signal: never, timeoutMs: END_MS, what: 'metrics' });
    if (!isLast) {
      for (const call of long) t.like(await told<LongCall>(call), { end: '' });
      await untilEnded(old.pid, END_MS);
    } else {
      await untilEnded(old.pid, END_MS);
      for (const call of long) t.not((await told<LongCall>(call)).end, '', 'cut with the end of the grace period');
    }
    t.is(await cutBy(old), isLast ? long.length : 0);
  }
  const callsOf = async (load: Program): Promise<number> => {
    process.kill(load.pid, 'SIGHUP');
    return Number(await load.line());
  };
  await waitFor(async () => ((await Promise.all(Object.values(loads).map(callsOf))).reduce((sum, count) => sum + count, 0) >= CALLS ? true : undefined), { signal: never, timeoutMs: LOAD_MS, what: `${CALLS} connections` });
  let sum = 0;
  const seen: Record<string, ShortCalls> = {};
  for (const [name, load] of Object.entries(loads)) {
    seen[name] = await told<ShortCalls>(load);
    sum += seen[name].done;
    t.log(`${name}: ${JSON.stringify(seen[name])}`);
  }
  t.log(`${sum} connections`);
  t.true((await tunnels[0].stop()).length > EMPTY_CAPTURE);
  t.is((await tunnels[1].stop()).length, EMPTY_CAPTURE, 'all of them by tunnels');
  for (const [name, { errors }] of Object.entries(seen)) t.deepEqual(errors, {}, name);
});
