import path from 'node:path';
import test from 'ava';
import { DEMO_NAMESPACE, ECHO_URL } from '@landbridge/lab/demo.ts';
import { clusterEnvironment } from '@landbridge/lab/kubectl.ts';
import { inWan } from '@landbridge/lab/network.ts';
import { run } from '@landbridge/lab/run.ts';
import { toolPath } from '@landbridge/lab/tools.ts';
import { AgentSurges } from './agent-surges.ts';
import { agentLogs, agentPods, eventually, holdConnection, kubectl, REPOSITORY } from './running-lab.ts';

const NAMESPACE = 'landbridge-system';
const CLUSTERS = ['west', 'east'] as const;
/** Calls one after the other, each on a connection of its own, until it is told to stop; what fails is told and goes on. */
const CALLING = `rm -f /tmp/calls.*; while [ ! -e /tmp/calls.stop ]; do /bin/demo get ${ECHO_URL} --count 50 --timeout 10s >> /tmp/calls.done 2>> /tmp/calls.failed; done`;

const inClient = async (script: string): Promise<string> => await kubectl('west', '-n', DEMO_NAMESPACE, 'exec', 'deploy/client', '--', '/bin/sh', '-c', script);
const answered = async (): Promise<number> => Number(await inClient('grep -c pod /tmp/calls.done || true'));

/** Names of a cluster's agents that are not ending. */
const agents = async (cluster: string): Promise<string[]> => (await agentPods(cluster)).filter(({ isEnding }) => !isEnding).map(({ name }) => name).sort();

/** Has Helm roll the agents by another value, and waits until all are new. Earlier tests have patched the DaemonSet: Helm takes its fields back. */
async function roll(cluster: string, value: string): Promise<void> {
  const before = await agents(cluster);
  await run(inWan([toolPath('helm'), 'upgrade', 'landbridge-agent', path.join(REPOSITORY, 'charts/agent'), '--namespace', NAMESPACE, '--reuse-values', '--force-conflicts', '--set', value]), { signal: new AbortController().signal, env: clusterEnvironment(cluster) });
  await kubectl(cluster, '-n', NAMESPACE, 'rollout', 'status', 'daemonset/landbridge-agent', '--timeout=180s');
  await eventually(`other agents in ${cluster}`, async () => {
    const now = await agents(cluster);
    return now.length === before.length && !now.some((name) => before.includes(name)) ? true : undefined;
  });
}

test.serial('a changed value rolls the agents of both clusters, and no new connection breaks', async (t) => {
  const calling = inClient(CALLING);
  const done: number[] = [];
  try {
    await eventually('the first calls', async () => ((await answered()) > 50 ? true : undefined));
    await using held = await holdConnection('west', '10s');
    for (const [cluster, value] of [['west', 'handover.enabled=false'], ['east', 'handover.enabled=false'], ['west', 'handover.enabled=true'], ['east', 'handover.enabled=true']] as const) {
      const before = await answered();
      await roll(cluster, value);
      done.push((await answered()) - before);
    }
    const outcome = await held.done;
    t.is(outcome.status, 0, `one of the old agent goes on while it has time: ${outcome.stderr}`);
  } finally {
    await inClient(': > /tmp/calls.stop');
    await calling;
  }
  t.log(`calls answered while agents were replaced: ${done.join(', ')}`);
  t.is(await inClient('cat /tmp/calls.failed'), '');
  t.true(done.every((count) => count > 100), done.join());
});

/** Lines of the agents of a cluster about connections that they took over: how many of each hand-over. */
async function takenOver(cluster: string): Promise<readonly number[]> {
  return (await agentLogs(cluster)).split('\n').filter((line) => line.includes('"connections taken over"')).map((line) => (JSON.parse(line) as { readonly connections: number }).connections);
}

/** Those that end may go on for as long as they have time, with what they have kept. */
async function untilOldOnesAreGone(cluster: string): Promise<void> {
  await eventually(`the old agents of ${cluster} to be gone`, async () => ((await agentPods(cluster)).some(({ isEnding }) => isEnding) ? undefined : true), 120_000);
}

test.serial('connections that are open outlive an upgrade of the agents at both of their ends, where agents hand over', async (t) => {
  // The test before has turned it on.
  await Promise.all(CLUSTERS.map(untilOldOnesAreGone));
  await using lines = await holdConnection('west', '10m');
  await using idle = await holdConnection('west', '10m', 'idle');
  await using bytes = await holdConnection('west', '10m', 'bytes');
  const held = { lines, idle, bytes };
  for (const cluster of CLUSTERS) {
    await using surges = await AgentSurges.watch(cluster);
    const nodes = (await agents(cluster)).length;
    await roll(cluster, 'terminationGracePeriodSeconds=31');
    const surged = await eventually(`two agents at once on each node of ${cluster}`, async () => (surges.nodes.size === nodes ? surges.nodes : undefined));
    t.log(`${cluster}: ${[...surged].map(([node, names]) => `${names} on ${node}`).join(', ')}`);
    const taken = await eventually(`agents in ${cluster} to take all connections over`, async () => await takenOver(cluster).then((counts) => (counts.reduce((sum, count) => sum + count, 0) >= Object.keys(held).length ? counts : undefined)));
    t.log(`${cluster}: ${taken.join(', ')}`);
  }
  // What an agent had kept would be cut at its end.
  await Promise.all(CLUSTERS.map(untilOldOnesAreGone));
  for (const [name, connection] of Object.entries(held)) {
    const outcome = await connection.release();
    t.log(`${name}: ${outcome.stdout.trim().split('\n').at(-1)}`);
    t.is(outcome.status, 0, `${name}: ${outcome.stderr}`);
  }
});
