/** Hand-overs of which the successor stops or dies, with agents as the chart starts them. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { bundleAgent } from '@landbridge/lab/program-bundles.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import { TARGET_PORT } from '../footprint/pod-objects.ts';
import { type Program, startProgram } from '../mesh/program.ts';
import { AgentNodes, isRunning, type NodeAgent, untilEnded } from './agent-nodes.ts';
import { echo, steadyCalls, type SteadyCalls } from './load.ts';

const FLOWS = 50;
const GRACE_SECONDS = 40;
const END_MS = 50_000;
/** For a hand-over to have met a successor that does not answer: it waits 2 s for a greeting. */
const TRIED_MS = 3000;
const never = new AbortController().signal;
const values = { 'handover.enabled': true, terminationGracePeriodSeconds: GRACE_SECONDS };

async function scene(nodes: AgentNodes): Promise<{ readonly load: Program; readonly old: NodeAgent; readonly next: NodeAgent }> {
  const { mesh } = nodes;
  const [west, server] = [mesh.node('west'), mesh.pod('server')];
  await server.start(echo(TARGET_PORT));
  const old = await nodes.startReady('west', values);
  const load = await startProgram({ netns: west.netns, group: path.join(west.cgroupRoot, 'host', 'cgroup.procs') }, steadyCalls(server.address, TARGET_PORT, FLOWS));
  return { load, old, next: await nodes.startReady('west', values) };
}

async function told(load: Program): Promise<SteadyCalls> {
  process.kill(load.pid, 'SIGTERM');
  return JSON.parse(await load.line()) as SteadyCalls;
}

test.before(() => {
  buildCaptureObject();
  bundleAgent();
});

test.serial('a successor that stops breaks nothing, and is given all when it goes on', async (t) => {
  await using nodes = await AgentNodes.open({ west: ['server'], east: [] });
  const { load, old, next } = await scene(nodes);
  process.kill(next.pid, 'SIGSTOP');
  await waitFor(() => /^State:\s+T/m.test(readFileSync(`/proc/${next.pid}/status`, 'latin1')) || undefined, { signal: never, timeoutMs: END_MS, what: 'the successor to stop' });
  process.kill(old.pid, 'SIGTERM');
  const beganMs = performance.now();
  await waitFor(() => performance.now() - beganMs > TRIED_MS || undefined, { signal: never, timeoutMs: END_MS, what: 'a try that fails' });
  t.true(isRunning(old.pid));
  process.kill(next.pid, 'SIGCONT');
  await untilEnded(old.pid, END_MS);
  t.true(performance.now() - beganMs < (GRACE_SECONDS - 5) * 1000, 'with nothing left to wait for');
  const calls = await told(load);
  t.log(JSON.stringify(calls));
  t.deepEqual([calls.broken, calls.errors], [0, {}]);
});

test.serial('where the successor dies, connections go to the one after it', async (t) => {
  await using nodes = await AgentNodes.open({ west: ['server'], east: [] });
  const { load, old, next } = await scene(nodes);
  process.kill(next.pid, 'SIGKILL');
  await untilEnded(next.pid, END_MS);
  process.kill(old.pid, 'SIGTERM');
  await nodes.startReady('west', values);
  await untilEnded(old.pid, END_MS);
  const calls = await told(load);
  t.log(JSON.stringify(calls));
  t.deepEqual([calls.broken, calls.errors], [0, {}]);
  t.regex(await nodes.metrics('west'), new RegExp(`^landbridge_handover_connections_total\\{outcome="taken"\\} ${FLOWS}$`, 'm'));
});
