import { execFileSync } from 'node:child_process';
import path from 'node:path';
import test from 'ava';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { only, render } from '../charts/render.ts';
import { Mesh } from '../mesh/mesh.ts';

const CAPTURE = path.join(import.meta.dirname, 'capture-once.ts');
const PRECEDENCE = path.join(import.meta.dirname, 'precedence-once.ts');

/** Those of the chart, with the step of a capture that fails without one. CAP_SYS_ADMIN includes CAP_BPF (bpf_capable() of linux/capability.h). */
const NEEDED: ReadonlyMap<string, RegExp> = new Map([
  ['NET_ADMIN', /^capture: setsockopt SO_MARK: EPERM/],
  ['SYS_ADMIN', /^load: .*EPERM/],
  ['SYS_PTRACE', /^capture: .*EACCES/],
]);

let mesh: Mesh;
let sleeperPid = 0;

test.before(async () => {
  buildCaptureObject();
  mesh = await Mesh.open({ west: ['a'] });
  // A process of somebody else's shows where the namespace is, as those of pods do.
  const sleeper = await mesh.pod('a').start(['setpriv', '--reuid', '65534', '--clear-groups', 'sh', '-c', 'echo ready; exec sleep 600']);
  sleeperPid = sleeper.pid;
});

test.after.always(async () => await mesh[Symbol.asyncDispose]());

/** As root whose capabilities are bounded, which is what a container's are. */
function runWith(capabilities: readonly string[], program: string, args: readonly string[] = []): string {
  const bounds = ['-all', ...capabilities.map((name) => `+${name.toLowerCase()}`)].join(',');
  return execFileSync('setpriv', ['--bounding-set', bounds, '--inh-caps', bounds, process.execPath, program, ...args], { encoding: 'utf8' }).trim();
}

function captureWith(capabilities: readonly string[]): string {
  const { place, address } = mesh.pod('a');
  const node = mesh.node('west');
  return runWith(capabilities, CAPTURE, [node.cgroupRoot, node.bpfRoot, place.uid, address, `/proc/${sleeperPid}/ns/net`]);
}

test.serial('the capabilities of the chart are enough', (t) => {
  t.is(captureWith([...NEEDED.keys()]), 'done');
});

for (const [capability, failure] of NEEDED) {
  test.serial(`without CAP_${capability} something breaks`, (t) => {
    t.regex(captureWith([...NEEDED.keys()].filter((name) => name !== capability)), failure);
  });
}

test.serial('with CAP_SYS_NICE an agent comes first while it hands over; without nothing breaks', (t) => {
  t.is(runWith([...NEEDED.keys(), 'SYS_NICE'], PRECEDENCE), 'first');
  t.is(runWith([...NEEDED.keys()], PRECEDENCE), 'as usual');
});

for (const [handsOver, capabilities] of [[true, [...NEEDED.keys(), 'SYS_NICE']], [false, [...NEEDED.keys()]]] as const) {
  test.serial(`the chart asks for exactly these, ${handsOver ? 'and for CAP_SYS_NICE' : 'where agents do not hand over'}`, async (t) => {
    const [container] = only(await render('agent', { 'cluster.name': 'west', 'handover.enabled': handsOver }), 'DaemonSet').spec.template.spec.containers;
    t.deepEqual(container.securityContext.capabilities, { drop: ['ALL'], add: capabilities });
    t.not(container.securityContext.privileged, true);
  });
}
