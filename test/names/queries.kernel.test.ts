import { execFileSync } from 'node:child_process';
import test from 'ava';
import { Capture } from '@landbridge/agent/capture/capture.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { packetsIn } from '../e2e/packet-capture.ts';
import { Mesh } from '../mesh/mesh.ts';
import type { MeshPod } from '../mesh/mesh-pod.ts';
import { asking, nameServer } from './applications.ts';
import { nameFor } from './naming-agent.ts';

/* What applications see of the capture of their queries: nothing. The agent is this process. */

const SERVERS = ['192.0.2.53', '192.0.2.54', '192.0.2.55', '192.0.2.56', '192.0.2.57'] as const;
const SERVERS6 = ['2001:db8::53', '2001:db8::54'] as const;

let mesh: Mesh;
let a: MeshPod;
let b: MeshPod;

test.before(async () => {
  buildCaptureObject();
  mesh = await Mesh.open({ west: ['a', 'b'] });
  const west = mesh.node('west');
  west.becomeAgent();
  [a, b] = [mesh.pod('a'), mesh.pod('b')];
  for (const server of [...SERVERS, ...SERVERS6]) execFileSync('ip', ['-n', west.netns, 'addr', 'add', server, 'dev', 'br0']);
  await west.start(nameServer(...SERVERS, ...SERVERS6));
});

test.after.always(async () => await mesh[Symbol.asyncDispose]());

type Taken = readonly [name: string, from: string, text: string] | string;
const ask = async (pod: MeshPod, ...args: Parameters<typeof asking>): Promise<readonly Taken[]> => JSON.parse(await pod.run(asking(...args))) as readonly Taken[];

/** Of answers, which server gave them, and whom it saw. */
const saw = (taken: Taken | undefined): string => (typeof taken === 'object' ? taken[2].replace(/ \d+ [0-9a-f]{4}$/, '') : String(taken));

test.serial('a connected socket hears from the server that it asked, by each family', async (t) => {
  using capture = new Capture(mesh.node('west'));
  await using _agent = nameFor(capture, a);
  for (const [family, server, peer, seen] of [
    [4, SERVERS[0], `${SERVERS[0]} 53`, `${SERVERS[0]} saw ${a.address}`],
    [6, SERVERS6[0], `${SERVERS6[0]} 53`, `${SERVERS6[0]} saw ${a.address6}`],
    [6, `::ffff:${SERVERS[0]}`, `::ffff:${SERVERS[0]} 53`, `${SERVERS[0]} saw ${a.address}`],
  ] as const) {
    const [connected, first, second] = await ask(a, family, [`connect=${server}`, 'send=one.example', 'take', 'send=two.example', 'take']);
    t.is(connected, peer);
    t.deepEqual([first?.slice(0, 2), saw(first)], [['one.example', peer], seen]);
    t.deepEqual([second?.slice(0, 2), saw(second)], [['two.example', peer], seen], 'once more, by the same socket');
  }
});

test.serial('one socket asks several servers, and hears from each by its own address', async (t) => {
  using capture = new Capture(mesh.node('west'));
  await using _agent = nameFor(capture, a);
  const servers = SERVERS.slice(0, 3);
  const taken = await ask(a, 4, [...servers.map((server) => `to=${server}=same.example`), 'take', 'take', 'take']);
  t.deepEqual(taken.map((each) => [each[1], saw(each)]).sort(), servers.map((server) => [`${server} 53`, `${server} saw ${a.address}`]));
  const both = await ask(a, 6, [`to=${SERVERS6[0]}=a.example`, `to=::ffff:${SERVERS[1]}=b.example`, 'take', 'take']);
  t.deepEqual(both.map((each) => [each[1], saw(each)]).sort(), [[`${SERVERS6[0]} 53`, `${SERVERS6[0]} saw ${a.address6}`], [`::ffff:${SERVERS[1]} 53`, `${SERVERS[1]} saw ${a.address}`]]);
});

test.serial('a fifth server is refused while the others may answer, and asked afterwards', async (t) => {
  using capture = new Capture(mesh.node('west'));
  await using _agent = nameFor(capture, a);
  const steps = SERVERS.map((server) => `to=${server}=some.example`);
  const taken = await ask(a, 4, [...steps, 'take', 'take', 'take', 'take', 'wait', `to=${SERVERS[4]}=late.example`, 'take']);
  t.is(taken[0], 'ENOBUFS');
  t.deepEqual(taken.slice(1, 5).map(saw).sort(), SERVERS.slice(0, 4).map((server) => `${server} saw ${a.address}`));
  t.deepEqual([taken[5]?.[1], saw(taken[5])], [`${SERVERS[4]} 53`, `${SERVERS[4]} saw ${a.address}`]);
});

test.serial('a socket that is bound, or connected anew, asks whom it says', async (t) => {
  using capture = new Capture(mesh.node('west'));
  await using _agent = nameFor(capture, a);
  const taken = await ask(a, 4, [`connect=${SERVERS[0]}`, 'send=one.example', 'take', `connect=${SERVERS[1]}`, 'send=two.example', 'take'], `${a.address} 4053`);
  t.deepEqual([taken[0], saw(taken[1]), taken[2], saw(taken[3])], [`${SERVERS[0]} 53`, `${SERVERS[0]} saw ${a.address}`, `${SERVERS[1]} 53`, `${SERVERS[1]} saw ${a.address}`]);
  t.is(saw((await ask(a, 4, [`to=${SERVERS[0]}=one.example`, 'take'], '127.0.0.1 0'))[0]), `${SERVERS[0]} saw ${a.address}`);
});

test.serial('by TCP queries are answered on one connection, all messages of an answer', async (t) => {
  using capture = new Capture(mesh.node('west'));
  await using _agent = nameFor(capture, a);
  for (const [server, own] of [[SERVERS[0], a.address], [SERVERS6[0], a.address6]] as const) {
    const taken = await ask(a, 'stream', [`connect=${server}`, 'send=one.example', 'send=two.example', 'send=many.example', 'take', 'take', 'take', 'take', 'take']);
    t.is(taken[0], `${server} 53`);
    t.deepEqual(taken.slice(1).map((each) => [each[0], saw(each)]), ['one', 'two', 'many', 'many', 'many'].map((name) => [`${name}.example`, `${server} saw ${own}`]));
  }
});

test.serial('what is forged is not passed on, and ids and ports are chosen anew', async (t) => {
  using capture = new Capture(mesh.node('west'));
  await using _agent = nameFor(capture, a);
  const names = Array.from({ length: 8 }, (_, at) => `forged${at}.example`);
  const taken = await ask(a, 4, [`connect=${SERVERS[0]}`, ...names.flatMap((name) => [`send=${name}`, 'take'])]);
  t.deepEqual(taken.slice(1).map(([name]) => name), names);
  const origins = taken.slice(1).map((each) => String(each[2]).split(' ').slice(3));
  t.is(new Set(origins.map(([port]) => port)).size, names.length);
  t.false(origins.some(([, id]) => id?.startsWith('10')), `the application's own ids are 1001 and following: ${origins.join(' ')}`);
});

test.serial('names that the agent knows it answers itself, from the server that was asked', async (t) => {
  using capture = new Capture(mesh.node('west'));
  const seen: string[] = [];
  await using _agent = nameFor(capture, a, (query, { name, namespace }, transport) => {
    seen.push(`${transport} ${namespace}/${name}`);
    const answer = Uint8Array.from(query);
    answer.set([0x85, 0x83], 2);
    return { kind: 'answer', message: answer };
  });
  const packets = await mesh.node('west').capturePod(a, 'port 53');
  t.deepEqual(await ask(a, 4, [`to=${SERVERS[0]}=x.example`, 'take']), [['x.example', `${SERVERS[0]} 53`, 'rcode 3']]);
  t.deepEqual(await ask(a, 'stream', [`connect=${SERVERS[0]}`, 'send=x.example', 'take']), [`${SERVERS[0]} 53`, ['x.example', `${SERVERS[0]} 53`, 'rcode 3']]);
  t.is(packetsIn(await packets.stop()), 0);
  t.deepEqual(seen, ['udp shop/a', 'tcp shop/a']);
});

test.serial('a server that is not there is told of at once', async (t) => {
  using capture = new Capture(mesh.node('west'));
  await using _agent = nameFor(capture, a);
  t.deepEqual(await ask(a, 4, [`connect=${b.address}`, 'send=x.example', 'take']), [`${b.address} 53`, ['x.example', `${b.address} 53`, 'rcode 2']]);
  t.deepEqual(await ask(a, 'stream', [`connect=${b.address}`, 'send=x.example', 'take', 'take']), [`${b.address} 53`, ['x.example', `${b.address} 53`, 'rcode 2'], 'END']);
});

test.serial('without an agent queries are refused, and none leaves the pod', async (t) => {
  using capture = new Capture(mesh.node('west'));
  const agent = nameFor(capture, a);
  await agent.close();
  const packets = await mesh.node('west').capturePod(a, 'port 53 or port 15053');
  t.deepEqual(await ask(a, 4, [`to=${SERVERS[0]}=x.example`]), ['ECONNREFUSED']);
  t.deepEqual(await ask(a, 6, [`to=${SERVERS6[0]}=x.example`]), ['ECONNREFUSED']);
  t.deepEqual(await ask(a, 4, [`connect=${SERVERS[0]}`]), ['ECONNREFUSED']);
  t.deepEqual(await ask(a, 'stream', [`connect=${SERVERS[0]}`]), ['ECONNREFUSED']);
  t.is(packetsIn(await packets.stop()), 0);
  capture.forgetAllBut([]);
  t.is(saw((await ask(a, 4, [`to=${SERVERS[0]}=x.example`, 'take']))[0]), `${SERVERS[0]} saw ${a.address}`, 'released');
});

test.serial('a socket that was connected before its agent went is refused too', async (t) => {
  using capture = new Capture(mesh.node('west'));
  const agent = nameFor(capture, a);
  await using asked = await a.start(asking(4, [`connect=${SERVERS[0]}`, 'send=one.example', 'take', 'pause', 'send=two.example', 'take']));
  await agent.close();
  process.kill(asked.pid, 'SIGUSR1');
  const taken = JSON.parse(await asked.line()) as readonly Taken[];
  t.is(saw(taken[1]), `${SERVERS[0]} saw ${a.address}`);
  t.is(taken[2], 'ECONNREFUSED');
  capture.forgetAllBut([]);
});

test.serial('a pod whose queries are not captured asks by itself', async (t) => {
  using capture = new Capture(mesh.node('west'));
  const pod = capture.capture(a.place);
  const packets = await mesh.node('west').capturePod(a, 'udp port 53');
  t.is(saw((await ask(a, 4, [`connect=${SERVERS[0]}`, 'send=x.example', 'take']))[1]), `${SERVERS[0]} saw ${a.address}`);
  t.true(packetsIn(await packets.stop()) > 0);
  t.deepEqual(pod.listeners.dnsDatagrams, []);
  capture.release(pod);
});
