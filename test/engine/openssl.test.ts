/** The handshake and the records of the engine against OpenSSL's own commands, and against the newer OpenSSL of Node.js. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { freePort } from '@landbridge/lab/free-ports.ts';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import type { FailureReason } from '@landbridge/agent/hbone/failure.ts';
import { TlsChannel } from '@landbridge/agent/hbone/tls-channel.ts';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { TlsContext } from '@landbridge/native/tls-context.ts';
import { encodeHeaders } from '@landbridge/wire/hpack.ts';
import { CLIENT_PREFACE, FRAME_FLAG, FRAME_HEADER_BYTES, FRAME_TYPE, type FrameType, writeFrameHeader } from '@landbridge/wire/http2-frames.ts';
import { ask, echo } from './applications.ts';
import { candidate, HERE, TestEngine } from './engine.ts';
import { LoopServer } from './loop-server.ts';
import { echoTunnel, isAllowed, NodeClient, NodeServer } from './node-peers.ts';
import { OpensslCommand } from './openssl-command.ts';

const authority = new TestAuthority('east.example');
const [client, server] = [authority.certificate('client'), authority.certificate('server')];
const engine = new TestEngine();
engine.trust(authority);
test.serial.afterEach.always(() => engine.reset());
test.after.always(async () => {
  await engine[Symbol.asyncDispose]();
  authority[Symbol.dispose]();
});

const SUITES = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384'] as const;

function frame(type: FrameType, flags: number, streamId: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  bytes.set(payload, writeFrameHeader(bytes, 0, payload.length, type, flags, streamId));
  return bytes;
}

const data = (text: string, flags = 0): Buffer => frame(FRAME_TYPE.DATA, flags, 1, Buffer.from(text));
const settings = frame(FRAME_TYPE.SETTINGS, 0, 0);
const headers = (fields: readonly (readonly [string, string])[]): Buffer => frame(FRAME_TYPE.HEADERS, FRAME_FLAG.END_HEADERS, 1, encodeHeaders(fields));
const connectTo = (target: string): Buffer => Buffer.concat([CLIENT_PREFACE, settings, headers([[':method', 'CONNECT'], [':authority', target]])]);

/** Both requests were answered. */
const ANSWERS = /(<<< TLS 1.3, Handshake \[length 0005\], KeyUpdate.*){2}/s;
/** Without -nbio it would wait for data after each KeyUpdate, and read no input meanwhile. */
const NOT_BLOCKING = '-nbio';
/** Commands of its user are taken, and nothing but what the peer says is printed. */
const PLAIN = ['-quiet', '-no_ign_eof'];

const sClient = (port: number, ...args: readonly string[]): OpensslCommand => new OpensslCommand('s_client', client, authority.rootPem, ['-connect', `${HERE}:${port}`, '-noservername', NOT_BLOCKING, ...args]);

async function serverCommand(...args: readonly string[]): Promise<{ readonly command: OpensslCommand; readonly port: number; [Symbol.asyncDispose](): Promise<void> }> {
  const port = await freePort();
  const command = new OpensslCommand('s_server', server, authority.rootPem, ['-accept', `${HERE}:${port}`, '-Verify', '1', '-naccept', '1', NOT_BLOCKING, ...args]);
  // Not quiet, it says when it listens; quiet, only a connection tells.
  await until('s_server to listen', async () => await listens(port));
  return { command, port, [Symbol.asyncDispose]: () => command[Symbol.asyncDispose]() };
}

/** Whether a port is bound, without a connection to it. */
async function listens(port: number): Promise<boolean> {
  const { readFile } = await import('node:fs/promises');
  return (await readFile('/proc/net/tcp', 'utf8')).includes(`0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`);
}

for (const suite of SUITES) {
  test.serial(`s_client speaks ${suite}, changes keys with and without asking for ours, and is told the end`, async (t) => {
    await using application = await echo();
    const pod = engine.server(server);
    await using command = sClient(pod.port, '-alpn', 'h2', '-ciphersuites', suite, ...PLAIN, '-msg');
    command.write(connectTo(`${HERE}:${application.port}`));
    command.write(data('first,'));
    await command.says(/first,/);
    for (const letter of ['K', 'k', 'K']) {
      command.write(`${letter}\n`);
      await command.says(/>>> TLS 1.3, Handshake \[length 0005\], KeyUpdate/);
      command.write(data(`after ${letter},`));
      await command.says(new RegExp(`after ${letter},`));
    }
    t.regex(command.output, ANSWERS);
    t.notRegex(command.output, /NewSessionTicket/);
    await engine.plane.removePod(pod.uid, 0);
    await command.says(/<<< TLS 1.3, Alert \[length 0002\], warning close_notify/);
    t.pass();
  });

  test.serial(`s_server speaks ${suite}, changes keys with and without asking for ours, and is told the end`, async (t) => {
    await using under = await serverCommand('-alpn', 'h2', '-ciphersuites', suite, '-msg');
    const { command } = under;
    const pod = engine.client(client, [candidate(under.port, server.identity)]);
    const socket = connect(pod.port, HERE);
    let got = '';
    socket.on('data', (chunk: Buffer) => (got += chunk.toString())).on('error', () => {
      // Cut with its pod, in the end.
    });
    socket.write('asked,');
    await command.says(/asked,/);
    command.write(Buffer.concat([settings, headers([[':status', '200']]), data('first,')]));
    while (!got.includes('first,')) await once(socket, 'data');
    for (const letter of ['K', 'k', 'K']) {
      command.write(`${letter}\n`);
      await command.says(/>>> TLS 1.3, Handshake \[length 0005\], KeyUpdate/);
      command.write(data(`after ${letter},`));
      while (!got.endsWith(`after ${letter},`)) await once(socket, 'data');
      socket.write(`heard ${letter},`);
      await command.says(new RegExp(`heard ${letter},`));
    }
    t.regex(command.output, ANSWERS);
    t.is(got, 'first,after K,after k,after K,');
    await engine.plane.removePod(pod.uid, 0);
    await command.says(/<<< TLS 1.3, Alert \[length 0002\], warning close_notify/);
    socket.destroy();
  });
}

for (const [what, args] of [
  ['another group first, and P-256 after HelloRetryRequest', ['-groups', 'P-384:P-256']],
  ['P-256 alone', ['-groups', 'P-256']],
  ['X25519 alone', ['-groups', 'X25519']],
] as const) {
  test.serial(`s_client and s_server with ${what}`, async (t) => {
    await using application = await echo();
    const pod = engine.server(server);
    await using command = sClient(pod.port, '-alpn', 'h2', ...args, ...PLAIN);
    command.write(Buffer.concat([connectTo(`${HERE}:${application.port}`), data('hello')]));
    await command.says(/hello/);
    await using under = await serverCommand('-alpn', 'h2', ...args);
    const caller = engine.client(client, [candidate(under.port, server.identity)]);
    const answer = ask(caller.port, 'question');
    await under.command.says(/question/);
    under.command.write(Buffer.concat([settings, headers([[':status', '200']]), data('answer', FRAME_FLAG.END_STREAM)]));
    t.is(String(await answer), 'answer');
    t.deepEqual(await engine.failures(), {});
  });
}

const REFUSED: readonly (readonly [what: string, args: readonly string[], reason: FailureReason])[] = [
  ['TLS 1.2', ['-tls1_2', '-alpn', 'h2'], 'tls-version'],
  ['TLS_CHACHA20_POLY1305_SHA256', ['-ciphersuites', 'TLS_CHACHA20_POLY1305_SHA256', '-alpn', 'h2'], 'tls-protocol'],
  ['TLS_AES_128_CCM_SHA256', ['-ciphersuites', 'TLS_AES_128_CCM_SHA256', '-alpn', 'h2'], 'tls-protocol'],
  ['a group that is not offered', ['-groups', 'P-384', '-alpn', 'h2'], 'tls-protocol'],
  ['another protocol', ['-alpn', 'http/1.1'], 'tls-no-protocol'],
  ['no protocol', [], 'tls-no-protocol'],
  ['signatures by SHA-1', ['-sigalgs', 'ECDSA+SHA1', '-alpn', 'h2'], 'tls-protocol'],
];

for (const [what, args, reason] of REFUSED) {
  test.serial(`a client with ${what} is refused: ${reason}`, async (t) => {
    const pod = engine.server(server);
    await using command = sClient(pod.port, ...args, '-quiet');
    await command.ended();
    await engine.until((_, failures) => Object.keys(failures).length > 0);
    t.deepEqual(await engine.failures(), { [`inbound ${reason}`]: 1 });
    t.true(await isAllowed(pod.port, client, authority.rootPem, `${HERE}:${(await echoing.application).port}`), 'others are served');
  });
}

const echoing = { application: echo() };
test.after.always(async () => await (await echoing.application)[Symbol.asyncDispose]());

const REFUSED_SERVERS: readonly (readonly [what: string, args: readonly string[], reason: FailureReason])[] = [
  ['TLS 1.2', ['-tls1_2', '-alpn', 'h2'], 'tls-alert'],
  ['TLS_CHACHA20_POLY1305_SHA256', ['-ciphersuites', 'TLS_CHACHA20_POLY1305_SHA256', '-alpn', 'h2'], 'tls-alert'],
  ['a group that is not offered', ['-groups', 'P-384', '-alpn', 'h2'], 'tls-alert'],
  ['another protocol', ['-alpn', 'http/1.1'], 'tls-alert'],
  ['no protocol', [], 'tls-no-protocol'],
];

for (const [what, args, reason] of REFUSED_SERVERS) {
  test.serial(`a server with ${what} is refused: ${reason}`, async (t) => {
    await using under = await serverCommand(...args, '-quiet');
    const pod = engine.client(client, [candidate(under.port, server.identity)]);
    t.true((await ask(pod.port, 'secret')) instanceof Error);
    t.deepEqual(await engine.failures(), { [`outbound ${reason}`]: 1 });
    t.notRegex(under.command.output, /secret/);
  });
}

test.serial('peers that take the hybrid group of X25519 and ML-KEM only', async (t) => {
  await using application = await echo();
  const pod = engine.server(server);
  using node = await NodeClient.connect(pod.port, client, authority.rootPem, { tls: { ecdhCurve: 'X25519MLKEM768' } });
  const { stream } = await node.tunnel(`${HERE}:${application.port}`);
  stream.end('hybrid');
  t.is((await buffer(stream)).toString(), 'hybrid');
  await using peer = await NodeServer.start(server, authority.rootPem, echoTunnel, { ecdhCurve: 'X25519MLKEM768' });
  const caller = engine.client(client, [candidate(peer.port, server.identity)]);
  t.is(String(await ask(caller.port, 'hybrid')), 'hybrid');
});

test.serial('nobody resumes a session, or sends data before its handshake', async (t) => {
  await using application = await echo();
  const pod = engine.server(server);
  using first = await NodeClient.connect(pod.port, client, authority.rootPem);
  let sessions = 0;
  first.session.socket.on('session', () => sessions++);
  t.is(await first.status({ ':method': 'CONNECT', ':authority': `${HERE}:${application.port}` }), 200);
  t.is(sessions, 0, 'no ticket was given');
  t.false((first.session.socket as TLSSocket).isSessionReused());
});

for (const recordsPerKey of [1, 3]) {
  test.serial(`OpenSSL follows when our keys change after ${recordsPerKey} records`, async (t) => {
    using context = new TlsContext({ keyPem: server.keyPem, chainPem: server.chainPem, rootsPem: [authority.rootPem], protocol: 'h2' });
    await using under = new LoopServer({
      channel: (loop, fd, begin) => {
        const listener = { onSecure: begin, onHandshakeFailed: () => t.fail() };
        new TlsChannel(loop, fd, { role: 'server', isConnected: true, context, listener, recordsPerKey });
      },
    });
    using node = await NodeClient.connect(under.port, client, authority.rootPem);
    for (let i = 0; i < 20; i++) {
      const { stream } = await node.tunnel('10.0.0.1:80');
      stream.end(randomBytes(50_000));
      t.regex((await buffer(stream)).toString(), /^a few bytes/);
    }
    t.deepEqual(under.failures, []);
  });
}
