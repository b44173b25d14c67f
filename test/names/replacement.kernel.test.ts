import { execFileSync } from 'node:child_process';
import test from 'ava';
import { bundleAgent } from '@landbridge/lab/program-bundles.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { packetsIn } from '../e2e/packet-capture.ts';
import { AgentNodes, type NodeAgent, untilEnded } from '../replacement/agent-nodes.ts';
import { asking, askingWithoutEnd, nameServer, type QueryTally } from './applications.ts';

/* Agents as the chart starts them, each a process of its own, which follow each other while a pod asks for names. */

const SERVERS = ['192.0.2.53', '192.0.2.54', '192.0.2.55'] as const;
const REPLACEMENTS = 3;
const GRACE_SECONDS = 15;
const END_MS = 30_000;

test.serial('no query is lost while agents follow each other, and none leaves the pod while there is no agent', async (t) => {
  buildCaptureObject();
  bundleAgent();
  await using nodes = await AgentNodes.open({ west: ['client'], east: ['peer'] });
  const [west, client] = [nodes.mesh.node('west'), nodes.mesh.pod('client')];
  for (const server of SERVERS) execFileSync('ip', ['-n', west.netns, 'addr', 'add', server, 'dev', 'br0']);
  await west.start(nameServer(...SERVERS));
  let agent: NodeAgent = await nodes.startReady('west', { terminationGracePeriodSeconds: GRACE_SECONDS });
  const ask = async (): Promise<readonly unknown[]> => JSON.parse(await client.run(asking(4, [`connect=${SERVERS[0]}`, 'send=x.example', 'take']))) as readonly unknown[];
  const load = await client.start(askingWithoutEnd(...SERVERS));
  for (let i = 0; i < REPLACEMENTS; i++) {
    const old = agent;
    agent = await nodes.startReady('west', { terminationGracePeriodSeconds: GRACE_SECONDS });
    process.kill(old.pid, 'SIGTERM');
    await untilEnded(old.pid, END_MS);
  }
  process.kill(load.pid, 'SIGTERM');
  const tally = JSON.parse(await load.line()) as QueryTally;
  t.log(`${tally.answered} queries in ${REPLACEMENTS} replacements`);
  t.true(tally.answered > 100);
  t.deepEqual(tally.failed, {});

  const packets = await west.capturePod(client, 'dst port 53 or portrange 15053-15056');
  process.kill(agent.pid, 'SIGKILL');
  await untilEnded(agent.pid, END_MS);
  t.is((await ask())[0], 'ECONNREFUSED');
  t.is(packetsIn(await packets.stop()), 0);
  await nodes.startReady('west');
  t.is((await ask())[0], `${SERVERS[0]} 53`);
});
