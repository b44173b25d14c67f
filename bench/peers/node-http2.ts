/**
 * A peer of the benchmark: an HBONE pair on node:tls, node:http2 and streams, as one would write it without an engine
 * of one's own. Usage: see {@link USAGE}; the command line is that of the other pairs.
 */
import type { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import { connect, createServer, isIP, Socket } from 'node:net';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { parseArgs } from 'node:util';

const USAGE = 'usage: node node-http2.ts --role client|server --listen IP:PORT [--target IP:PORT]... --peer IP:PORT --certs DIR';
const ALPN = 'h2';
const STREAMS_PER_SESSION = 100;
const MAX_STREAMS = 1000;
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;
const BACKLOG = 4096;
/** Over the limit nghttp2 ends the whole session with all its streams; its default of 33 in a second is for browsers. */
const RESET_LIMITS = { streamResetBurst: 20_000, streamResetRate: 10_000 };
/** MiB. With the default of 10, sessions refuse streams while others are busy (ENHANCE_YOUR_CALM). */
const MAX_SESSION_MEMORY = 1024;
const BAD_REQUEST = 400;
const UNAVAILABLE = 503;

interface Address {
  readonly host: string;
  readonly port: number;
}

interface Pooled {
  readonly session: http2.ClientHttp2Session;
  streams: number;
}

function parseAddress(text: string): Address {
  const match = /^([0-9.]+):([0-9]{1,5})$/.exec(text);
  if (match === null || isIP(match[1] ?? '') !== 4) throw new Error(`${text} is not IP:PORT`);
  return { host: match[1] ?? '', port: Number(match[2]) };
}

/** One cipher suite and one group, the same as the other peers have. */
function contextOf(directory: string, name: 'client' | 'server'): tls.SecureContextOptions {
  const read = (file: string): string => readFileSync(path.join(directory, file), 'utf8');
  return { key: read(`${name}.key`), cert: read(`${name}.crt`), ca: read('ca.crt'), minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256', ecdhCurve: 'X25519' };
}

/** A certificate must name one workload by a URI (SPIFFE X.509-SVID, section 2); the chain is OpenSSL's to check. */
function hasIdentity(socket: tls.TLSSocket): boolean {
  const leaf: X509Certificate | undefined = socket.getPeerX509Certificate();
  return socket.alpnProtocol === ALPN && (leaf?.subjectAltName ?? '').split(', ').filter((name) => name.startsWith('URI:spiffe://')).length === 1;
}

/** Carries bytes both ways until both directions have ended or one side is cut, which cuts the other. */
function relay(near: Duplex, far: Duplex): void {
  const carry = (from: Duplex, to: Duplex): void => {
    from.on('end', () => (wasReset(from) ? cut(to) : to.end()));
    from.on('error', () => cut(to));
    from.on('close', () => {
      if (!from.readableEnded) cut(to);
    });
    if (from.destroyed) cut(to);
    else from.pipe(to, { end: false });
  };
  carry(near, far);
  carry(far, near);
}

function cut(stream: Duplex): void {
  if (stream.destroyed) return;
  if (stream instanceof Socket) stream.resetAndDestroy();
  else stream.destroy(new DOMException('cut', 'AbortError'));
}

/** node:http2 reports a stream that was cancelled as one that ended; only the code of RST_STREAM tells. */
function wasReset(stream: Duplex): boolean {
  return 'rstCode' in stream ? stream.rstCode !== http2.constants.NGHTTP2_NO_ERROR && stream.rstCode !== undefined : stream.errored !== null;
}

class Client {
  readonly #peer: Address;
  readonly #context: tls.SecureContextOptions;
  readonly #pool = new Set<Pooled>();
  #dialling: Promise<Pooled> | undefined;

  constructor(peer: Address, context: tls.SecureContextOptions) {
    this.#peer = peer;
    this.#context = context;
  }

  listen({ host, port }: Address, target: string): Promise<unknown> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
      socket.on('error', () => {});
      this.#open(target).then(
        (stream) => relay(socket, stream),
        (thrown: unknown) => {
          process.stderr.write(`${target}: ${String(thrown)}\n`);
          socket.resetAndDestroy();
        },
      );
    });
    return once(server.listen(port, host, BACKLOG), 'listening');
  }

  async #open(target: string): Promise<Duplex> {
    const pooled = await this.#session();
    const stream = pooled.session.request({ ':method': 'CONNECT', ':authority': target }, { endStream: false });
    pooled.streams++;
    stream.once('close', () => pooled.streams--);
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpStatusHeader];
    if (headers[':status'] !== http2.constants.HTTP_STATUS_OK) throw new Error(`refused with status ${headers[':status']}`);
    return stream;
  }

  async #session(): Promise<Pooled> {
    for (;;) {
      for (const pooled of this.#pool) {
        if (!pooled.session.closed && !pooled.session.destroyed && pooled.streams < STREAMS_PER_SESSION) return pooled;
      }
      // Callers that come while a session is being made share it; the loop looks whether there was room for all.
      this.#dialling ??= this.#dial().finally(() => (this.#dialling = undefined));
      const pooled = await this.#dialling;
      if (pooled.streams < STREAMS_PER_SESSION) return pooled;
    }
  }

  async #dial(): Promise<Pooled> {
    const secure = tls.connect({ ...this.#context, ...this.#peer, ALPNProtocols: [ALPN], checkServerIdentity: () => undefined });
    await once(secure, 'secureConnect');
    if (!hasIdentity(secure)) throw new Error('the peer has no identity');
    secure.setNoDelay(true);
    const session = http2.connect('https://hbone.invalid', { createConnection: () => secure, maxSessionMemory: MAX_SESSION_MEMORY, settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false } });
    session.on('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
    const pooled = { session, streams: 0 };
    this.#pool.add(pooled);
    for (const event of ['close', 'goaway', 'error']) session.on(event, () => this.#pool.delete(pooled));
    return pooled;
  }
}

function serveTunnels({ host, port }: Address, context: tls.SecureContextOptions): Promise<unknown> {
  const server = tls.createServer({ ...context, requestCert: true, rejectUnauthorized: true, ALPNProtocols: [ALPN] }, (socket) => {
    if (!hasIdentity(socket)) {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    const session = http2.performServerHandshake(socket, { ...RESET_LIMITS, maxSessionMemory: MAX_SESSION_MEMORY, settings: { initialWindowSize: STREAM_WINDOW_BYTES, maxConcurrentStreams: MAX_STREAMS } });
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    // Streams see the end of the session as their own abort.
    session.on('error', () => {});
    session.on('stream', answer);
  });
  return once(server.listen(port, host, BACKLOG), 'listening');
}

function answer(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
  stream.on('error', () => {});
  if (headers[':method'] !== 'CONNECT') {
    stream.respond({ ':status': BAD_REQUEST }, { endStream: true });
    return;
  }
  const application = connect({ ...parseAddress(headers[':authority'] ?? ''), allowHalfOpen: true, noDelay: true });
  const refuse = (): void => {
    if (!stream.destroyed && !stream.headersSent) stream.respond({ ':status': UNAVAILABLE }, { endStream: true });
  };
  application.on('error', refuse);
  application.once('connect', () => {
    if (!stream.destroyed) stream.respond({ ':status': http2.constants.HTTP_STATUS_OK });
    relay(stream, application);
  });
}

const { values } = parseArgs({
  options: {
    role: { type: 'string' },
    listen: { type: 'string', multiple: true, default: [] },
    target: { type: 'string', multiple: true, default: [] },
    peer: { type: 'string', default: '' },
    certs: { type: 'string', default: '' },
  },
});
if (values.role === 'client') {
  const client = new Client(parseAddress(values.peer), contextOf(values.certs, 'client'));
  await Promise.all(values.listen.map((address, index) => client.listen(parseAddress(address), values.target[index] ?? '')));
} else if (values.role === 'server') {
  await Promise.all(values.listen.map((address) => serveTunnels(parseAddress(address), contextOf(values.certs, 'server'))));
} else {
  process.stderr.write(`${USAGE}\n`);
  process.exit(64);
}
process.stdout.write('ready\n');
