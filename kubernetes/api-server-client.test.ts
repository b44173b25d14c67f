import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { makeCertificates } from '@landbridge/lab/pki.ts';
import { clusterAccess } from './api-server-access.ts';
import { ApiServerClient, ApiServerError, type WatchBegin } from './api-server-client.ts';
import type { WatchEvent } from './watch-event.ts';

const certificates = mkdtempSync(path.join(tmpdir(), 'landbridge-certificates-'));
test.before(async () => {
  for (const authority of ['own', 'other']) await makeCertificates(path.join(certificates, authority), `test-${authority}`, [{ name: 'server', commonName: 'server', subjectAltNames: ['IP:127.0.0.1', 'DNS:localhost'] }], soon());
});
test.after.always(() => rmSync(certificates, { recursive: true }));
const fileOf = (authority: 'own' | 'other', name: string): string => readFileSync(path.join(certificates, authority, name), 'utf8');

const PODS = '/api/v1/pods';
const soon = (): AbortSignal => AbortSignal.timeout(60_000);
const since = (version: string): WatchBegin => ({ kind: 'version', version });
const eventLine = (version: string): string => `${JSON.stringify({ type: 'ADDED', object: { metadata: { resourceVersion: version } } })}\n`;

interface Asked {
  readonly url: URL;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** A server that answers as the test wants, and the folder with which a pod would be told of it. */
class Server implements AsyncDisposable {
  readonly asked: Asked[] = [];
  readonly directory = mkdtempSync(path.join(tmpdir(), 'landbridge-api-server-'));
  readonly #server;

  constructor(answer: (asked: Asked, server: Server) => void) {
    this.#server = createServer({ cert: fileOf('own', 'server.crt'), key: fileOf('own', 'server.key') }, (request, response) => {
      const asked = { url: new URL(request.url ?? '', 'https://localhost'), request, response };
      this.asked.push(asked);
      answer(asked, this);
    });
    this.write('token', 'first\n');
    this.write('ca.crt', fileOf('own', 'ca.crt'));
  }

  write(file: 'token' | 'ca.crt', text: string): void {
    writeFileSync(path.join(this.directory, file), text);
  }

  async client(options?: ConstructorParameters<typeof ApiServerClient>[1]): Promise<ApiServerClient> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return new ApiServerClient(clusterAccess({ host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port, directory: this.directory, userAgent: 'landbridge-test/1' }), options);
  }

  /** Resolves when the server has no connection left. */
  async empty(): Promise<void> {
    while ((await new Promise<number>((resolve) => this.#server.getConnections((_, count) => resolve(count)))) > 0) await new Promise(setImmediate);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    rmSync(this.directory, { recursive: true });
  }
}

async function eventsOf(watch: AsyncIterable<WatchEvent>): Promise<string[]> {
  const versions: string[] = [];
  for await (const event of watch) versions.push(event.kind === 'failed' ? `failed ${event.status.code}` : event.version);
  return versions;
}

test('a list asks for a page, for the next one by its name, and with the token of that moment', async (t) => {
  await using server = new Server(({ response }, { asked }) => {
    response.end(JSON.stringify({ metadata: { resourceVersion: '5', ...(asked.length === 1 ? { continue: 'a b&c' } : {}) }, items: [{ page: asked.length }] }));
  });
  const client = await server.client();
  const first = await client.list(PODS, { fieldSelector: 'spec.nodeName=n 1' }, '', soon());
  t.deepEqual(first, { version: '5', next: 'a b&c', items: [{ page: 1 }] });
  server.write('token', 'second');
  t.deepEqual(await client.list(PODS, { fieldSelector: 'spec.nodeName=n 1' }, first.next, soon()), { version: '5', next: '', items: [{ page: 2 }] });
  t.deepEqual(server.asked.map(({ request }) => request.headers.authorization), ['Bearer first', 'Bearer second']);
  t.deepEqual(server.asked.map(({ url }) => [url.pathname, url.searchParams.get('fieldSelector'), url.searchParams.get('limit'), url.searchParams.get('continue')]), [
    [PODS, 'spec.nodeName=n 1', '500', null],
    [PODS, 'spec.nodeName=n 1', '500', 'a b&c'],
  ]);
  t.regex(server.asked[0]?.request.headers['user-agent'] ?? '', /^landbridge-test\/1$/);
  await server.empty();
  t.pass('no connection is kept');
});

test('a server that the roots do not know is told nothing', async (t) => {
  await using server = new Server(({ response }) => void response.end('{}'));
  const client = await server.client();
  server.write('ca.crt', fileOf('other', 'ca.crt'));
  const error = await t.throwsAsync(client.list(PODS, {}, '', soon()), { instanceOf: ApiServerError });
  t.is(error.status, 0);
  t.deepEqual(server.asked, []);
  server.write('ca.crt', fileOf('own', 'ca.crt'));
  await t.throwsAsync(client.list(PODS, {}, '', soon()), { message: /without a resource version/ });
  t.is(server.asked.length, 1, 'roots are read anew');
});

test('a refusal has its status, its words and how long to wait', async (t) => {
  await using server = new Server(({ response, url }) => {
    const code = Number(url.searchParams.get('code'));
    response.writeHead(code, code === 429 ? { 'retry-after': '7' } : {}).end(code === 502 ? 'x'.repeat(200_000) : JSON.stringify({ kind: 'Status', message: 'because', details: { retryAfterSeconds: 3 } }));
  });
  const client = await server.client();
  const refusal = async (code: number): Promise<unknown> => {
    const { status, retryAfterMs, message } = await t.throwsAsync(client.list(PODS, { code: String(code) }, '', soon()), { instanceOf: ApiServerError });
    return [status, retryAfterMs, message];
  };
  t.deepEqual(await refusal(403), [403, 3000, `GET ${PODS}: status 403: because`]);
  t.deepEqual(await refusal(429), [429, 7000, `GET ${PODS}: status 429: because`], 'the header counts');
  t.deepEqual(await refusal(502), [502, undefined, `GET ${PODS}: status 502`], 'a page of a proxy that is too long to read');
});

test('a watch tells events as they come, and ends when the server ends it', async (t) => {
  const rest = Promise.withResolvers<void>();
  await using server = new Server(({ response }) => {
    response.write(`${eventLine('1')}${eventLine('2').slice(0, 20)}`);
    void rest.promise.then(() => response.end(`${eventLine('2').slice(20)}{"type":"ERROR","object":{"code":410}}\n`));
  });
  const client = await server.client();
  const events = client.watch(PODS, { a: 'b' }, since('17'), soon())[Symbol.asyncIterator]();
  t.like((await events.next()).value, { kind: 'set', version: '1' });
  rest.resolve();
  t.like((await events.next()).value, { kind: 'set', version: '2' });
  t.like((await events.next()).value, { kind: 'failed', status: { code: 410 } });
  t.true((await events.next()).done);
  const query = Object.fromEntries(server.asked[0]?.url.searchParams ?? []);
  t.like(query, { a: 'b', watch: '1', allowWatchBookmarks: 'true', resourceVersion: '17' });
  t.true(Number(query['timeoutSeconds']) >= 300 && Number(query['timeoutSeconds']) <= 600);
});

test('a watch may begin with all objects, of which the last is told as such', async (t) => {
  await using server = new Server(({ response }) => response.end(`${eventLine('1')}${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '9', annotations: { 'k8s.io/initial-events-end': 'true' } } } })}\n`));
  const client = await server.client();
  const events: WatchEvent[] = [];
  for await (const event of client.watch(PODS, {}, { kind: 'objects' }, soon())) events.push(event);
  t.like(events[0], { kind: 'set', version: '1' });
  t.deepEqual(events[1], { kind: 'bookmark', version: '9', hasAll: true });
  t.like(Object.fromEntries(server.asked[0]?.url.searchParams ?? []), { watch: '1', sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: 'true' });
  t.false(server.asked[0]?.url.searchParams.has('resourceVersion'));
});

test('a watch that is cut, or says what nobody understands, fails', async (t) => {
  await using server = new Server(({ response, url }) => {
    response.write(url.searchParams.get('resourceVersion') === 'cut' ? eventLine('1') : 'garbage\n', () => {
      if (url.searchParams.get('resourceVersion') === 'cut') response.destroy();
    });
  });
  const client = await server.client();
  t.is((await t.throwsAsync(eventsOf(client.watch(PODS, {}, since('cut'), soon())), { instanceOf: ApiServerError })).status, 0);
  const error = await t.throwsAsync(eventsOf(client.watch(PODS, {}, since('garbage'), soon())), { message: `watch of ${PODS}: not JSON` });
  t.false(error instanceof ApiServerError, 'the server did answer');
  await server.empty();
  t.pass('what is not understood is left');
});

test('a watch without a byte is given up', async (t) => {
  await using server = new Server(({ response }) => void response.flushHeaders());
  const client = await server.client({ silenceMs: 50 });
  const error = await t.throwsAsync(eventsOf(client.watch(PODS, {}, since('1'), soon())), { instanceOf: ApiServerError });
  t.regex(error.message, /no byte came for too long/);
  await server.empty();
});

test('abort ends a question, an answer that comes slowly, and a watch, with its reason', async (t) => {
  await using server = new Server(({ response, url }) => {
    if (url.searchParams.has('watch')) response.write(eventLine('1'));
    else if (url.searchParams.has('slow')) response.write('{"metadata":');
  });
  const client = await server.client();
  for (const ask of [
    async (signal: AbortSignal) => void (await client.list(PODS, {}, '', signal)),
    async (signal: AbortSignal) => void (await client.list(PODS, { slow: '1' }, '', signal)),
    async (signal: AbortSignal) => void (await eventsOf(client.watch(PODS, {}, since('1'), signal))),
    async (signal: AbortSignal) => await client.mergePatch(PODS, {}, signal),
  ]) {
    const stop = new AbortController();
    const before = server.asked.length;
    const result = ask(stop.signal);
    while (server.asked.length === before) await new Promise(setImmediate);
    stop.abort(new Error('enough'));
    await t.throwsAsync(result, { message: 'enough' });
    await server.empty();
    await t.throwsAsync(ask(stop.signal), { message: 'enough' });
    t.is(server.asked.length, before + 1, 'nothing is asked after that');
  }
});

test('whoever leaves a watch closes it', async (t) => {
  await using server = new Server(({ response }) => void response.write(eventLine('1')));
  const client = await server.client();
  for await (const event of client.watch(PODS, {}, since('1'), soon())) {
    t.is(event.kind, 'set');
    break;
  }
  await server.empty();
});

test('a patch is sent as what it is', async (t) => {
  const bodies: string[] = [];
  await using server = new Server(({ request, response }) => {
    request.setEncoding('utf8').on('data', (chunk: string) => bodies.push(chunk));
    request.on('end', () => response.end('{}'));
  });
  const client = await server.client();
  await client.mergePatch('/api/v1/namespaces/a/pods/b', { metadata: { annotations: { ä: null } } }, soon());
  t.is(bodies.join(''), '{"metadata":{"annotations":{"ä":null}}}');
  t.like(server.asked[0]?.request, { method: 'PATCH', url: '/api/v1/namespaces/a/pods/b' });
  t.is(server.asked[0]?.request.headers['content-type'], 'application/merge-patch+json');
});

test('an object is put in another’s place whole', async (t) => {
  const bodies: string[] = [];
  await using server = new Server(({ request, response }) => {
    request.setEncoding('utf8').on('data', (chunk: string) => bodies.push(chunk));
    request.on('end', () => response.end('{"a":2}'));
  });
  const client = await server.client();
  t.deepEqual(await client.replace('/apis/a/b/approval', { a: 1 }, soon()), { a: 2 });
  t.deepEqual(bodies, ['{"a":1}']);
  t.is(server.asked[0]?.request.headers['content-type'], 'application/json');
  t.like(server.asked[0]?.request, { method: 'PUT', url: '/apis/a/b/approval' });
});

test('a server that is not there is not reached', async (t) => {
  const server = new Server(() => {});
  const client = await server.client();
  await server[Symbol.asyncDispose]();
  const error = await t.throwsAsync(client.list(PODS, {}, '', soon()), { instanceOf: ApiServerError });
  t.like(error, { status: 0, retryable: true, code: 'kubernetes' });
});

test('a pod knows its API server by what the kubelet tells, also by an IPv6 address', (t) => {
  t.is(clusterAccess({ host: 'fd00::1', port: 6443, directory: '/', userAgent: '' }).server.href, 'https://[fd00::1]:6443/');
  t.is(clusterAccess({ host: '10.96.0.1', port: 443, directory: '/', userAgent: '' }).server.href, 'https://10.96.0.1/');
  t.throws(() => clusterAccess({ host: '', port: 443, directory: '/', userAgent: '' }), { message: /KUBERNETES_SERVICE_HOST/ });
});

test('a client that keeps connections uses one again, also where the server has closed it meanwhile, and makes no more than it may', async (t) => {
  const sockets = new Set<unknown>();
  let isClosing = false;
  await using server = new Server(({ request, response }) => {
    sockets.add(request.socket);
    request.resume().once('end', () => {
      response.end('{"metadata":{"name":"a"}}');
      // Without a word, as a server does at its end.
      if (isClosing) response.once('finish', () => request.socket.destroy());
    });
  });
  const client = await server.client({ connections: 2 });
  const write = async (): Promise<unknown> => await client.apply('/api/v1/namespaces/shop/services/cart', { spec: {} }, 'us', soon());
  await Promise.all([write(), write(), write(), write()]);
  t.is(sockets.size, 2);
  const [first] = server.asked;
  if (first === undefined) return t.fail('nothing was asked');
  const { url, request } = first;
  t.deepEqual([request.method, request.headers['content-type'], url.searchParams.get('fieldManager'), url.searchParams.get('force')], ['PATCH', 'application/apply-patch+yaml', 'us', 'true']);
  isClosing = true;
  for (let i = 0; i < 20; i++) t.deepEqual(await write(), { metadata: { name: 'a' } });
});

test('an object is removed by what is said of how', async (t) => {
  let said = '';
  await using server = new Server(({ request, response }) => {
    request.setEncoding('utf8').on('data', (part: string) => (said += part)).once('end', () => response.end('{}'));
  });
  const client = await server.client();
  await client.remove('/api/v1/namespaces/shop/services/cart', { propagationPolicy: 'Background' }, soon());
  t.deepEqual([server.asked[0]?.request.method, said], ['DELETE', '{"propagationPolicy":"Background"}']);
});
