import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { Socket } from 'node:net';
import path from 'node:path';
import test from 'ava';
import { CAPTURE_ABI } from '@landbridge/ebpf/capture-object.ts';
import { abandon, answerFor } from '../../test/mesh/answering-agent.ts';
import { caller, greeter } from '../../test/mesh/applications.ts';
import { HOOKS } from '../../test/mesh/interface-hooks.ts';
import type { Mesh } from '../../test/mesh/mesh.ts';
import type { MeshPod } from '../../test/mesh/mesh-pod.ts';
import { twoPods } from '../../test/mesh/two-pods.ts';
import { oddCaller, rawSyn, rawSyn6 } from '../../test/mesh/raw-programs.ts';
import { textOf } from '../../test/mesh/socket-text.ts';
import { Capture } from './capture.ts';
import { AGENT_MARK, REPLY_MARK } from './marks.ts';

const PORT = 8080;

let mesh: Mesh;
let a: MeshPod;
let b: MeshPod;

test.before(async () => {
  ({ mesh, a, b } = await twoPods());
});

test.after.always(async () => await mesh[Symbol.asyncDispose]());

const guards = (): readonly string[] => readdirSync(path.join(mesh.node('west').bpfRoot, 'landbridge', String(CAPTURE_ABI), 'guards'));
/** Classifiers of ours on a pod's interfaces. */
const classifiers = (pod: MeshPod): number => execFileSync('ip', ['netns', 'exec', pod.netns, 'tc', 'filter', 'show', 'dev', 'eth0', 'egress'], { encoding: 'utf8' }).match(/handle .*lb_guard/g)?.length ?? 0;

/** Segments that TCP of a pod has got so far, those that belong to nothing among them (RFC 1213, tcpInSegs). */
function segments(pod: MeshPod): number {
  const [names = '', values = ''] = execFileSync('ip', ['netns', 'exec', pod.netns, 'grep', '^Tcp:', '/proc/net/snmp'], { encoding: 'utf8' }).split('\n');
  return Number(values.split(' ')[names.split(' ').indexOf('InSegs')]);
}

for (const { hook, runs } of HOOKS) {
  const serial = runs ? test.serial : test.serial.skip;
  serial(`${hook}: what goes around connect() does not get out of a captured pod`, async (t) => {
    await using _app = await b.start(greeter(PORT));
    await using _app6 = await b.start(greeter(PORT, b.address6));
    const ways: readonly (readonly [name: string, argv: readonly string[], open: RegExp])[] = [
      ['a process outside the control group', oddCaller('tcp', b.address, PORT), /^app saw/],
      ['the same by IPv6', oddCaller('tcp', b.address6, PORT), /^app saw/],
      ['MPTCP', oddCaller('mptcp', b.address, PORT), /^app saw/],
      ['TCP Fast Open', oddCaller('fast-open', b.address, PORT), /^app saw/],
      ["the agent's mark", oddCaller('tcp', b.address, PORT, AGENT_MARK), /^app saw/],
    ];
    // They would get there: the test can fail.
    for (const [name, argv, open] of ways) t.regex(await a.runOutside(argv), open, name);
    using capture = new Capture({ ...mesh.node('west'), hook });
    await using agent = await answerFor(capture, a);
    for (const [name, argv] of ways) {
      const before = capture.guardDrops();
      t.is(await a.runOutside(argv), 'TIMEOUT', name);
      t.true(capture.guardDrops() > before, `${name}: counted`);
    }
    t.is(await a.runOutside(oddCaller('tcp', b.address, PORT, REPLY_MARK)), 'ENETUNREACH', 'the mark of replies leads back into the pod');
    // What the pod's own group does is captured as ever, and the agent's dials get out.
    for (const how of ['tcp', 'mptcp', 'fast-open'] as const) t.regex(await a.run(oddCaller(how, b.address, PORT)), /^outbound from/, how);
    const drops = capture.guardDrops();
    for (const family of ['IPv4', 'IPv6'] as const) {
      const dial = new Socket({ fd: agent.pod.socket(family), allowHalfOpen: true });
      dial.connect({ host: family === 'IPv4' ? b.address : b.address6, port: PORT });
      t.regex(await textOf(dial), /^app saw/);
    }
    t.is(capture.guardDrops(), drops, 'nothing of the agent was dropped');
    // Connections to the pod are answered.
    t.regex(await b.run(caller(a.address, PORT)), /plaintext for/);
  });

  serial(`${hook}: packets that are made by hand do not begin a connection`, async (t) => {
    await using _app = await b.start(greeter(PORT));
    for (const shape of ['whole', 'fragments'] as const) {
      const before = segments(b);
      t.is(await a.run(rawSyn({ source: a.address, host: b.address, port: PORT }, shape)), 'sent');
      t.true(segments(b) > before, `${shape}: without capture it arrives`);
    }
    const arrivedBefore = segments(b);
    t.is(await a.run(rawSyn6(a.address6, b.address6, PORT, 'options')), 'sent');
    t.true(segments(b) > arrivedBefore, 'by IPv6 too');
    using capture = new Capture({ ...mesh.node('west'), hook });
    await using _agent = await answerFor(capture, a);
    for (const shape of ['options', 'later-fragment'] as const) {
      const [before, arrived] = [capture.guardDrops(), segments(b)];
      t.is(await a.run(rawSyn6(a.address6, b.address6, PORT, shape)), 'sent');
      t.is(capture.guardDrops(), before + 1n, shape);
      t.is(segments(b), arrived, shape);
    }
    for (const shape of ['whole', 'fragments'] as const) {
      const [before, arrived] = [capture.guardDrops(), segments(b)];
      t.is(await a.run(rawSyn({ source: a.address, host: b.address, port: PORT }, shape)), 'sent');
      t.is(await a.run(rawSyn({ source: '192.0.2.99', host: b.address, port: PORT }, shape)), 'sent', 'from an address that is none of the pod');
      t.true(capture.guardDrops() >= before + 2n, shape);
      t.is(segments(b), arrived, `${shape}: nothing arrives`);
    }
  });

  serial(`${hook}: a network namespace inside the pod gets nothing out`, async (t) => {
    await using _app = await b.start(greeter(PORT));
    const inner = `${a.netns}-inner`;
    const ip = (...args: readonly string[]): void => void execFileSync('ip', args, { stdio: 'inherit' });
    ip('netns', 'add', inner);
    t.teardown(() => ip('netns', 'delete', inner));
    ip('-n', a.netns, 'link', 'add', 'inner', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', inner);
    ip('-n', a.netns, 'addr', 'add', '198.51.100.1/24', 'dev', 'inner');
    ip('-n', a.netns, 'link', 'set', 'inner', 'up');
    for (const command of [['addr', 'add', '198.51.100.2/24', 'dev', 'eth0'], ['link', 'set', 'eth0', 'up'], ['route', 'add', 'default', 'via', '198.51.100.1']]) ip('-n', inner, ...command);
    execFileSync('ip', ['netns', 'exec', a.netns, 'sh', '-ec', 'echo 1 > /proc/sys/net/ipv4/ip_forward; /usr/sbin/nft add table ip nat; /usr/sbin/nft add chain ip nat post "{ type nat hook postrouting priority 100; }"; /usr/sbin/nft add rule ip nat post oifname eth0 masquerade'], { stdio: 'inherit' });
    t.teardown(() => void execFileSync('ip', ['netns', 'exec', a.netns, 'sh', '-ec', '/usr/sbin/nft delete table ip nat; ip link delete inner 2>/dev/null || true'], { stdio: 'inherit' }));
    const call = async (): Promise<string> => await a.run(['ip', 'netns', 'exec', inner, ...oddCaller('tcp', b.address, PORT)]);
    t.regex(await call(), /^app saw/, 'without capture');
    using capture = new Capture({ ...mesh.node('west'), hook });
    await using _agent = await answerFor(capture, a);
    t.is(await call(), 'TIMEOUT');
  });

  serial(`${hook}: the guard outlives the agent, the next one takes it over, and it ends with the capture`, async (t) => {
    await using _app = await b.start(greeter(PORT));
    {
      using capture = new Capture({ ...mesh.node('west'), hook });
      await abandon(capture, a);
    }
    t.is(await a.runOutside(oddCaller('tcp', b.address, PORT)), 'TIMEOUT', 'while no agent runs');
    {
      using capture = new Capture({ ...mesh.node('west'), hook });
      await using _agent = await answerFor(capture, a);
      t.is(hook === 'tcx' ? guards().length : classifiers(a), 1, 'not twice');
      t.is(await a.runOutside(oddCaller('tcp', b.address, PORT)), 'TIMEOUT');
    }
    t.regex(await a.runOutside(oddCaller('tcp', b.address, PORT)), /^app saw/, 'released');
    t.is(classifiers(a), 0);
    t.deepEqual(guards(), []);
  });
}
