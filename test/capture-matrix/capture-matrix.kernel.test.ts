import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { Capture } from '@landbridge/agent/capture/capture.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { answerFor } from '../mesh/answering-agent.ts';
import { Mesh } from '../mesh/mesh.ts';
import type { MeshPod } from '../mesh/mesh-pod.ts';
import { runProgram } from '../mesh/program.ts';
import { type Observation, outcomeOf, packetFilter, parseHeard, probe, witness } from './observation.ts';
import { APPLICATION_PORT, type Destination, DOMAIN_PORT, type Origin, PROBED_PORT, type Row, ROWS } from './rows.ts';

/** Of the length of a file of packets that has none. */
const EMPTY_PCAP_BYTES = 24;
/** A range that the network inside the pod has, and nobody else. */
const INNER = { pod: '198.51.100.1', own: '198.51.100.2' };
const PORTS: readonly number[] = [APPLICATION_PORT, PROBED_PORT, DOMAIN_PORT];

let mesh: Mesh;
let pod: MeshPod;
let other: MeshPod;

test.before(async () => {
  buildCaptureObject();
  mesh = await Mesh.open({ west: ['a', 'b'] });
  mesh.node('west').becomeAgent();
  [pod, other] = [mesh.pod('a'), mesh.pod('b')];
  makeInnerNamespace();
  for (const place of [pod, other]) await place.start(witness(...PORTS));
  await mesh.node('west').start(witness(...PORTS));
});

test.after.always(async () => {
  execFileSync('ip', ['netns', 'delete', innerName()]);
  await mesh[Symbol.asyncDispose]();
});

const innerName = (): string => `${pod.netns}-inner`;

/** As docker in a pod does. */
function makeInnerNamespace(): void {
  const ip = (...args: readonly string[]): void => void execFileSync('ip', args, { stdio: 'inherit' });
  const inner = innerName();
  ip('netns', 'add', inner);
  ip('-n', pod.netns, 'link', 'add', 'inner', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', inner);
  ip('-n', pod.netns, 'addr', 'add', `${INNER.pod}/24`, 'dev', 'inner');
  ip('-n', pod.netns, 'link', 'set', 'inner', 'up');
  for (const command of [['addr', 'add', `${INNER.own}/24`, 'dev', 'eth0'], ['link', 'set', 'eth0', 'up'], ['route', 'add', 'default', 'via', INNER.pod]]) ip('-n', inner, ...command);
  execFileSync('ip', ['netns', 'exec', pod.netns, 'sh', '-ec', 'echo 1 > /proc/sys/net/ipv4/ip_forward; /usr/sbin/nft add table ip nat; /usr/sbin/nft add chain ip nat post "{ type nat hook postrouting priority 100; }"; /usr/sbin/nft add rule ip nat post oifname eth0 masquerade'], { stdio: 'inherit' });
}

function addressOf(destination: Destination, family: 4 | 6): string {
  const node = mesh.node('west');
  const [four, six] = {
    pod: [pod.address, pod.address6],
    'own-address': [pod.address, pod.address6],
    loopback: ['127.0.0.1', '::1'],
    'other-pod': [other.address, other.address6],
    node: [node.address, node.address6],
    service: ['10.96.0.10', 'fd00:96::10'],
    metadata: ['169.254.169.254', 'fd00:ec2::254'],
    automatic: ['240.240.0.7', '2001:2::7'],
    elsewhere: ['192.0.2.7', '2001:db8::7'],
  }[destination] as [string, string];
  return family === 4 ? four : six;
}

async function run(origin: Origin, argv: readonly string[]): Promise<string> {
  const node = mesh.node('west');
  const group = (name: string): string => path.join(node.cgroupRoot, name, 'cgroup.procs');
  switch (origin) {
    case 'pod':
      return await pod.run(argv);
    case 'agent':
      return await runProgram({ netns: pod.netns, group: group('agent') }, argv);
    case 'outside-control-group':
      return await pod.runOutside(argv);
    case 'inner-namespace':
      return await runProgram({ netns: innerName(), group: group('pods') }, argv);
    case 'host-network':
      return await runProgram({ netns: node.netns, group: group('pods') }, argv);
    case 'other-pod':
      return await other.run(argv);
    case 'node':
      return await node.run(argv);
    case 'kubelet':
      return await node.runAsKubelet(argv);
    default:
      return origin satisfies never;
  }
}

async function observe(row: Row): Promise<Observation> {
  const destination = addressOf(row.destination, row.family);
  const source = row.family === 4 ? pod.address : pod.address6;
  const packets = await mesh.node('west').capturePod(pod, packetFilter(row, destination));
  const { said } = parseHeard(await run(row.origin, probe(row, source, destination)));
  const left = (await packets.stop()).length > EMPTY_PCAP_BYTES;
  const agentSaw = row.destination === 'pod' ? new RegExp(`^(plaintext|hbone) for ${RegExp.escape(destination)} ${row.port} from `).test(said) : said.startsWith('outbound from ') && said.endsWith(` to ${destination} ${row.port}`);
  // What arrives at the pod is on its link whatever happens to it.
  return { said, agentSaw, left: left && row.destination !== 'pod' };
}

const nameOf = ({ origin, traffic }: Row): string => `${origin}: ${traffic}`;

test.serial('without capture all of it arrives', async (t) => {
  for (const row of ROWS.filter((each) => each.destination !== 'pod' || PORTS.includes(each.port))) {
    const seen = await observe(row);
    t.is(outcomeOf(seen), 'untouched', `${nameOf(row)}: ${JSON.stringify(seen)}`);
  }
});

test.serial('each row is as the documents say', async (t) => {
  using capture = new Capture(mesh.node('west'));
  await using _agent = await answerFor(capture, pod, { capturesDns: true });
  capture.kubeletProbes.setKubelet(statSync(mesh.node('west').kubeletGroup, { bigint: true }).ino);
  capture.kubeletProbes.setPorts([{ address: pod.address, port: PROBED_PORT }]);
  const differing: string[] = [];
  for (const row of ROWS) {
    const seen = await observe(row);
    if (outcomeOf(seen) !== row.outcome) differing.push(`${nameOf(row)}: not ${row.outcome}: ${JSON.stringify(seen)}`);
  }
  t.deepEqual(differing, []);
});
