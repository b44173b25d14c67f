/** The admin API. It has no passwords: it listens on the pod's loopback address, and Kubernetes decides who may forward a port to it. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Logger } from 'pino';
import {
  type AdminChangeAnswer,
  type AdminJoinAnswer,
  type AdminPlan,
  type AdminRevokeAnswer,
  type AdminTokenAnswer,
  type AdminTokenRequest,
  encodeError,
  JoinRequestSchema,
  LeaveRequestSchema,
  MAX_BODY_BYTES,
  parseRequest,
  RevokeRequestSchema,
  RotationRequestSchema,
  type RotationStatus,
  type ServiceStatus,
  type Status,
  TokenRequestSchema,
} from './admin-api.ts';
import { httpStatusOf } from './http-status.ts';

export interface AdminBackend {
  status(): Status;
  services(): ServiceStatus[];
  createToken(request: AdminTokenRequest, signal: AbortSignal): Promise<AdminTokenAnswer>;
  join(token: string, signal: AbortSignal): Promise<AdminJoinAnswer>;
  leave(request: { readonly force: boolean }, signal: AbortSignal): Promise<AdminChangeAnswer>;
  planLeave(): AdminPlan;
  planJoin(token: string, signal: AbortSignal): Promise<AdminPlan>;
  rotateKeys(signal: AbortSignal): Promise<AdminChangeAnswer>;
  revoke(cluster: string, signal: AbortSignal): Promise<AdminRevokeAnswer>;
  rotation(): Promise<RotationStatus>;
  rotate(request: { readonly force: boolean }): Promise<RotationStatus>;
}

export interface AdminServerOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly host: '127.0.0.1';
  readonly backend: AdminBackend;
  readonly log: Logger;
}

export interface AdminServer extends AsyncDisposable {
  /** The port, once the server listens. Rejects when it can not. */
  readonly listening: Promise<number>;
}

/** A join may wait for the hub; the client's patience is longer. */
const REQUEST_TIMEOUT_MS = 60_000;

type Route = (backend: AdminBackend, body: string, signal: AbortSignal) => unknown;

const ROUTES: Readonly<Record<string, Readonly<Partial<Record<string, Route>>>>> = {
  '/v1/status': { GET: (backend) => backend.status() },
  '/v1/services': { GET: (backend) => ({ services: backend.services() }) },
  '/v1/tokens': { POST: (backend, body, signal) => backend.createToken(accepted(parseRequest(TokenRequestSchema, body)), signal) },
  '/v1/ca/rotation': { GET: (backend) => backend.rotation(), POST: (backend, body) => backend.rotate(accepted(parseRequest(RotationRequestSchema, body))) },
  '/v1/revoke': { POST: (backend, body, signal) => backend.revoke(accepted(parseRequest(RevokeRequestSchema, body)).cluster, signal) },
  '/v1/leave': { POST: (backend, body, signal) => backend.leave(accepted(parseRequest(LeaveRequestSchema, body)), signal) },
  '/v1/join/plan': { POST: (backend, body, signal) => backend.planJoin(accepted(parseRequest(JoinRequestSchema, body)).token, signal) },
  '/v1/leave/plan': { GET: (backend) => backend.planLeave() },
  '/v1/keys/rotation': { POST: (backend, _body, signal) => backend.rotateKeys(signal) },
  '/v1/join': { POST: (backend, body, signal) => backend.join(accepted(parseRequest(JoinRequestSchema, body)).token, signal) },
};

export function startAdminServer(options: AdminServerOptions): AdminServer {
  const { port, host, backend, log } = options;
  const closing = new AbortController();
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: 10_000, maxHeaderSize: 16 * 1024 }, (request, response) => {
    void serve(backend, request, response, closing.signal, log);
  });
  const listening = listen(server, port, host);
  listening.catch((error: unknown) => log.error({ err: error }, 'the admin server can not listen'));
  return {
    listening,
    async [Symbol.asyncDispose]() {
      closing.abort(new LandbridgeError('shutting-down', 'The federation service is shutting down.', { retryable: true }));
      await listening.catch(() => undefined);
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

async function serve(backend: AdminBackend, request: IncomingMessage, response: ServerResponse, closing: AbortSignal, log: Logger): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort(new LandbridgeError('client-gone', 'The client closed the connection.')));
  const signal = AbortSignal.any([closing, gone.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]);
  try {
    const route = findRoute(request);
    const body = await readBody(request);
    send(response, 200, JSON.stringify(await route(backend, body, signal)));
  } catch (thrown) {
    const error = LandbridgeError.from(signal.aborted && !(thrown instanceof LandbridgeError) ? signal.reason : thrown);
    const status = httpStatusOf(error.code);
    if (status >= 500) log.error({ err: thrown, path: request.url, code: error.code }, 'admin request failed');
    send(response, status, encodeError(error));
  }
}

function findRoute(request: IncomingMessage): Route {
  // A web page that an administrator has open must not reach a forwarded port (DNS rebinding): browsers name the page's host here.
  const host = (request.headers.host ?? '').replace(/:\d+$/, '');
  if (!['localhost', '127.0.0.1', '[::1]'].includes(host) || request.headers.origin !== undefined) throw new LandbridgeError('forbidden', 'The admin API answers to local programs only.');
  const path = (request.url ?? '').replace(/\?.*$/s, '');
  const methods = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
  if (methods === undefined) throw new LandbridgeError('not-found', `There is nothing at ${JSON.stringify(path.slice(0, 100))}.`);
  const route = Object.hasOwn(methods, request.method ?? '') ? methods[request.method ?? ''] : undefined;
  if (route === undefined) throw new LandbridgeError('method-not-allowed', `${path} answers to ${Object.keys(methods).join(', ')} only.`);
  return route;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new LandbridgeError('request-too-large', `The request is larger than ${MAX_BODY_BYTES} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function send(response: ServerResponse, status: number, body: string): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), connection: 'close' });
  response.end(body);
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve(address !== null && typeof address === 'object' ? address.port : port);
    });
  });
}

function accepted<T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: LandbridgeError }): T {
  if (!result.ok) throw result.error;
  return result.value;
}
