import { once } from 'node:events';
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import type { Logger } from 'pino';
import type { Certificate } from '../identity/certificate-store.ts';
import type { TrustBundles, VerifiedPeer } from '../identity/peer.ts';
import { parseAuthority } from './authority.ts';
import { CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES } from './hbone-client.ts';
import { LIVENESS, watchLiveness } from './liveness.ts';
import { ALPN, allRoots, peerOf, TLS_VERSION } from './trust.ts';
import type { TunnelRequest, TunnelServer } from './tunnel.ts';

const HANDSHAKE_TIMEOUT_MS = 10_000;
const MAX_STREAMS = 1000;
/**
 * An application that resets its connections is no attack, and over the limit nghttp2 ends the whole session with all
 * its streams; its default of 33 in a second is meant for browsers (CVE-2023-44487).
 */
const RESET_LIMITS = { streamResetBurst: 20_000, streamResetRate: 10_000 };
const KEEPALIVE_MS = 30_000;
const BAD_REQUEST = 400;

export interface HboneServerOptions {
  readonly certificate: Certificate;
  readonly bundles: () => TrustBundles;
  readonly onRequest: (request: TunnelRequest) => void;
  /** A peer that was turned away before it could ask for anything. */
  readonly onRefusedPeer: (remote: string, reason: string) => void;
  readonly log: Logger;
}

/** HBONE over node:tls and node:http2, for one identity. */
export class HboneServer implements TunnelServer {
  readonly #server: tls.Server;
  readonly #options: HboneServerOptions;
  readonly #sessions = new Set<http2.ServerHttp2Session>();
  #certificate: Certificate;

  constructor(options: HboneServerOptions) {
    this.#options = options;
    this.#certificate = options.certificate;
    this.#server = tls.createServer({ ...this.#context(), requestCert: true, rejectUnauthorized: true, ALPNProtocols: [ALPN], handshakeTimeout: HANDSHAKE_TIMEOUT_MS });
    this.#server.on('secureConnection', (socket) => this.#accept(socket));
    this.#server.on('tlsClientError', (error, socket) => options.onRefusedPeer(socket.remoteAddress ?? '', error.message));
  }

  async listen(fd: number): Promise<void> {
    const listening = once(this.#server, 'listening');
    this.#server.listen({ fd });
    await listening;
  }

  /** Serves a connection that was accepted elsewhere. */
  take(socket: Socket): void {
    this.#server.emit('connection', socket);
  }

  renew(certificate: Certificate): void {
    this.#certificate = certificate;
    this.trust();
  }

  /** Takes over changed trust bundles for connections from now on. */
  trust(): void {
    this.#server.setSecureContext(this.#context());
  }

  #context(): tls.SecureContextOptions {
    return { key: this.#certificate.keyPem, cert: this.#certificate.chainPem, ca: allRoots(this.#options.bundles()), minVersion: TLS_VERSION };
  }

  #accept(socket: tls.TLSSocket): void {
    const peer = peerOf(socket, this.#options.bundles());
    if (!peer.ok) {
      this.#options.onRefusedPeer(socket.remoteAddress ?? '', peer.error);
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    const session = http2.performServerHandshake(socket, { ...RESET_LIMITS, settings: { initialWindowSize: STREAM_WINDOW_BYTES, maxConcurrentStreams: MAX_STREAMS } });
    this.#sessions.add(session);
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    watchLiveness(session, LIVENESS);
    session.on('close', () => this.#sessions.delete(session));
    // Streams see the end of the session as their own abort.
    session.on('error', (error) => this.#options.log.debug({ peer: peer.value.id, error: error.message }, 'tunnel session ended'));
    const remote = { ip: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    session.on('stream', (stream, headers) => this.#request(stream, headers, peer.value, remote));
  }

  #request(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, peer: VerifiedPeer, remote: TunnelRequest['remote']): void {
    stream.on('error', (error) => this.#options.log.debug({ peer: peer.id, error: error.message }, 'tunnel stream ended'));
    const refuse = (status: number): void => {
      if (stream.destroyed || stream.closed) return;
      stream.respond({ ':status': status }, { endStream: true });
    };
    const destination = parseAuthority(headers[':authority'] ?? '');
    if (headers[':method'] !== 'CONNECT' || !destination.ok) return refuse(BAD_REQUEST);
    this.#options.onRequest({
      peer,
      remote,
      destination: destination.value,
      refuse,
      accept: (): Duplex => {
        if (!stream.destroyed && !stream.closed) stream.respond({ ':status': 200 });
        return stream;
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const session of this.#sessions) session.destroy();
    await closed;
  }
}
