import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { Capture } from '@landbridge/agent/capture/capture.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { packetsIn } from '../e2e/packet-capture.ts';
import { Mesh } from '../mesh/mesh.ts';
import { nameServer, withResolvConf } from './applications.ts';
import { nameFor } from './naming-agent.ts';

/* Resolvers as they are: of glibc, of musl, which asks all servers at once by one socket, and of BIND. */

const SERVERS = ['192.0.2.53', '192.0.2.54', '192.0.2.55'] as const;
const ADDRESS = '203.0.113.7';

let mesh: Mesh;
let directory: string;

test.before(async () => {
  buildCaptureObject();
  directory = mkdtempSync(path.join(tmpdir(), 'landbridge-names-'));
  execFileSync('musl-gcc', ['-static', '-O1', '-o', path.join(directory, 'resolve'), path.join(import.meta.dirname, 'resolve.c')]);
  writeFileSync(path.join(directory, 'resolv.conf'), `${SERVERS.map((server) => `nameserver ${server}\n`).join('')}options timeout:1 attempts:1\n`);
  mesh = await Mesh.open({ west: ['a'] });
  const west = mesh.node('west');
  west.becomeAgent();
  for (const server of SERVERS) execFileSync('ip', ['-n', west.netns, 'addr', 'add', server, 'dev', 'br0']);
  await west.start(nameServer(...SERVERS));
});

test.after.always(async () => {
  await mesh[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const resolving = async (argv: readonly string[]): Promise<string> => await mesh.pod('a').run(withResolvConf(path.join(directory, 'resolv.conf'), argv));
const glibc = async (name: string): Promise<string> => (await resolving(['getent', 'ahostsv4', name])).split(/\s/)[0] ?? '';
const musl = async (name: string): Promise<string> => await resolving([path.join(directory, 'resolve'), name]);
const dig = async (...args: readonly string[]): Promise<string> => await resolving(['dig', '+short', '+tries=1', '+time=4', ...args]);

for (const isCaptured of [false, true]) {
  test.serial(`${isCaptured ? 'by the agent' : 'without capture'}, resolvers of glibc, musl and BIND find names`, async (t) => {
    using capture = isCaptured ? new Capture(mesh.node('west')) : undefined;
    await using _agent = capture === undefined ? undefined : nameFor(capture, mesh.pod('a'));
    t.is(await glibc('plain.example'), ADDRESS);
    t.is(await musl('plain.example'), ADDRESS);
    for (const server of SERVERS) t.is(await musl(`only-${server.replaceAll('.', '-')}.example`), ADDRESS, 'musl takes an answer from a server that it asked');
    t.is(await glibc(`only-${SERVERS[1].replaceAll('.', '-')}.example`), ADDRESS, 'glibc asks the next one');
    t.is(await dig('plain.example'), ADDRESS);
    t.is(await dig('+tcp', 'plain.example'), ADDRESS);
    t.is(await dig(`@${SERVERS[2]}`, `only-${SERVERS[2].replaceAll('.', '-')}.example`), ADDRESS);
    t.regex(await dig('TXT', 'big.example'), new RegExp(`^"${SERVERS[0]} saw ${mesh.pod('a').address} `), 'by TCP, since it is truncated');
  });
}

test.serial('without an agent resolvers hear so at once, and nothing leaves the pod', async (t) => {
  using capture = new Capture(mesh.node('west'));
  await nameFor(capture, mesh.pod('a')).close();
  const packets = await mesh.node('west').capturePod(mesh.pod('a'), 'port 53');
  const startedMs = performance.now();
  t.is(await glibc('plain.example'), '');
  t.true(performance.now() - startedMs < 3000, 'three servers are not waited for, 1 s each');
  t.regex(await dig('plain.example'), /connection refused/i);
  t.is(packetsIn(await packets.stop()), 0);
  capture.forgetAllBut([]);
});
