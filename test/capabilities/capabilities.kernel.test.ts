import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { Mesh } from '../mesh/mesh.ts';

const CHART = path.resolve(import.meta.dirname, '../../charts/agent/templates/daemonset.yaml');
const PROGRAM = path.join(import.meta.dirname, 'capture-once.ts');

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
function captureWith(capabilities: readonly string[]): string {
  const { place, address } = mesh.pod('a');
  const node = mesh.node('west');
  const bounds = ['-all', ...capabilities.map((name) => `+${name.toLowerCase()}`)].join(',');
  const argv = ['--bounding-set', bounds, '--inh-caps', bounds, process.execPath, PROGRAM, node.cgroupRoot, node.bpfRoot, place.uid, address, `/proc/${sleeperPid}/ns/net`];
  return execFileSync('setpriv', argv, { encoding: 'utf8' }).trim();
}

test.serial('the capabilities of the chart are enough', (t) => {
  t.is(captureWith([...NEEDED.keys()]), 'done');
});

for (const [capability, failure] of NEEDED) {
  test.serial(`without CAP_${capability} something breaks`, (t) => {
    t.regex(captureWith([...NEEDED.keys()].filter((name) => name !== capability)), failure);
  });
}

test.serial('the chart asks for exactly these', (t) => {
  const chart = readFileSync(CHART, 'utf8');
  t.deepEqual(/add: \[([^\]]*)\]/.exec(chart)?.[1]?.split(', '), [...NEEDED.keys()]);
  t.notRegex(chart, /privileged: true/);
});
