/** Small HTTP servers for operators: fixed paths, bounded requests, answers that may be long. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Logger } from 'pino';

export interface Answer {
  readonly status: number;
  readonly type: 'text/plain' | 'text/html' | 'application/json' | 'text/plain; version=0.0.4';
  /** Long ones in pieces. */
  readonly body: string | AsyncIterable<string>;
  /** Once the answer has gone out, or can not any more. */
  readonly afterwards?: () => void;
}

export type Handler = (query: URLSearchParams, signal: AbortSignal) => Answer | Promise<Answer>;
export type Method = 'GET' | 'POST';
export type Routes = Readonly<Record<string, Readonly<Partial<Record<Method, Handler>>>>>;

/** Where a server listens. */
export type HttpAddress =
  /** Port 0 takes a free one; all addresses of the host where none is given. */
  | { readonly port: number; readonly host?: string }
  /** Of a socket in the file system, in place of what an earlier process left there. */
  | { readonly socket: string };

export type HttpServerOptions = HttpAddress & {
  readonly routes: Routes;
  readonly accepts?: (request: IncomingMessage) => boolean;
  readonly log: Logger;
};

export interface HttpServer extends AsyncDisposable {
  readonly port: number;
}

/** What a request may send besides its header. Nothing of it is used. */
export const MAX_REQUEST_BYTES = 4096;
export const MAX_HEADER_BYTES = 16 * 1024;
export const MAX_CONNECTIONS = 64;
/** Answers in pieces at once: each costs time of the thread that decides where connections go. */
export const MAX_LONG_ANSWERS = 4;
const REQUEST_MS = 10_000;
const ANSWER_MS = 60_000;

export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const closing = new AbortController();
  let longAnswers = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(ANSWER_MS)]);
    let afterwards: (() => void) | undefined;
    try {
      let found = await find(options, request, signal);
      const isLong = typeof found.body !== 'string';
      if (isLong && longAnswers >= MAX_LONG_ANSWERS) found = plain(503, 'too many requests at once');
      afterwards = found.afterwards;
      if (isLong) longAnswers++;
      try {
        await send(request, response, found, signal);
      } finally {
        if (isLong) longAnswers--;
      }
    } catch (thrown) {
      const error = LandbridgeError.from(thrown);
      if (response.headersSent || response.destroyed) response.destroy();
      else {
        options.log.error({ path: pathOf(request).slice(0, 100), error: error.message }, 'a request could not be answered');
        response.writeHead(500, { 'content-type': 'text/plain', connection: 'close' }).end('internal error\n');
      }
    }
    try {
      afterwards?.();
    } catch (thrown) {
      options.log.error({ path: pathOf(request).slice(0, 100), error: LandbridgeError.from(thrown).message }, 'what follows an answer failed');
    }
  };
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS, connectionsCheckingInterval: REQUEST_MS / 2 }, (request, response) => void answer(request, response));
  server.maxConnections = MAX_CONNECTIONS;
  const port = await listen(server, options);
  return {
    port,
    async [Symbol.asyncDispose]() {
      closing.abort(new LandbridgeError('shutting-down', 'The agent is shutting down.', { retryable: true }));
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

export function plain(status: number, text: string): Answer {
  return { status, type: 'text/plain', body: `${text}\n` };
}

async function find({ routes, accepts }: HttpServerOptions, request: IncomingMessage, signal: AbortSignal): Promise<Answer & { readonly allow?: string }> {
  if (accepts?.(request) === false) return plain(403, 'this server answers to programs of this node only');
  const path = pathOf(request);
  const methods = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (methods === undefined) return plain(404, 'not found');
  // HEAD is GET without the body, which node:http leaves out.
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const handler = method === 'GET' || method === 'POST' ? methods[method] : undefined;
  if (handler === undefined) return { ...plain(405, 'method not allowed'), allow: Object.keys(methods).map((each) => (each === 'GET' ? 'GET, HEAD' : each)).join(', ') };
  if (!(await hasShortBody(request))) return plain(413, 'the request is too large');
  return await handler(new URLSearchParams(request.url?.slice(path.length + 1)), signal);
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').replace(/\?.*$/s, '');
}

async function hasShortBody(request: IncomingMessage): Promise<boolean> {
  let size = 0;
  // To destroy the request would close the connection before the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) if ((size += chunk.length) > MAX_REQUEST_BYTES) return false;
  return true;
}

async function send(request: IncomingMessage, response: ServerResponse, { status, type, body, allow }: Answer & { readonly allow?: string }, signal: AbortSignal): Promise<void> {
  response.statusCode = status;
  response.setHeader('content-type', type.includes(';') ? type : `${type}; charset=utf-8`);
  response.setHeader('cache-control', 'no-store');
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('connection', 'close');
  if (allow !== undefined) response.setHeader('allow', allow);
  if (typeof body === 'string') {
    response.setHeader('content-length', Buffer.byteLength(body));
    const sent = Promise.withResolvers<void>();
    response.once('close', sent.resolve);
    response.end(body);
    return await sent.promise;
  }
  // What can not even begin still gets an answer of its own.
  const iterator = body[Symbol.asyncIterator]();
  const first = await iterator.next();
  const source = Readable.from(rest(first, iterator));
  if (!acceptsGzip(request.headers['accept-encoding'])) return await pipeline(source, response, { signal });
  response.setHeader('content-encoding', 'gzip');
  // The fastest level makes a twentieth of metrics, in a thread of its own.
  await pipeline(source, createGzip({ level: 1 }), response, { signal });
}

async function* rest(first: IteratorResult<string>, iterator: AsyncIterator<string>): AsyncGenerator<string> {
  try {
    for (let next = first; next.done !== true; next = await iterator.next()) yield next.value;
  } finally {
    await iterator.return?.();
  }
}

/** RFC 9110, section 12.5.3, as far as it concerns gzip. */
export function acceptsGzip(header: string | string[] | undefined): boolean {
  for (const coding of String(header ?? '').toLowerCase().split(',')) {
    const [name = '', ...parameters] = coding.split(';').map((part) => part.trim());
    if (name === 'gzip') return !parameters.some((parameter) => /^q=0(\.0{0,3})?$/.test(parameter));
  }
  return false;
}

/** Returns the port, 0 for a socket in the file system. */
async function listen(server: Server, at: HttpAddress): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  if ('socket' in at) {
    rmSync(at.socket, { force: true });
    server.listen(at.socket, resolve);
  } else server.listen(at.port, at.host, resolve);
  await promise;
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
