/* Every way to begin a connection, by either family, to every kind of destination: what becomes of it in a captured pod. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { packetsIn } from '../../test/e2e/packet-capture.ts';
import { answerFor } from '../../test/mesh/answering-agent.ts';
import { echo } from '../../test/replacement/load.ts';
import { greeter } from '../../test/mesh/applications.ts';
import { Mesh } from '../../test/mesh/mesh.ts';
import type { MeshPod } from '../../test/mesh/mesh-pod.ts';
import { withSetting } from '../../test/mesh/pod-setting.ts';
import { BEGINNINGS, type Beginning, beginner, earlyCaller, strangerCaller } from '../../test/mesh/raw-programs.ts';
import { Capture } from './capture.ts';

const PORT = 8080;
const PODS = ['both', 'four', 'six'] as const;

let mesh: Mesh;

test.before(async () => {
  buildCaptureObject();
  mesh = await Mesh.open({ west: [...PODS, 'peer'] }, { four: ['IPv4'], six: ['IPv6'] });
  mesh.node('west').becomeAgent();
});

test.after.always(async () => await mesh[Symbol.asyncDispose]());

/** Of a socket and its destination; `mapped` is an IPv6 socket to an IPv4 one. */
const FAMILIES = ['IPv4', 'IPv6', 'mapped'] as const;
const KINDS = ['another pod', 'a service', 'the metadata address', 'itself', 'loopback', 'any address', 'multicast', 'link-local'] as const;

interface Cell extends Beginning {
  readonly family: (typeof FAMILIES)[number];
  readonly kind: (typeof KINDS)[number];
}

/** `untouched`: as it would be without capture, be that an error. */
type Outcome = 'captured' | 'untouched' | 'unreachable';

function outcome(pod: MeshPod, { how, family, kind }: Cell): Outcome {
  const hasFamily = pod.addresses.includes(family === 'IPv6' ? pod.address6 : pod.address);
  // What can not be bound to is none of the agent's.
  if (!hasFamily && ['bound-address', 'bind-without-port'].includes(how)) return 'untouched';
  if (kind === 'link-local') return 'unreachable';
  if (family === 'mapped' && how === 'v6only') return 'untouched';
  if (['loopback', 'any address', 'multicast'].includes(kind)) return 'untouched';
  return !hasFamily ? 'unreachable' : kind === 'itself' ? 'untouched' : 'captured';
}

function hosts(pod: MeshPod, kind: Cell['kind']): readonly [string | undefined, string] {
  const peer = mesh.pod('peer');
  switch (kind) {
    case 'another pod':
      return [peer.address, peer.address6];
    case 'a service':
      return ['192.0.2.7', '2001:db8::7'];
    case 'the metadata address':
      return ['169.254.169.254', 'fd00:ec2::254'];
    case 'itself':
      return [pod.address, pod.address6];
    case 'loopback':
      return ['127.0.0.1', '::1'];
    case 'any address':
      return ['0.0.0.0', '::'];
    case 'multicast':
      return ['224.0.0.1', 'ff02::1%eth0'];
    case 'link-local':
      return [undefined, 'fe80::1%eth0'];
    default:
      return kind satisfies never;
  }
}

/** By an interface only what is behind it is reached: other cells would wait for nothing. */
function cellsOf(pod: MeshPod): readonly Cell[] {
  const host = (family: Cell['family'], kind: Cell['kind']): string | undefined => {
    const [four, six] = hosts(pod, kind);
    return family === 'IPv6' || four === undefined ? six : family === 'IPv4' ? four : `::ffff:${four}`;
  };
  return FAMILIES.flatMap((family) => KINDS.filter((kind) => kind !== 'link-local' || family === 'IPv6').flatMap((kind) => BEGINNINGS.filter((how) => how !== 'v6only' || family !== 'IPv4').map((how): Cell => ({
    family, kind, how, host: host(family, kind) ?? '', port: PORT, source: host(family, how === 'reconnect' ? 'a service' : how === 'bound-loopback' ? 'loopback' : 'itself') ?? '',
  })))).filter((cell) => cell.how !== 'bound-device' || outcome(pod, cell) === 'captured');
}

const nameOf = (pod: MeshPod, { family, kind, how }: Cell): string => `${pod.name}: ${family} to ${kind}, ${how}`;

async function run(pod: MeshPod, cells: readonly Cell[], firstPort: number): Promise<readonly string[]> {
  const lines = (await pod.run(beginner(cells.map(({ how, host, port, source }) => ({ how, host, port, source })), firstPort))).split('\n');
  if (lines.length !== cells.length) throw new Error(`${lines.length} lines for ${cells.length} cells: ${lines.at(-1)}`);
  return lines;
}

/** Runs all cells of a pod, with capture and, where nothing should differ, without it. */
async function table(t: ExecutionContext, pod: MeshPod, beginnings: readonly Beginning['how'][] = BEGINNINGS): Promise<void> {
  await using _app = await mesh.pod('peer').start(greeter(PORT, '::'));
  await using _own = await pod.start(greeter(PORT, '::'));
  const cells = cellsOf(pod).filter(({ how }) => beginnings.includes(how));
  const untouched = cells.filter((cell) => outcome(pod, cell) === 'untouched');
  const without = new Map((await run(pod, untouched, 20_000)).map((line, at) => [untouched[at] as Cell, line]));
  using capture = new Capture(mesh.node('west'));
  await using _agent = await answerFor(capture, pod);
  const packets = await mesh.node('west').capturePod(pod);
  const lines = await run(pod, cells, 21_000);
  for (const [at, cell] of cells.entries()) {
    const [name, { how, host, family }] = [nameOf(pod, cell), cell];
    switch (outcome(pod, cell)) {
      case 'captured': {
        const own = how === 'bound-loopback' ? (family === 'IPv6' ? '::1' : '127.0.0.1') : family === 'IPv6' ? pod.address6 : pod.address;
        const destination = host.replace('::ffff:', '');
        t.is(lines[at], `${family === 'mapped' ? '::ffff:' : ''}${own} > ${host} ${PORT} outbound from ${own} to ${destination} ${PORT}`, name);
        break;
      }
      case 'untouched':
        t.is(lines[at], without.get(cell), name);
        break;
      case 'unreachable':
        t.is(lines[at], 'ENETUNREACH', name);
        break;
    }
  }
  t.is(packetsIn(await packets.stop()), 0, 'nothing leaves the pod');
}

for (const name of PODS) test.serial(`${name}: each way to begin a connection, to each kind of destination`, async (t) => await table(t, mesh.pod(name)));

test.serial('a family that only the pod knows of is no way around the agent', async (t) => {
  const pod = mesh.pod('six');
  const ip = (...args: readonly string[]): void => void execFileSync('ip', ['-n', pod.netns, ...args]);
  ip('addr', 'add', '169.254.172.2/22', 'dev', 'eth0');
  t.teardown(() => ip('addr', 'delete', '169.254.172.2/22', 'dev', 'eth0'));
  ip('route', 'add', 'default', 'dev', 'eth0');
  using capture = new Capture(mesh.node('west'));
  await using _agent = await answerFor(capture, pod);
  const packets = await mesh.node('west').capturePod(pod);
  const calls = ['192.0.2.7', '::ffff:192.0.2.7'].map((host): Beginning => ({ how: 'tcp', host, port: PORT, source: '' }));
  t.is(await pod.run(beginner(calls)), 'ENETUNREACH\nENETUNREACH');
  t.is(packetsIn(await packets.stop()), 0);
});

test.serial('a socket is of the network namespace that it was made in, whoever connects it', async (t) => {
  const [both, peer, other] = [mesh.pod('both'), mesh.pod('peer'), mesh.pod('four')];
  await using _app = await other.start(greeter(PORT, '::'));
  using capture = new Capture(mesh.node('west'));
  await using _agent = await answerFor(capture, both);
  t.is(await peer.run(strangerCaller(both.place.namespacePath, other.address, PORT)), `outbound from ${both.address} to ${other.address} ${PORT}`, "a captured pod's, in a process of another pod");
  t.is(await both.run(strangerCaller(peer.place.namespacePath, other.address, PORT)), `app saw ::ffff:${peer.address}`, "another pod's, in a process of a captured one");
});

test.serial('a socket that was made before is captured when it connects, and one that was connected goes on', async (t) => {
  const [pod, peer] = [mesh.pod('both'), mesh.pod('peer')];
  await using _app = await peer.start(echo(PORT));
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-early-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const go = path.join(directory, 'go');
  await using program = await pod.start(earlyCaller(peer.address, PORT, go));
  using capture = new Capture(mesh.node('west'));
  await using _agent = await answerFor(capture, pod);
  writeFileSync(go, '');
  t.is(await program.line(), `outbound from ${pod.address} to ${peer.address} ${PORT}`);
  t.is(await program.line(), 'y');
});

test.serial('data in the SYN, where neither end asks for a cookie first', async (t) => {
  const pod = mesh.pod('both');
  // Client, server, both without a cookie, for all listeners (Documentation/networking/ip-sysctl.rst, tcp_fastopen).
  await using _setting = await withSetting(pod, 'ipv4/tcp_fastopen', String(0x607));
  await table(t, pod, ['fast-open', 'fast-open-connect']);
});
