/** The HTTP/2 and the TLS of Node.js as peers of an engine: another implementation of both. */
import { once } from 'node:events';
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type Http2SecureServer, type IncomingHttpHeaders, type IncomingHttpStatusHeader, type OutgoingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import tls, { type ConnectionOptions, type TLSSocket } from 'node:tls';
import { HERE } from './engine.ts';

export interface PeerCertificate {
  readonly keyPem: string;
  readonly chainPem: string;
}

function tlsSocket(port: number, own: PeerCertificate | undefined, rootsPem: string, over: ConnectionOptions): TLSSocket {
  return tls.connect({ host: HERE, port, ca: rootsPem, ALPNProtocols: ['h2'], servername: '', checkServerIdentity: () => undefined, minVersion: 'TLSv1.3', ...(own === undefined ? {} : { key: own.keyPem, cert: own.chainPem }), ...over });
}

/** Connects to an engine's server as a pod of the mesh does, or in another way. */
export async function secureSocket(port: number, own: PeerCertificate | undefined, rootsPem: string, over: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = tlsSocket(port, own, rootsPem, over);
  await once(socket, 'secureConnect');
  return socket;
}

export class NodeClient implements Disposable {
  readonly session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.session = session;
    session.on('error', () => {
      // Each test looks at what it expects of the session.
    });
  }

  static async connect(port: number, own: PeerCertificate | undefined, rootsPem: string, options: { readonly tls?: ConnectionOptions; readonly http2?: http2.SecureClientSessionOptions } = {}): Promise<NodeClient> {
    const socket = await secureSocket(port, own, rootsPem, options.tls);
    return new NodeClient(http2.connect('https://engine', { ...options.http2, createConnection: () => socket }));
  }

  /** Asks for a tunnel; resolves with the answer. */
  async tunnel(authority: string, headers: OutgoingHttpHeaders = {}): Promise<{ readonly stream: ClientHttp2Stream; readonly headers: IncomingHttpHeaders & IncomingHttpStatusHeader }> {
    const stream = this.session.request({ ':method': 'CONNECT', ':authority': authority, ...headers }, { endStream: false });
    const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders & IncomingHttpStatusHeader];
    return { stream, headers: answer };
  }

  /** The status of the answer to any request. */
  async status(headers: OutgoingHttpHeaders): Promise<number | undefined> {
    const stream = this.session.request(headers, { endStream: headers[':method'] !== 'CONNECT' });
    const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders & IncomingHttpStatusHeader];
    stream.resume();
    stream.close();
    return answer[':status'];
  }

  [Symbol.dispose](): void {
    this.session.destroy();
  }
}

/** Whether a server lets a peer open a tunnel. */
export async function isAllowed(port: number, own: PeerCertificate | undefined, rootsPem: string, authority: string, over: ConnectionOptions = {}): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  // Refused while the handshake goes on, or once it is over for this side.
  const socket = tlsSocket(port, own, rootsPem, over).on('error', () => resolve(false)).on('close', () => resolve(false));
  const session = http2.connect('https://engine', { createConnection: () => socket });
  session.on('error', () => resolve(false)).on('close', () => resolve(false));
  const stream = session.request({ ':method': 'CONNECT', ':authority': authority }, { endStream: false });
  stream.on('error', () => resolve(false)).on('response', (headers) => resolve(headers[':status'] === 200));
  const isOpen = await promise;
  if (isOpen) await once(stream.resume().end(), 'close');
  session.destroy();
  return isOpen;
}

export interface SeenRequest {
  readonly stream: ServerHttp2Stream;
  readonly headers: OutgoingHttpHeaders;
  /** As they came, in their order. */
  readonly raw: readonly string[];
}

/** A server of tunnels to which an engine's client connects. */
export class NodeServer implements AsyncDisposable {
  readonly #server: Http2SecureServer;
  readonly sockets: TLSSocket[] = [];
  readonly sessions: ServerHttp2Session[] = [];

  private constructor(server: Http2SecureServer) {
    this.#server = server;
  }

  static async start(own: PeerCertificate, rootsPem: string, serve: (request: SeenRequest) => void, options: http2.SecureServerOptions = {}): Promise<NodeServer> {
    const server = http2.createSecureServer({ key: own.keyPem, cert: own.chainPem, ca: rootsPem, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3', ALPNProtocols: ['h2'], ...options });
    const started = new NodeServer(server);
    const ignore = (): void => {
      // Each test looks at what it expects of the engine.
    };
    server.on('secureConnection', (socket) => {
      started.sockets.push(socket);
      socket.on('error', ignore);
    });
    server.on('session', (session) => {
      started.sessions.push(session);
      session.on('error', ignore);
    });
    server.on('tlsClientError', ignore);
    server.on('stream', (stream: ServerHttp2Stream, headers: OutgoingHttpHeaders, _: number, raw: unknown) => {
      stream.on('error', ignore);
      serve({ stream, headers, raw: raw as string[] });
    });
    // Without a listener Node.js refuses CONNECT before it is a stream.
    server.on('connect', ignore);
    server.listen(0, HERE);
    await once(server, 'listening');
    return started;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.sessions) session.destroy();
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Answers with 200 and sends back what comes. */
export function echoTunnel({ stream }: SeenRequest): void {
  stream.respond({ ':status': 200 });
  stream.pipe(stream);
}
