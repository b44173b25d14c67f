import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { bundleAgent } from '@landbridge/lab/program-bundles.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { CAPTURE_ABI } from '@landbridge/ebpf/capture-object.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import { agentCommand } from '../footprint/agent-command.ts';
import type { IdlePod } from '../footprint/pod-objects.ts';
import { type CaptureTraces, captureTraces } from '../mesh/capture-traces.ts';
import { Mesh } from '../mesh/mesh.ts';
import type { MeshNode } from '../mesh/mesh-node.ts';
import { type Program, startProgram } from '../mesh/program.ts';

const PODS = 500;
/** Network namespaces, each of which is a pod's in each round. */
const AT_ONCE = 50;
const PORTS = { discovery: 15012, api: 6443 };
const WAIT_MS = 30_000;

let mesh: Mesh;
let node: MeshNode;
let plane: Program;
let agent: Program;
const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-pods-'));

test.before(async () => {
  buildCaptureObject();
  bundleAgent();
  mesh = await Mesh.open({ west: Array.from({ length: AT_ONCE }, (_, i) => `p${i}`) });
  node = mesh.node('west');
  tell([]);
  writeFileSync(path.join(directory, 'policies.json'), '[]');
  plane = await startProgram({ netns: node.netns, group: path.join(node.cgroupRoot, 'host', 'cgroup.procs') }, [process.execPath, path.resolve(import.meta.dirname, '../footprint/control-plane.ts'), directory, String(PORTS.discovery), String(PORTS.api)]);
  agent = await node.startAgent(await agentCommand(directory, node, PORTS, { workers: 2, accessLog: 'off' }));
});

test.after.always(async () => {
  await mesh[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const tell = (pods: readonly IdlePod[]): void => writeFileSync(path.join(directory, 'pods.json'), JSON.stringify(pods));
const until = async (what: string, is: () => boolean): Promise<void> => void (await waitFor(() => is() || undefined, { signal: new AbortController().signal, timeoutMs: WAIT_MS, everyMs: 50, what: () => `${what}; pods that are captured, and certificates: ${counts(node.netns)}` }));

function change(pods: readonly IdlePod[]): void {
  tell(pods);
  process.kill(plane.pid, 'SIGHUP');
}

/** As a node sees it: sandboxes begin, pods have addresses; then all processes end, and the API server forgets the pods. */
async function round(number: number): Promise<void> {
  const pods = node.pods.map((pod, i) => ({ uid: `${String(process.pid).padStart(8, '0')}-0000-4000-8000-${String(number * AT_ONCE + i).padStart(12, '0')}`, name: pod.name, address: pod.address, netns: pod.netns }));
  const groups = pods.map(({ uid }) => path.join(node.cgroupRoot, 'pods', `pod${uid}`));
  for (const group of groups) mkdirSync(group);
  const sandboxes = await Promise.all(pods.map(async ({ netns }, i) => await startProgram({ netns, group: path.join(groups[i] as string, 'cgroup.procs') }, ['sh', '-c', 'echo ready; exec sleep infinity'])));
  change(pods);
  await until('pods to be captured and to have certificates', () => counts(node.netns) === `${AT_ONCE} ${AT_ONCE}`);
  await Promise.all(sandboxes.map(async (sandbox) => await sandbox[Symbol.asyncDispose]()));
  for (const group of groups) rmdirSync(group);
  change([]);
  await until('pods to be released', () => counts(node.netns) === '0 0');
}

interface Traces {
  readonly descriptors: Readonly<Record<string, number>>;
  readonly pins: Readonly<Record<string, readonly string[]>>;
  readonly pods: readonly (CaptureTraces | undefined)[];
}

/** A link that is not pinned lives by a descriptor alone; those of the whole machine are others' too. */
function traces(): Traces {
  const pins = path.join(node.bpfRoot, 'landbridge', String(CAPTURE_ABI));
  return {
    descriptors: descriptors(agent.pid),
    pins: Object.fromEntries(readdirSync(pins).sort().map((kind) => [kind, readdirSync(path.join(pins, kind)).sort()])),
    pods: [node.pods[0], node.pods.at(-1)].map((pod) => pod && captureTraces(pod, pins)),
  };
}

let before: Traces;

test.serial('the first pods of an agent come and go, which opens what is kept', async (t) => {
  await round(0);
  before = traces();
  t.log(JSON.stringify(before));
  t.pass();
});

for (let number = 1; number <= PODS / AT_ONCE; number++) {
  test.serial(`pods that come and go leave it as it was: ${number * AT_ONCE} of ${PODS}`, async (t) => {
    await round(number);
    const wanted = since(before);
    await until('connections with the API server to end', () => JSON.stringify(since(traces())) === JSON.stringify(wanted)).catch(() => {
      // What differs is told below.
    });
    t.deepEqual(since(traces()), wanted);
  });
}

/** Of descriptors only the kinds of which there are more than before. There may be fewer: a connection may still have been open at first. */
function since({ descriptors, ...rest }: Traces): object {
  return { added: Object.entries(descriptors).flatMap(([kind, count]) => (count > (before.descriptors[kind] ?? 0) ? [`${kind}: ${count}`] : [])), ...rest };
}

/** Of a process: how many of each kind it has open. */
function descriptors(pid: number): Readonly<Record<string, number>> {
  const kinds = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/[:/].*/s, '') || 'file';
    } catch {
      // Closed meanwhile.
      return 'closed';
    }
  });
  return Object.fromEntries([...new Set(kinds)].sort().map((kind) => [kind, kinds.filter((each) => each === kind).length]));
}

/** Pods that are captured, and certificates. */
function counts(netns: string): string {
  try {
    const text = execFileSync('nsenter', [`--net=/run/netns/${netns}`, '--', 'busybox', 'wget', '-qO-', 'http://127.0.0.1:15020/metrics'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return ['landbridge_captured_pods', 'landbridge_certificates'].map((name) => new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? '?').join(' ');
  } catch {
    // It does not listen yet.
    return '';
  }
}
