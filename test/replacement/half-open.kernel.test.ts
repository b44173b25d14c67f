/** Connections of which the handshake has begun with one agent when another one takes its pods. */
import { execFileSync } from 'node:child_process';
import test from 'ava';
import { depart } from '@landbridge/agent/departure.ts';
import { workloadOf } from '@landbridge/agent/discovery/test-resources.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { eventually } from '../agents/eventually.ts';
import { Mesh } from '../mesh/mesh.ts';
import { StaticAgent } from '../mesh/static-agent.ts';
import { echo, shortCalls, type ShortCalls } from './load.ts';

/* Both agents are this process. */

const PORT = 8080;
const GRACE_MS = 20_000;
const CALLS = 8;

test.serial('handshakes that were answered before a take-over end, and their connections are served', async (t) => {
  buildCaptureObject();
  await using mesh = await Mesh.open({ west: ['a', 'b'] });
  const node = mesh.node('west');
  node.becomeAgent();
  const [a, b] = [mesh.pod('a'), mesh.pod('b')];
  await using _app = await b.start(echo(PORT));
  const old = await StaticAgent.start(node, [b]);
  await using _old = { [Symbol.asyncDispose]: async () => await old.end() };
  await old.tell({ updated: [workloadOf(1, { addresses: [`/${b.address}`], tunnel: 'none', name: 'b', namespace: 'shop', serviceAccount: 'b' })], removed: [] });
  await using next = await StaticAgent.start(node, [b]);
  const nft = (...args: readonly string[]): void => void execFileSync('ip', ['netns', 'exec', a.netns, '/usr/sbin/nft', ...args], { stdio: 'inherit' });
  nft('add', 'table', 'ip', 'late');
  nft('add', 'chain', 'ip', 'late', 'out', '{ type filter hook output priority 0; }');
  nft('add', 'rule', 'ip', 'late', 'out', 'tcp', 'dport', String(PORT), 'tcp', 'flags', '&', '(syn|ack)', '==', 'ack', 'drop');
  await using calls = await a.start(shortCalls(b.address, PORT, CALLS));
  await eventually(() => execFileSync('ss', ['-N', b.netns, '-Htn', 'state', 'syn-recv'], { encoding: 'utf8' }).trim().split('\n').length, (count) => count === CALLS, 5000);
  // It makes no further ones.
  process.kill(calls.pid, 'SIGTERM');
  next.takeOver('b');
  const given = Promise.withResolvers<void>();
  const departed = depart({ leave: () => {}, isRelieved: () => old.isRelievedOf('b'), isFollowed: () => true }, old.plane, { [Symbol.asyncDispose]: async () => given.resolve() }, AbortSignal.timeout(GRACE_MS));
  await given.promise;
  nft('delete', 'table', 'ip', 'late');
  t.like(JSON.parse(await calls.line()) as ShortCalls, { done: CALLS, errors: {} });
  await departed;
});
