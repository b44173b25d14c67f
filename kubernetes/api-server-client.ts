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
/** A kept connection that nobody uses: API servers close theirs later. */
const IDLE_MS = 30_000;
/** What the API server ends a watch after, spread so that its watchers do not come back together. */
const WATCH_SECONDS = { least: 300, most: 600 };

interface Asking {
  readonly query?: Query;
  readonly body?: string;
  readonly contentType?: string;
  readonly signal: AbortSignal;
  readonly silenceMs?: number;
}

type Method = 'GET' | 'PATCH' | 'POST' | 'PUT' | 'DELETE';

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

/** What the API server answered: 0 where it did not; undefined where something else was thrown. */
export const statusOf = (thrown: unknown): number | undefined => (thrown instanceof ApiServerError ? thrown.status : undefined);

/** For whoever waits as long as the client does, which gives up by itself. */
export const NEVER = new AbortController().signal;

/**
 * The few things that a reflector and an agent ask of an API server. @kubernetes/client-node would do, at the price of more memory
 * than all the rest of the agent (docs/adr/0012-a-small-client-of-the-api-server.md). Each request has its own connection: they are few. Who has
 * many keeps so many `connections` and no more; further requests wait for one of them, and watches are for a client of their own.
 */
export class ApiServerClient {
  readonly #access: ApiServerAccess;
  readonly #silenceMs: number;
  readonly #agent: Agent;

  constructor(access: ApiServerAccess, { silenceMs = SILENCE_MS, connections }: { readonly silenceMs?: number; readonly connections?: number } = {}) {
    this.#access = access;
    this.#silenceMs = silenceMs;
    // The session makes a further handshake short.
    this.#agent = new Agent({ maxCachedSessions: 1, ...(connections === undefined ? { keepAlive: false } : { keepAlive: true, maxSockets: connections, timeout: IDLE_MS }) });
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
    return await objectOf(path, await this.#ask('GET', path, { signal }), signal);
  }

  /** Makes an object of a collection; returns what it became. @throws as `list` does */
  async create(path: string, object: object, outer: AbortSignal, query: Query = {}): Promise<unknown> {
    return await this.#write('POST', path, { query, body: object, contentType: 'application/json', outer });
  }

  /** JSON merge patch (RFC 7396); returns what the object is then. @throws as `list` does */
  async mergePatch(path: string, patch: object, outer: AbortSignal, query: Query = {}): Promise<unknown> {
    return await this.#write('PATCH', path, { query, body: patch, contentType: 'application/merge-patch+json', outer });
  }

  /** Server-side apply, which takes fields over from others; returns what the object is then. @throws as `list` does */
  async apply(path: string, object: object, fieldManager: string, outer: AbortSignal): Promise<unknown> {
    // JSON is YAML, and API servers before 1.33 know no other name.
    return await this.#write('PATCH', path, { query: { fieldManager, force: 'true' }, body: object, contentType: 'application/apply-patch+yaml', outer });
  }

  /** Puts an object, or a part of one, in the place of what is there; returns what it became. @throws as `list` does */
  async replace(path: string, object: object, outer: AbortSignal): Promise<unknown> {
    return await this.#write('PUT', path, { query: {}, body: object, contentType: 'application/json', outer });
  }

  /** `options`: DeleteOptions of meta/v1. @throws as `list` does */
  async remove(path: string, options: object, outer: AbortSignal): Promise<void> {
    await this.#write('DELETE', path, { query: {}, body: options, contentType: 'application/json', outer });
  }

  async #write(method: Method, path: string, { query, body, contentType, outer }: { readonly query: Query; readonly body: object; readonly contentType: string; readonly outer: AbortSignal }): Promise<unknown> {
    // A timer that is taken back: those of AbortSignal.timeout() all end in an exception, long after the answer.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new DOMException('the API server did not answer in time', 'TimeoutError')), ANSWER_MS);
    const signal = AbortSignal.any([outer, late.signal]);
    try {
      return await objectOf(path, await this.#ask(method, path, { query, body: JSON.stringify(body), contentType, signal }), signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Returns a successful answer, of which the header has come. */
  async #ask(method: Method, path: string, how: Asking): Promise<IncomingMessage> {
    const { query = {}, body, contentType = 'application/json', signal, silenceMs = ANSWER_MS } = how;
    signal.throwIfAborted();
    const what = `${method} ${path}`;
    const { server, roots, token, certificate, userAgent } = this.#access;
    const url = new URL(path, server);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    let response: IncomingMessage;
    let isOnKept = false;
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
      sent.once('socket', (socket) => {
        isOnKept = sent.reusedSocket;
        socket.setKeepAlive(true, PROBE_AFTER_MS);
      });
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
      // The server closed it as it was about to be used again; each such connection is gone then.
      if (isOnKept && !signal.aborted && (thrown as { code?: unknown }).code === 'ECONNRESET') return await this.#ask(method, path, how);
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

async function objectOf(path: string, response: IncomingMessage, signal: AbortSignal): Promise<unknown> {
  const text = await textOf(response, MAX_EVENT_BYTES, signal);
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw unreadable(`${path}: ${LandbridgeError.from(thrown).message}`);
  }
}

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
