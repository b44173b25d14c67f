/** Where the keys of a connection are before and after it has moved to the next agent: known to its other end, so that they can be searched for. */
import { createHmac } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { bundleAgent } from '@landbridge/lab/program-bundles.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import { hkdfLabel } from '@landbridge/wire/tls13.ts';
import { TARGET_PORT } from '../footprint/pod-objects.ts';
import { AgentNodes, type NodeAgent } from './agent-nodes.ts';
import { findInMemory } from './process-memory.ts';
import { echo } from './load.ts';

const AUTHORITY_PORT = 15012;
const KNOWN_TUNNEL = path.join(import.meta.dirname, 'known-tunnel.ts');
/** Enough for a rehearsal of the hand-over. */
const STREAMS = 40;
const WAIT_MS = 30_000;
const values = { 'handover.enabled': true, terminationGracePeriodSeconds: 60, logLevel: 'debug' };

/** How bytes may be written down; OpenSSL itself says secrets in hex. */
const FORMS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  '': (bytes) => bytes,
  ' in hex': (bytes) => Buffer.from(bytes.toString('hex')),
  ' in capital hex': (bytes) => Buffer.from(bytes.toString('hex').toUpperCase()),
  ' in hex, two bytes a letter': (bytes) => Buffer.from(bytes.toString('hex'), 'utf16le'),
  ' in capital hex, two bytes a letter': (bytes) => Buffer.from(bytes.toString('hex').toUpperCase(), 'utf16le'),
  ' in base64': (bytes) => Buffer.from(bytes.toString('base64').slice(0, -4)),
};

/** All that opens what the tunnel carries (RFC 8446, section 7.3), in every form. Both suites hash with what fits their secrets. */
function needles(secrets: readonly string[]): ReadonlyMap<string, Buffer> {
  return new Map(secrets.flatMap((hex, i) => {
    const secret = Buffer.from(hex, 'hex');
    const [hash, keyBytes] = secret.length === 32 ? ['sha256', 16] : ['sha384', 32];
    const key = createHmac(hash as string, secret).update(hkdfLabel('key', keyBytes as number)).update(Uint8Array.of(1)).digest().subarray(0, keyBytes as number);
    const whose = ['client', 'server'][i];
    return Object.entries({ secret, key }).flatMap(([what, bytes]) => Object.entries(FORMS).map(([form, write]) => [`${whose} ${what}${form}`, write(bytes)] as const));
  }));
}

/** A process that stands still is all at one moment. */
async function find(agent: NodeAgent, sought: ReadonlyMap<string, Buffer>): Promise<Readonly<Record<string, number>>> {
  process.kill(agent.pid, 'SIGSTOP');
  await waitFor(() => /^State:\s+T/m.test(readFileSync(`/proc/${agent.pid}/status`, 'latin1')) || undefined, { signal: new AbortController().signal, timeoutMs: WAIT_MS, everyMs: 5, what: 'an agent to stop' });
  try {
    return findInMemory(agent.pid, sought);
  } finally {
    process.kill(agent.pid, 'SIGCONT');
  }
}

/** All that an agent writes until it says something. */
async function linesUntil(agent: NodeAgent, expected: RegExp): Promise<string> {
  let lines = '';
  while (!expected.test(lines)) lines += `${await agent.line()}\n`;
  return lines;
}

function filesWith(directory: string, sought: ReadonlyMap<string, Buffer>): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => path.join(directory, name)).filter((file) => statSync(file).isFile() && [...sought.values()].some((needle) => readFileSync(file).includes(needle)));
}

test.serial('the keys of a connection that has moved twice are with the agent that has it and nowhere else', async (t) => {
  buildCaptureObject();
  bundleAgent();
  await using nodes = await AgentNodes.open({ west: ['server'], east: ['peer'] });
  const [west, server] = [nodes.mesh.node('west'), nodes.mesh.pod('server')];
  await server.start(echo(TARGET_PORT));
  const old = await nodes.startReady('west', values);
  const tunnel = await west.start([process.execPath, KNOWN_TUNNEL, nodes.directory, String(AUTHORITY_PORT), 'spiffe://west.landbridge/ns/shop/sa/peer', server.address, `${server.address}:${TARGET_PORT}`, String(STREAMS)]);
  const sought = needles(JSON.parse(await tunnel.line()) as readonly string[]);
  const ask = async (): Promise<string> => {
    process.kill(tunnel.pid, 'SIGHUP');
    return await tunnel.line();
  };
  t.is(await ask(), 'message 1');
  const before = await find(old, sought);
  t.log(`before, in the old agent: ${JSON.stringify(before)}`);
  // Or nothing that follows is proven.
  t.deepEqual(Object.keys(before).filter((name) => name.includes(' in ')), []);
  for (const whose of ['client', 'server']) t.true((before[`${whose} secret`] ?? 0) > 0);

  let giver = old;
  let lines = '';
  const after: Readonly<Record<string, number>>[] = [];
  for (const message of ['message 2', 'message 3']) {
    const next = await nodes.startReady('west', values);
    process.kill(giver.pid, 'SIGTERM');
    // A successor that is slow is asked again.
    lines += await linesUntil(giver, new RegExp(`"connections":${STREAMS},.*connections handed over`));
    lines += await linesUntil(next, new RegExp(`"connections":${STREAMS},.*connections taken over`));
    t.is(await ask(), message);
    after.push(await find(giver, sought));
    giver = next;
  }
  after.push(await find(giver, sought));
  t.log(`after: ${JSON.stringify(after)}`);
  const [first, second, third] = after as [(typeof after)[0], (typeof after)[0], (typeof after)[0]];
  t.deepEqual(first, {}, 'the one that made the handshake');
  t.deepEqual(second, {});
  t.deepEqual(Object.keys(third).filter((name) => name.includes(' in ')), []);
  for (const whose of ['client', 'server']) t.true((third[`${whose} secret`] ?? 0) > 0 && (third[`${whose} key`] ?? 0) > 0);
  for (const [name, needle] of sought) t.false(lines.includes(needle.toString('latin1')), name);
  t.deepEqual(filesWith(nodes.directory, sought), []);
});
