import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { bundleAgent } from '@landbridge/lab/program-bundles.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import { caller, greeter } from '../mesh/applications.ts';
import { Mesh } from '../mesh/mesh.ts';
import type { MeshNode } from '../mesh/mesh-node.ts';
import { startProgram } from '../mesh/program.ts';
import { agentCommand } from './agent-command.ts';
import { type IdlePod, serviceAddress, SERVICE_PORT, TARGET_PORT } from './pod-objects.ts';

const PODS = 100;
const THREADS = 2;
const MAX_RESIDENT_MIB = 90;
const DISCOVERY_PORT = 15012;
const API_PORT = 6443;
const SERVING_MS = 60_000;
/** The agent gives back what it does not need after 10 s without anything to do. */
const RELEASED_MS = 40_000;
/** What it gives back must not come again by itself. */
const SAMPLES = 20;
const SAMPLE_MS = 500;

test.serial(`an agent with ${PODS} idle pods and ${THREADS} data threads takes at most ${MAX_RESIDENT_MIB} MiB`, async (t) => {
  buildCaptureObject();
  bundleAgent();
  await using mesh = await Mesh.open({ west: Array.from({ length: PODS }, (_, i) => `p${i}`) });
  const node = mesh.node('west');
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-footprint-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const pods = node.pods.map((pod, i): IdlePod & { readonly netns: string } => ({ uid: `${String(process.pid).padStart(8, '0')}-0000-4000-8000-${String(i).padStart(12, '0')}`, name: pod.name, address: pod.address, netns: pod.netns }));
  writeFileSync(path.join(directory, 'pods.json'), JSON.stringify(pods));
  writeFileSync(path.join(directory, 'policies.json'), '[]');
  // A process in a control group of each pod, by which the agent finds its network namespace.
  await Promise.all(pods.map(async ({ uid, netns }) => {
    const group = path.join(node.cgroupRoot, 'pods', `pod${uid}`);
    mkdirSync(group);
    await startProgram({ netns, group: path.join(group, 'cgroup.procs') }, ['sh', '-c', 'echo ready; exec sleep infinity']);
  }));
  await using _plane = await startProgram({ netns: node.netns, group: path.join(node.cgroupRoot, 'host', 'cgroup.procs') }, [process.execPath, path.join(import.meta.dirname, 'control-plane.ts'), directory, String(DISCOVERY_PORT), String(API_PORT)]);

  await using agent = await node.startAgent(await agentCommand(directory, node, { discovery: DISCOVERY_PORT, api: API_PORT }, { workers: THREADS }));
  const { signal } = new AbortController();
  await waitFor(() => isServing(node) || undefined, { signal, timeoutMs: SERVING_MS, what: 'all pods to be captured and to have certificates' });
  t.log(`when it has all: ${described(agent.pid)}`);
  await waitFor(() => resident(agent.pid).VmRSS <= MAX_RESIDENT_MIB || undefined, { signal, timeoutMs: RELEASED_MS, everyMs: SAMPLE_MS, what: `the agent to take ${MAX_RESIDENT_MIB} MiB` });
  const samples: number[] = [];
  for (; samples.length < SAMPLES; await delay(SAMPLE_MS)) samples.push(resident(agent.pid).VmRSS);
  t.log(`at rest: ${described(agent.pid)}`);
  t.true((samples.sort((a, b) => a - b)[SAMPLES / 2] ?? Number.NaN) <= MAX_RESIDENT_MIB, samples.map((mib) => mib.toFixed(1)).join(' '));

  // What it gave back it has again when it needs it.
  await using _server = await mesh.pod('p0').start(greeter(TARGET_PORT));
  const [server, client] = [serviceAddress(0), mesh.pod('p1')];
  t.is(await client.run(caller(server, SERVICE_PORT)), `${client.address} > ${server} ${SERVICE_PORT} app saw ${client.address}`);
});

function isServing({ netns }: MeshNode): boolean {
  try {
    const text = execFileSync('nsenter', [`--net=/run/netns/${netns}`, '--', 'busybox', 'wget', '-qO-', 'http://127.0.0.1:15020/metrics'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return ['landbridge_captured_pods', 'landbridge_certificates'].every((name) => text.includes(`\n${name} ${PODS}\n`));
  } catch {
    // It does not listen yet.
    return false;
  }
}

/** MiB of proc_pid_status(5): all, and its parts. */
function resident(pid: number): Readonly<Record<'VmRSS' | 'RssAnon' | 'RssFile', number>> {
  const text = readFileSync(`/proc/${pid}/status`, 'latin1');
  const mib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024;
  return { VmRSS: mib('VmRSS'), RssAnon: mib('RssAnon'), RssFile: mib('RssFile') };
}

function described(pid: number): string {
  const { VmRSS, RssAnon, RssFile } = resident(pid);
  return `${VmRSS.toFixed(1)} MiB, of them ${RssAnon.toFixed(1)} its own and ${RssFile.toFixed(1)} of files`;
}
