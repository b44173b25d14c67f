import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { CAPTURE_ABI } from '@landbridge/ebpf/capture-object.ts';
import { abandon, answerFor } from '../../test/mesh/answering-agent.ts';
import { caller, greeter, repeatedCaller } from '../../test/mesh/applications.ts';
import { HOOKS } from '../../test/mesh/interface-hooks.ts';
import { Mesh } from '../../test/mesh/mesh.ts';
import type { MeshNode } from '../../test/mesh/mesh-node.ts';
import type { MeshPod } from '../../test/mesh/mesh-pod.ts';
import { runProgram } from '../../test/mesh/program.ts';
import { rawSyn, rawSynFlood, samePortCaller } from '../../test/mesh/raw-programs.ts';
import { Capture } from './capture.ts';
import type { InterfaceHook } from './interface-program.ts';
import { ANY_PORT } from './kubelet-probes.ts';

/* What goes past the agent reaches the application; what does not reaches the agent, which would judge it by policies. */

const PORT = 8080;
const OTHER_PORT = 8081;
/** Of the kubelet, where a test needs to know it. */
const KUBELET_PORT = 40001;
const PROBES = 200;

let mesh: Mesh;
let west: MeshNode;
let app: MeshPod;
let neighbour: MeshPod;
let stranger: MeshPod;

test.before(async () => {
  buildCaptureObject();
  mesh = await Mesh.open({ west: ['app', 'neighbour'], east: ['stranger'] });
  west = mesh.node('west');
  west.becomeAgent();
  [app, neighbour, stranger] = [mesh.pod('app'), mesh.pod('neighbour'), mesh.pod('stranger')];
});

test.after.always(async () => await mesh[Symbol.asyncDispose]());

const groupId = (directory: string): bigint => statSync(directory, { bigint: true }).ino;
const ports = () => [app.address, app.address6].map((address) => ({ address, port: PORT }));

/** Of both ports, and of both families. */
async function startApplications(): Promise<AsyncDisposable> {
  const programs = [await app.start(greeter(PORT, '::')), await app.start(greeter(OTHER_PORT, '::'))];
  return { [Symbol.asyncDispose]: async () => void (await Promise.all(programs.map(async (program) => await program[Symbol.asyncDispose]()))) };
}

function openCapture(hook?: InterfaceHook): Capture {
  const capture = new Capture({ ...west, ...(hook === undefined ? {} : { hook }) });
  capture.kubeletProbes.setKubelet(groupId(west.kubeletGroup));
  capture.kubeletProbes.setPorts(ports());
  return capture;
}

/** Numbers of /proc/net/snmp or netstat, added up (RFC 1213). */
function tcpCounts(netns: string, ...names: readonly string[]): number {
  const text = execFileSync('ip', ['netns', 'exec', netns, 'cat', '/proc/net/snmp', '/proc/net/netstat'], { encoding: 'utf8' });
  const rows = text.trim().split('\n').map((line) => line.split(' '));
  return names.reduce((sum, name) => {
    const at = rows.findIndex((row) => /^Tcp(Ext)?:$/.test(row[0] ?? '') && row.includes(name));
    return sum + Number(rows[at + 1]?.[rows[at]?.indexOf(name) ?? 0]);
  }, 0);
}

for (const { hook, runs } of HOOKS) {
  const serial = runs ? test.serial : test.serial.skip;
  serial(`${hook}: the kubelet reaches the ports that it probes, and nobody else does`, async (t) => {
    await using _applications = await startApplications();
    using capture = openCapture(hook);
    await using agent = await answerFor(capture, app);
    const { kubeletProbes } = capture;
    const passed = kubeletProbes.passed();
    t.is(await west.runAsKubelet(caller(app.address, PORT)), `${west.address} > ${app.address} ${PORT} app saw ::ffff:${west.address}`);
    t.is(await west.runAsKubelet(caller(app.address6, PORT)), `${west.address6} > ${app.address6} ${PORT} app saw ${west.address6}`);
    t.is(kubeletProbes.passed(), passed + 2n);
    t.deepEqual(agent.accepted.plaintext, [0]);
    t.regex(await west.run(caller(app.address, PORT)), /plaintext for/, 'another process of the node');
    t.regex(await west.runAsKubelet(caller(app.address, OTHER_PORT)), /plaintext for/, 'a port that is not probed');
    t.regex(await west.runAsKubelet(caller(app.address, 15008)), /hbone for/);
    t.regex(await neighbour.run(caller(app.address, PORT)), /plaintext for/, 'a pod of the node');
    t.regex(await stranger.run(caller(app.address, PORT)), /plaintext for/, 'a pod of another node');
    t.is(kubeletProbes.passed(), passed + 2n);
    kubeletProbes.setKubelet(undefined);
    t.regex(await west.runAsKubelet(caller(app.address, PORT)), /plaintext for/, 'no kubelet is known');
  });

  serial(`${hook}: probes pass while no agent runs, and nothing else does`, async (t) => {
    await using _applications = await startApplications();
    {
      using capture = openCapture(hook);
      await abandon(capture, app);
    }
    t.regex(await west.runAsKubelet(caller(app.address, PORT)), /app saw/);
    t.is(await west.run(caller(app.address, PORT)), 'ECONNREFUSED');
    t.is(await west.runAsKubelet(caller(app.address, OTHER_PORT)), 'ECONNREFUSED');
    using capture = openCapture(hook);
    await using _agent = await answerFor(capture, app);
    t.regex(await west.runAsKubelet(caller(app.address, PORT)), /app saw/, 'the next agent');
  });

  serial(`${hook}: nothing of it is left in a pod that is released, or was captured by an earlier agent`, async (t) => {
    await using _applications = await startApplications();
    const pins = (): readonly string[] => readdirSync(path.join(west.bpfRoot, 'landbridge', String(CAPTURE_ABI), 'probes'));
    const classifiers = (): number => execFileSync('ip', ['netns', 'exec', app.netns, 'tc', 'filter', 'show', 'dev', 'eth0', 'ingress'], { encoding: 'utf8' }).match(/handle .*lb_probe/g)?.length ?? 0;
    using capture = openCapture(hook);
    for (const end of ['released', 'forgotten'] as const) {
      if (end === 'released') {
        await using _agent = await answerFor(capture, app);
        t.is(pins().length + classifiers(), 1);
      } else {
        await abandon(capture, app);
        t.is(pins().length + classifiers(), 1);
        capture.forgetAllBut([]);
      }
      t.is(pins().length + classifiers(), 0, end);
      t.regex(await west.run(caller(app.address, PORT)), /app saw/);
    }
  });
}

test.serial('a group with the name of the kubelet’s is not the kubelet’s, nor is the one that comes after it', async (t) => {
  await using _applications = await startApplications();
  using capture = openCapture();
  await using _agent = await answerFor(capture, app);
  const alike = path.join(west.cgroupRoot, 'pods', 'kubelet');
  mkdirSync(alike);
  t.regex(await runProgram({ netns: neighbour.netns, group: path.join(alike, 'cgroup.procs') }, caller(app.address, PORT)), /plaintext for/);
  // As when systemd starts the kubelet again.
  execFileSync('rmdir', [west.kubeletGroup]);
  mkdirSync(west.kubeletGroup);
  t.regex(await west.runAsKubelet(caller(app.address, PORT)), /plaintext for/);
  capture.kubeletProbes.setKubelet(groupId(west.kubeletGroup));
  t.regex(await west.runAsKubelet(caller(app.address, PORT)), /app saw/, 'once the agent has found it');
});

test.serial('packets with the tuple of a probe reach nothing, before it and after it', async (t) => {
  await using _applications = await startApplications();
  // What has the node's own address is dropped by the node, unless it is set up so carelessly.
  await west.run(['sh', '-ec', 'for each in all default wan; do echo 1 > /proc/sys/net/ipv4/conf/$each/accept_local; echo 0 > /proc/sys/net/ipv4/conf/$each/rp_filter; done']);
  {
    // No agent: any answer but RST is one of the application.
    using capture = openCapture();
    await abandon(capture, app);
  }
  using capture = openCapture();
  const probe = async (): Promise<string> => await west.runAsKubelet(samePortCaller(west.address, KUBELET_PORT, app.address, PORT, 1));
  for (const spoofer of [neighbour, stranger]) {
    const forge = async (when: string): Promise<void> => {
      const [passed, resets, arrived] = [capture.kubeletProbes.passed(), tcpCounts(app.netns, 'OutRsts'), tcpCounts(app.netns, 'InSegs')];
      t.is(await spoofer.run(rawSyn({ source: west.address, sourcePort: KUBELET_PORT, host: app.address, port: PORT })), 'sent');
      t.true(tcpCounts(app.netns, 'InSegs') > arrived, `${spoofer.name} ${when}: it arrives`);
      t.is(tcpCounts(app.netns, 'OutRsts'), resets + 1, `${spoofer.name} ${when}: and is refused`);
      t.is(capture.kubeletProbes.passed(), passed);
    };
    await forge('before');
    t.is(await probe(), '1');
    await forge('after');
  }
});

test.serial('a flood of packets with the tuple of probes that are under way reaches nothing', async (t) => {
  await using _applications = await startApplications();
  using capture = openCapture();
  await abandon(capture, app);
  for (const spoofer of [neighbour, stranger]) {
    await using _flood = await spoofer.start(rawSynFlood({ source: west.address, sourcePort: KUBELET_PORT, host: app.address, port: PORT }));
    const begun = (): number => tcpCounts(west.netns, 'ActiveOpens', 'TCPSynRetrans');
    const [passed, begunBefore, accepted] = [Number(capture.kubeletProbes.passed()), begun(), tcpCounts(app.netns, 'PassiveOpens')];
    const answered = Number(await west.runAsKubelet(samePortCaller(west.address, KUBELET_PORT, app.address, PORT, PROBES)));
    const passedNow = Number(capture.kubeletProbes.passed()) - passed;
    t.log(`${spoofer.name}: ${answered} of ${PROBES} probes were answered, ${passedNow} passed`);
    t.true(answered > 0);
    t.true(passedNow <= begun() - begunBefore, `${spoofer.name}: ${passedNow} passed of ${begun() - begunBefore} that the kubelet sent`);
    t.true(tcpCounts(app.netns, 'PassiveOpens') - accepted <= passedNow);
  }
});

test.serial('many probes leave nothing', async (t) => {
  await using _applications = await startApplications();
  using capture = openCapture();
  await using agent = await answerFor(capture, app);
  const pins = path.join(west.bpfRoot, 'landbridge', String(CAPTURE_ABI), 'maps');
  const elements = (): readonly number[] => ['kubelets', 'probe_ports', 'dials', 'original_destinations'].map((name) => (JSON.parse(execFileSync('bpftool', ['-j', 'map', 'dump', 'pinned', path.join(pins, name)], { encoding: 'utf8' })) as unknown[]).length);
  t.deepEqual(elements(), [1, 2, 0, 0]);
  const passed = capture.kubeletProbes.passed();
  t.is(await west.runAsKubelet(repeatedCaller(app.address, PORT, PROBES)), `done ${PROBES}`);
  t.is(capture.kubeletProbes.passed(), passed + BigInt(PROBES));
  t.deepEqual(agent.accepted.plaintext, [0]);
  t.deepEqual(elements(), [1, 2, 0, 0]);
  capture.kubeletProbes.setPorts([{ address: app.address, port: ANY_PORT }]);
  t.regex(await west.runAsKubelet(caller(app.address, OTHER_PORT)), /app saw/);
  t.notRegex(await west.runAsKubelet(caller(app.address6, OTHER_PORT)), /app saw/, 'of another address');
  capture.kubeletProbes.setPorts([]);
  t.regex(await west.runAsKubelet(caller(app.address, PORT)), /plaintext for/);
  t.deepEqual(elements(), [1, 0, 0, 0]);
});

test.serial('what a bridge sends to all of its ports has lost its sender, and is judged as anything else', async (t) => {
  await using _app = await neighbour.start(greeter(PORT));
  using capture = openCapture();
  capture.kubeletProbes.setPorts([{ address: neighbour.address, port: PORT }]);
  await using _agent = await answerFor(capture, neighbour);
  const probe = async (): Promise<string> => await west.runAsKubelet(caller(neighbour.address, PORT));
  t.regex(await probe(), /app saw/);
  const mac = execFileSync('ip', ['netns', 'exec', neighbour.netns, 'cat', '/sys/class/net/eth0/address'], { encoding: 'utf8' }).trim();
  // As after five minutes in which the pod sent nothing. All ports but one get copies.
  await west.run(['bridge', 'fdb', 'del', mac, 'dev', `v${neighbour.name}`, 'master']);
  t.regex(await probe(), /plaintext for/);
  t.regex(await probe(), /app saw/, 'the bridge has learned');
});
