import { once } from 'node:events';
import http2 from 'node:http2';
import { isIPv4, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Certificate } from '../identity/certificate-store.ts';
import type { TrustBundles } from '../identity/peer.ts';
import { formatAuthority } from './authority.ts';
import { LIVENESS, type LivenessTimes, watchLiveness } from './liveness.ts';
import { ALPN, allRoots, peerOf, TLS_VERSION } from './trust.ts';
import type { TunnelClient, TunnelSource, TunnelTarget } from './tunnel.ts';

const DIAL_TIMEOUT_MS = 10_000;
/** Streams on one connection before another one is opened; peers announce their own limit as well. */
const STREAMS_PER_SESSION = 100;
const IDLE_MS = 60_000;
/** For each stream and for the connection: enough for 1 Gbit/s over 30 ms and more. */
export const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
export const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;
const KEEPALIVE_MS = 30_000;

interface Pooled {
  readonly session: http2.ClientHttp2Session;
  readonly idleMs: number;
  streams: number;
  /** Runs while there is no stream. Not the session's own timeout, which each PING begins anew. */
  idle: NodeJS.Timeout | undefined;
}

/** HBONE over node:http2, with a pool of sessions for each source, peer and certificate. */
export class HboneClient implements TunnelClient {
  readonly #bundles: () => TrustBundles;
  readonly #pool = new Map<string, Set<Pooled>>();
  readonly #dials = new Map<string, Promise<Pooled>>();
  readonly #closing = new AbortController();
  readonly #idleMs: number;
  readonly #liveness: LivenessTimes;

  constructor(bundles: () => TrustBundles, times: { readonly idleMs?: number; readonly liveness?: LivenessTimes } = {}) {
    this.#bundles = bundles;
    this.#idleMs = times.idleMs ?? IDLE_MS;
    this.#liveness = times.liveness ?? LIVENESS;
  }

  async open(source: TunnelSource, target: TunnelTarget, signal: AbortSignal): Promise<Duplex> {
    const limited = AbortSignal.any([signal, this.#closing.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]);
    try {
      const certificate = await source.certificate(limited);
      const pooled = await this.#session(source, target, certificate, limited);
      return await openStream(pooled, target, limited);
    } catch (thrown) {
      if (thrown instanceof LandbridgeError) throw thrown;
      const cause = limited.aborted && !signal.aborted ? 'timed out' : LandbridgeError.from(thrown).message;
      throw new LandbridgeError('tunnel-dial', `tunnel to ${formatAuthority(target.endpoint)}: ${cause}`, { cause: thrown, retryable: true });
    }
  }

  async #session(source: TunnelSource, target: TunnelTarget, certificate: Certificate, signal: AbortSignal): Promise<Pooled> {
    const key = [source.key, formatAuthority(target.endpoint), target.identity, certificate.notAfterMs].join(' ');
    for (;;) {
      signal.throwIfAborted();
      for (const pooled of this.#pool.get(key) ?? []) {
        const limit = Math.min(STREAMS_PER_SESSION, pooled.session.remoteSettings?.maxConcurrentStreams ?? STREAMS_PER_SESSION);
        if (!pooled.session.closed && !pooled.session.destroyed && pooled.streams < limit) return pooled;
      }
      // Callers that come while a session is being made share it; the loop looks whether there was room for all.
      let dial = this.#dials.get(key);
      if (dial === undefined) {
        dial = this.#dial(key, source, target, certificate).finally(() => this.#dials.delete(key));
        this.#dials.set(key, dial);
      }
      const pooled = await dial;
      if (pooled.streams < STREAMS_PER_SESSION) return pooled;
    }
  }

  async #dial(key: string, source: TunnelSource, target: TunnelTarget, certificate: Certificate): Promise<Pooled> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]);
    const secure = await handshake(source.socket(isIPv4(target.endpoint.ip) ? 'IPv4' : 'IPv6'), target, certificate, this.#bundles(), signal);
    const session = http2.connect('https://hbone.invalid', { createConnection: () => secure, settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false } });
    session.on('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
    const pooled: Pooled = { session, idleMs: this.#idleMs, streams: 0, idle: undefined };
    let sessions = this.#pool.get(key);
    if (sessions === undefined) this.#pool.set(key, (sessions = new Set()));
    const pool = sessions;
    pool.add(pooled);
    const forget = (): void => {
      pool.delete(pooled);
      if (pool.size === 0 && this.#pool.get(key) === pool) this.#pool.delete(key);
    };
    session.on('close', forget);
    session.on('goaway', forget);
    // The streams tell; without a listener the error would end the process.
    session.on('error', forget);
    watchLiveness(session, this.#liveness);
    return pooled;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    const sessions = [...this.#pool.values()].flatMap((pool) => [...pool]);
    for (const { session } of sessions) session.destroy();
    await Promise.allSettled([...this.#dials.values()]);
  }
}

async function handshake(socket: Socket, target: TunnelTarget, certificate: Certificate, bundles: TrustBundles, signal: AbortSignal): Promise<tls.TLSSocket> {
  const abort = (): Socket => socket.destroy(new LandbridgeError('tunnel-dial', `tunnel to ${formatAuthority(target.endpoint)}: timed out`, { retryable: true }));
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    const connected = once(socket, 'connect');
    socket.connect({ host: target.endpoint.ip, port: target.endpoint.port });
    await connected;
    const secure = tls.connect({
      socket,
      key: certificate.keyPem,
      cert: certificate.chainPem,
      ca: allRoots(bundles),
      minVersion: TLS_VERSION,
      ALPNProtocols: [ALPN],
      // Identities are SPIFFE IDs, compared below; there is no host name to compare (and none is sent).
      checkServerIdentity: () => undefined,
    });
    await once(secure, 'secureConnect');
    const peer = peerOf(secure, bundles);
    const problem = !peer.ok ? peer.error : peer.value.id === target.identity ? undefined : `the peer is ${peer.value.id}`;
    if (problem !== undefined) {
      secure.destroy();
      throw new LandbridgeError('tunnel-identity', `tunnel to ${formatAuthority(target.endpoint)}, where ${target.identity} was expected: ${problem}`);
    }
    return secure;
  } catch (thrown) {
    socket.destroy();
    if (thrown instanceof LandbridgeError) throw thrown;
    throw new LandbridgeError('tunnel-dial', `tunnel to ${formatAuthority(target.endpoint)}: ${LandbridgeError.from(thrown).message}`, { cause: thrown, retryable: true });
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function openStream(pooled: Pooled, target: TunnelTarget, signal: AbortSignal): Promise<Duplex> {
  const stream = pooled.session.request({ ':method': 'CONNECT', ':authority': formatAuthority(target.destination) }, { endStream: false });
  pooled.streams++;
  clearTimeout(pooled.idle);
  stream.once('close', () => {
    if (--pooled.streams === 0) pooled.idle = setTimeout(() => pooled.session.close(), pooled.idleMs).unref();
  });
  const abort = (): void => stream.close(http2.constants.NGHTTP2_CANCEL);
  signal.addEventListener('abort', abort, { once: true });
  try {
    const [headers] = (await Promise.race([once(stream, 'response'), once(stream, 'close').then(() => closedEarly(target))])) as [http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader];
    const status = headers[':status'];
    if (status === 200) return stream;
    stream.close(http2.constants.NGHTTP2_CANCEL);
    throw new LandbridgeError('tunnel-refused', `${formatAuthority(target.destination)} was refused by ${target.identity} with status ${String(status)}`, { retryable: status === 503 });
  } catch (thrown) {
    if (!stream.destroyed) stream.close(http2.constants.NGHTTP2_CANCEL);
    throw thrown;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function closedEarly(target: TunnelTarget): never {
  throw new LandbridgeError('tunnel-dial', `the tunnel to ${formatAuthority(target.endpoint)} closed before it answered`, { retryable: true });
}

