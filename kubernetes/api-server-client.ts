import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { ApiServerAccess } from './api-server-access.ts';
import { ByteLines } from './byte-lines.ts';
import { type ApiStatus, type ListPage, parseListPage, parseRetryAfter, parseStatus, parseWatchEvent, type WatchEvent } from './watch-event.ts';

/** One page of a list. */
export const MAX_LIST_BYTES = 64 * 1024 * 1024;
/** One event of a watch; an object has at most 1.5 MiB in etcd. */
export const MAX_EVENT_BYTES = 8 * 1024 * 1024;
const MAX_STATUS_BYTES = 64 * 1024;
/** Objects of one page: a node has fewer pods, so that theirs is a single one, which the API server takes from its cache. */
const PAGE_OBJECTS = 500;
/** Until the header of an answer; also the longest pause within one. */
const ANSWER_MS = 30_000;
const LIST_MS = 60_000;
/** A watch without a byte: API servers send a bookmark each minute (bookmarkFrequency of their cache). */
const SILENCE_MS = 75_000;
/** Half-open connections are noticed by probes: after this time idle, ten of one second each. */
const PROBE_AFTER_MS = 20_000;
/** What the API server ends a watch after, spread so that its watchers do not come back together. */
const WATCH_SECONDS = { least: 300, most: 600 };

export type Query = Readonly<Record<string, string>>;

/** Where a watch begins: behind a version, or with an event for each object that there is (KEP-3157), the last of which is a bookmark that says so. */
export type WatchBegin = { readonly kind: 'version'; readonly version: string } | { readonly kind: 'objects' };

/** The API server refused, or could not be asked. */
export class ApiServerError extends LandbridgeError {
  /** Of HTTP; 0 where there was no answer. */
  readonly status: number;
  /** What the server asked for. */
  readonly retryAfterMs: number | undefined;

  constructor(text: string, { code, message, retryAfterMs }: ApiStatus = { code: 0, message: '', retryAfterMs: undefined }, cause?: unknown) {
    super('kubernetes', [text, ...(code === 0 ? [] : [`status ${code}`]), ...(message === '' ? [] : [message])].join(': '), { retryable: true, ...(cause === undefined ? {} : { cause }) });
    this.status = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * The few things that a reflector and an agent ask of an API server. @kubernetes/client-node would do, at the price of more memory
 * than all the rest of the agent (docs/adr/0012-a-small-client-of-the-api-server.md). Each request has its own connection: they are few.
 */
export class ApiServerClient {
  readonly #access: ApiServerAccess;
  readonly #silenceMs: number;
  /** Keeps a TLS session, so that a further handshake is short. */
  readonly #agent = new Agent({ keepAlive: false, maxCachedSessions: 1 });

  constructor(access: ApiServerAccess, { silenceMs = SILENCE_MS }: { readonly silenceMs?: number } = {}) {
    this.#access = access;
    this.#silenceMs = silenceMs;
  }

  /** @throws ApiServerError, LandbridgeError for an answer that can not be read, or the signal's reason */
  async list(path: string, query: Query, next: string, outer: AbortSignal): Promise<ListPage> {
    const signal = AbortSignal.any([outer, AbortSignal.timeout(LIST_MS)]);
    const response = await this.#ask('GET', path, { query: { ...query, limit: String(PAGE_OBJECTS), ...(next === '' ? {} : { continue: next }) }, signal });
    const page = parseListPage(await textOf(response, MAX_LIST_BYTES, signal));
    if (!page.ok) throw unreadable(`list of ${path}: ${page.error}`);
    return page.value;
  }

  /** Ends when the server ends it, which it does after some minutes. @throws as `list` does */
  async *watch(path: string, query: Query, begin: WatchBegin, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    const { least, most } = WATCH_SECONDS;
    const timeoutSeconds = String(Math.round(least + Math.random() * (most - least)));
    const response = await this.#ask('GET', path, { query: { ...query, watch: '1', allowWatchBookmarks: 'true', timeoutSeconds, ...beginning(begin) }, signal, silenceMs: this.#silenceMs });
    const lines = new ByteLines(MAX_EVENT_BYTES);
    for await (const chunk of chunksOf(response, signal)) {
      const pushed = lines.push(chunk);
      if (!pushed.ok) throw unreadable(`watch of ${path}: ${pushed.error}`);
      for (const line of pushed.value) {
        const event = parseWatchEvent(line);
        if (!event.ok) throw unreadable(`watch of ${path}: ${event.error}`);
        yield event.value;
      }
    }
  }

  /** One object. @throws as `list` does */
  async get(path: string, outer: AbortSignal): Promise<unknown> {
    const signal = AbortSignal.any([outer, AbortSignal.timeout(ANSWER_MS)]);
    const text = await textOf(await this.#ask('GET', path, { signal }), MAX_EVENT_BYTES, signal);
    try {
      return JSON.parse(text);
    } catch (thrown) {
      throw unreadable(`${path}: ${LandbridgeError.from(thrown).message}`);
    }
  }

  /** Makes an object of a collection. @throws ApiServerError, or the signal's reason */
  async create(path: string, object: object, outer: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([outer, AbortSignal.timeout(ANSWER_MS)]);
    await textOf(await this.#ask('POST', path, { body: JSON.stringify(object), contentType: 'application/json', signal }), MAX_EVENT_BYTES, signal);
  }

  /** JSON merge patch (RFC 7396). @throws ApiServerError, or the signal's reason */
  async mergePatch(path: string, patch: object, outer: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([outer, AbortSignal.timeout(ANSWER_MS)]);
    const response = await this.#ask('PATCH', path, { body: JSON.stringify(patch), signal });
    // What the object is afterwards, the watch tells.
    await textOf(response, MAX_EVENT_BYTES, signal);
  }

  /** Returns a successful answer, of which the header has come. */
  async #ask(method: 'GET' | 'PATCH' | 'POST', path: string, { query = {}, body, contentType = 'application/merge-patch+json', signal, silenceMs = ANSWER_MS }: { readonly query?: Query; readonly body?: string; readonly contentType?: string; readonly signal: AbortSignal; readonly silenceMs?: number }): Promise<IncomingMessage> {
    signal.throwIfAborted();
    const what = `${method} ${path}`;
    const { server, roots, token, certificate, userAgent } = this.#access;
    const url = new URL(path, server);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    let response: IncomingMessage;
    try {
      const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
      const headers = {
        accept: 'application/json',
        'user-agent': userAgent,
        ...(token === undefined ? {} : { authorization: `Bearer ${token()}` }),
        ...(body === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }),
      };
      const sent = request(url, { method, headers, agent: this.#agent, ca: roots(), ...certificate, signal, timeout: ANSWER_MS });
      sent.on('error', reject);
      sent.once('socket', (socket) => socket.setKeepAlive(true, PROBE_AFTER_MS));
      let answer: IncomingMessage | undefined;
      sent.on('timeout', () => (answer ?? sent).destroy(new Error('no byte came for too long')));
      sent.once('response', (received) => {
        answer = received;
        // Whoever reads it sees the error as well; nobody may be reading at the moment.
        received.on('error', () => {});
        sent.setTimeout(silenceMs);
        resolve(received);
      });
      sent.end(body);
      response = await promise;
    } catch (thrown) {
      throw failure(what, thrown, signal);
    }
    const { statusCode = 0, headers } = response;
    if (statusCode >= 200 && statusCode < 300) return response;
    // Without a text that can be read the number says enough.
    const text = await textOf(response, MAX_STATUS_BYTES, signal).catch(() => '');
    signal.throwIfAborted();
    const status = parseStatus(text, statusCode);
    throw new ApiServerError(what, { ...status, retryAfterMs: parseRetryAfter(headers['retry-after']) ?? status.retryAfterMs });
  }
}

function beginning(begin: WatchBegin): Query {
  switch (begin.kind) {
    case 'version':
      return { resourceVersion: begin.version };
    case 'objects':
      // Without a version the server waits until its cache has what etcd has.
      return { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' };
    default:
      return begin satisfies never;
  }
}

const unreadable = (text: string): LandbridgeError => new LandbridgeError('kubernetes', text, { retryable: true });

async function textOf(response: IncomingMessage, maxBytes: number, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunksOf(response, signal)) {
    size += chunk.length;
    if (size > maxBytes) throw unreadable(`an answer of more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Leaving the loop closes the connection. */
async function* chunksOf(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    yield* response as AsyncIterable<Buffer>;
  } catch (thrown) {
    throw failure('an answer broke off', thrown, signal);
  }
}

/** Node.js tells an abort as an error of its own, with the reason somewhere inside. */
function failure(what: string, thrown: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (thrown instanceof ApiServerError) return thrown;
  return new ApiServerError(`${what}: ${LandbridgeError.from(thrown).message}`, undefined, thrown);
}
