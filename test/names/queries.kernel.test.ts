import { execFileSync } from 'node:child_process';
import test from 'ava';
import { Capture } from '@landbridge/agent/capture/capture.ts';
import { QUERY_LIMITS } from '@landbridge/agent/dns/dns-service.ts';
import { FORWARD_TIMEOUT_MS } from '@landbridge/agent/dns/forwarder.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
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
  mesh = await Mesh.open({ west: ['a', 'b', 'six'] }, { six: ['IPv6'] });
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

test.serial('a pod of one family asks servers of that family, and of another one hears that there is no way', async (t) => {
  using capture = new Capture(mesh.node('west'));
  const six = mesh.pod('six');
  await using _agent = nameFor(capture, six);
  const taken = await ask(six, 6, [`connect=${SERVERS6[0]}`, 'send=one.example', 'take', `to=${SERVERS6[1]}=two.example`]);
  t.deepEqual([taken[0], saw(taken[1])], [`${SERVERS6[0]} 53`, `${SERVERS6[0]} saw ${six.address6}`]);
  for (const [family, server] of [[4, SERVERS[0]], [6, `::ffff:${SERVERS[0]}`]] as const) {
    t.deepEqual(await ask(six, family, [`connect=${server}`]), ['ENETUNREACH'], server);
    t.deepEqual(await ask(six, family, [`to=${server}=x.example`]), ['ENETUNREACH'], server);
  }
});

test.serial('a fifth server is refused while the others may answer, and asked afterwards', async (t) => {
  using capture = new Capture(mesh.node('west'));
  await using _agent = nameFor(capture, a);
  const steps = SERVERS.map((server) => `to=${server}=some.example`);
  const taken = await ask(a, 4, [...steps, 'take', 'take', 'take', 'take', 'wait', `to=${SERVERS[4]}=after.example`, 'take']);
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

test.serial('queries beyond those that may wait fail at once, and a server that is silent stays so', async (t) => {
  using capture = new Capture(mesh.node('west'));
  await using agent = nameFor(capture, a);
  const over = 5;
  const silent = Array.from({ length: QUERY_LIMITS.ofPod + over }, (_, at) => `send=silent${at}.example`);
  // The agent's socket has no room for all of them: it has read those before once it has answered another one.
  const first = silent.slice(0, 200).flatMap((step, at) => (at % 50 === 49 ? [step, 'send=plain.example', 'take'] : [step]));
  const taken = await ask(a, 4, [`connect=${SERVERS[0]}`, ...first, ...silent.slice(200), ...Array.from({ length: over + 1 }, () => 'take')]);
  t.deepEqual(taken.slice(1, 5).map((each) => each[0]), Array.from({ length: 4 }, () => 'plain.example'));
  t.deepEqual(taken.slice(5).map((each) => (typeof each === 'object' ? each[2] : each)), [...Array.from({ length: over }, () => 'rcode 2'), 'TIMEOUT']);
  t.false(agent.service.isIdle());
  await waitFor(() => agent.service.isIdle() || undefined, { signal: new AbortController().signal, timeoutMs: 2 * FORWARD_TIMEOUT_MS, everyMs: 20, what: 'queries to be given up' });
});

test.serial('other pods can not have an agent ask in a pod\u2019s name, nor can the pod itself by the agent\u2019s ports', async (t) => {
  using capture = new Capture(mesh.node('west'));
  const seen: string[] = [];
  await using _agent = nameFor(capture, a, () => {
    seen.push('asked');
    return { kind: 'drop' };
  });
  // Of this pod one socket may: others of it, and the same port of another pod, may not.
  t.deepEqual(await ask(a, 4, [`to=${SERVERS[0]}=x.example`], `${a.address} 4054`), []);
  await waitFor(() => seen.length === 1 || undefined, { signal: new AbortController().signal, timeoutMs: 5000, everyMs: 5, what: 'the first query' });
  const sends = (host: string, port: number, from: string): readonly string[] => ['/usr/bin/python3', '-c', `import socket\ns = socket.socket(socket.AF_INET6 if ':' in '${host}' else socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('${from}', 4054 if '${from}' else 0))\ns.settimeout(2)\ns.connect(('${host}', ${port}))\ns.send(b'x' * 40)\ntry: s.recv(9)\nexcept OSError as e: print(type(e).__name__)`];
  for (const port of [15053, 15056]) {
    for (const host of [a.address, a.address6]) t.is(await b.run(sends(host, port, '')), 'ConnectionRefusedError', `another pod, ${host} ${port}`);
    t.is(await a.run(sends(a.address, port, '')), 'ConnectionRefusedError', `the pod, ${port}`);
  }
  t.is(await b.run(sends(a.address, 15053, b.address)), 'ConnectionRefusedError', 'by the same port');
  t.deepEqual(seen, ['asked']);
});
