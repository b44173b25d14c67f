import test from 'ava';
import { bundleAgent } from '@landbridge/lab/program-bundles.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { SERVICE_PORT, TARGET_PORT } from '../footprint/pod-objects.ts';
import { segmentsOf } from '../e2e/packet-capture.ts';
import { AgentNodes, untilEnded } from './agent-nodes.ts';
import { echo, MARKER, openCalls, persistentCall } from './load.ts';

/** Of each direction. */
const OPEN = 500;
/** Length of the header of a capture in which there is no packet. */
const EMPTY_CAPTURE = 24;
const END_MS = 10_000;

test.serial(`an agent that is killed under ${2 * OPEN} connections leaves nothing in plaintext and nothing that hangs, and the next one serves at once`, async (t) => {
  buildCaptureObject();
  bundleAgent();
  await using nodes = await AgentNodes.open({ west: ['client', 'server'], east: ['peer'] });
  const { mesh } = nodes;
  const [west, client, server, peer] = [mesh.node('west'), mesh.pod('client'), mesh.pod('server'), mesh.pod('peer')];
  for (const pod of [server, peer]) await pod.start(echo(TARGET_PORT));
  await nodes.startReady('east');
  const agent = await nodes.startReady('west');
  await nodes.untilTunnelled('west', client, 'peer');
  await nodes.untilTunnelled('east', peer, 'server');

  const tunnels = await west.captureWan('tcp port 15008');
  // Between nodes, and at the pod's own link: nothing of it is anything but a tunnel.
  const others = [await mesh.node('east').captureWan('(tcp or udp) and (net 10.199.1.0/24 or net 10.199.2.0/24) and not tcp port 15008'), await west.capturePod(client, 'tcp and not port 15008')];
  const open = [await client.start(openCalls(nodes.service('peer'), SERVICE_PORT, OPEN)), await peer.start(openCalls(nodes.service('server'), SERVICE_PORT, OPEN))];
  process.kill(agent.pid, 'SIGKILL');
  await untilEnded(agent.pid, END_MS);
  for (const call of open) {
    const ends = JSON.parse(await call.line()) as Record<string, number>;
    t.log(`ends of open connections: ${JSON.stringify(ends)}`);
    // Each of them, though nothing was unread: an end would look like a whole answer.
    t.deepEqual(ends, { ECONNRESET: OPEN });
  }
  const calling = [await client.start(persistentCall(nodes.service('peer'), SERVICE_PORT)), await client.start(persistentCall(peer.address, TARGET_PORT)), await peer.start(persistentCall(nodes.service('server'), SERVICE_PORT))];

  const startedMs = performance.now();
  await nodes.start('west');
  for (const call of calling) {
    const failures = await call.line();
    t.log(`answered ${Math.round(performance.now() - startedMs)} ms after the start of the next agent; before: ${failures}`);
    // Nobody was let through, and nobody was kept waiting.
    t.notDeepEqual(JSON.parse(failures), {});
  }
  for (const capture of others) t.is((await capture.stop()).length, EMPTY_CAPTURE);
  const seen = segmentsOf(await tunnels.stop());
  t.true(seen.length > 0);
  t.false(seen.some(({ payload }) => payload.includes(MARKER)));
});
