/** Lists and watches of an API server that has no storage and no manners, for tests: it misbehaves as it is told to. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { makeCertificates } from '@landbridge/lab/pki.ts';
import type { ApiServerAccess } from './api-server-access.ts';

export interface ServedObject {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> };
}

/** What is wrong with one answer. */
export type Fault =
  | { readonly kind: 'status'; readonly code: number; readonly retryAfterSeconds?: number }
  /** The connection ends in the middle of a line, or of a page. */
  | { readonly kind: 'cut' }
  /** The header, and nothing more. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'garbage' }
  /** One line, or one page, without end. */
  | { readonly kind: 'huge' }
  /** A watch that says at once that its version is too old. */
  | { readonly kind: 'expired' };

export interface Question {
  readonly path: string;
  readonly kind: 'list' | 'watch' | 'watch-all';
  /** A list's page that is not its first. */
  readonly isContinued: boolean;
}

interface Collection {
  readonly objects: Map<string, { readonly text: string; readonly labels: Readonly<Record<string, string>> }>;
  /** What happened, the oldest first. */
  readonly events: { readonly version: number; readonly key: string; readonly type: string; readonly text: string; readonly labels: Readonly<Record<string, string>>; readonly before: Readonly<Record<string, string>> | undefined }[];
  readonly watches: Set<{ readonly response: ServerResponse; readonly isSelected: (labels: Readonly<Record<string, string>> | undefined) => boolean }>;
}

const GONE = 410;
const PIECE = 'x'.repeat(64 * 1024);

export class TestObjectServer implements AsyncDisposable {
  readonly questions: Question[] = [];
  /** Asked for each question; for none all goes well. */
  fault: (question: Question) => Fault | undefined = () => undefined;
  /** Whether watches may begin with all objects (KEP-3157). */
  offersInitialEvents = true;
  readonly access: ApiServerAccess;
  readonly #server: Server;
  readonly #directory: string;
  readonly #collections = new Map<string, Collection>();
  #version = 1;
  /** Versions before this one are forgotten. */
  #oldest = 0;

  private constructor(server: Server, directory: string) {
    this.#server = server;
    this.#directory = directory;
    const ca = readFileSync(path.join(directory, 'ca.crt'));
    this.access = { userAgent: 'landbridge-test/1', server: new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}`), roots: () => ca };
  }

  static async start(): Promise<TestObjectServer> {
    const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-object-server-'));
    await makeCertificates(directory, 'test-ca', [{ name: 'server', commonName: 'server', subjectAltNames: ['IP:127.0.0.1'] }], AbortSignal.timeout(60_000));
    const [cert, key] = ['server.crt', 'server.key'].map((name) => readFileSync(path.join(directory, name)));
    const server = createServer({ cert, key });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const made = new TestObjectServer(server, directory);
    server.on('request', (request, response) => made.#answer(request, response));
    return made;
  }

  /** `at` is the collection's path. */
  put(at: string, object: ServedObject): void {
    const version = ++this.#version;
    const text = JSON.stringify({ ...object, metadata: { ...object.metadata, resourceVersion: String(version) } });
    const { objects } = this.#collection(at);
    const key = keyOf(object);
    const before = objects.get(key)?.labels;
    const labels = object.metadata.labels ?? {};
    objects.set(key, { text, labels });
    this.#happened(at, { version, key, type: before === undefined ? 'ADDED' : 'MODIFIED', text, labels, before });
  }

  remove(at: string, namespace: string | undefined, name: string): void {
    const { objects } = this.#collection(at);
    const key = `${namespace ?? ''}/${name}`;
    const known = objects.get(key);
    if (known === undefined) return;
    objects.delete(key);
    const version = ++this.#version;
    const object = JSON.parse(known.text) as { metadata: object };
    const text = JSON.stringify({ ...object, metadata: { ...object.metadata, resourceVersion: String(version) } });
    this.#happened(at, { version, key, type: 'DELETED', text, labels: known.labels, before: known.labels });
  }

  /** What happened until now can not be watched any more, as after a compaction. */
  forget(): void {
    this.#oldest = this.#version;
    for (const { events } of this.#collections.values()) events.length = 0;
  }

  /** Ends all connections. */
  disconnect(): void {
    for (const { watches } of this.#collections.values()) watches.clear();
    this.#server.closeAllConnections();
  }

  bookmark(): void {
    for (const { watches } of this.#collections.values()) for (const { response } of watches) response.write(bookmarkLine(this.#version));
  }

  #collection(at: string): Collection {
    let found = this.#collections.get(at);
    if (found === undefined) this.#collections.set(at, (found = { objects: new Map(), events: [], watches: new Set() }));
    return found;
  }

  #happened(at: string, event: Collection['events'][number]): void {
    const { events, watches } = this.#collection(at);
    events.push(event);
    for (const { response, isSelected } of watches) {
      const line = lineOf(event, isSelected);
      if (line !== undefined) response.write(line);
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://localhost');
    const isWatch = searchParams.get('watch') === '1';
    const wantsAll = searchParams.get('sendInitialEvents') === 'true';
    const question: Question = { path: pathname, kind: !isWatch ? 'list' : wantsAll ? 'watch-all' : 'watch', isContinued: searchParams.has('continue') };
    this.questions.push(question);
    response.on('error', () => {});
    const fault = this.fault(question) ?? (wantsAll && !this.offersInitialEvents ? { kind: 'status', code: 422 } : undefined);
    if (fault !== undefined && this.#misbehave(fault, isWatch, response)) return;
    const [label = '', wanted] = (searchParams.get('labelSelector') ?? '').split('=');
    const isSelected = (labels: Readonly<Record<string, string>> | undefined): boolean => labels !== undefined && (label === '' || labels[label] === wanted);
    if (isWatch) this.#watch(pathname, Number(searchParams.get('resourceVersion') ?? 0), wantsAll, isSelected, response);
    else this.#list(pathname, Number(searchParams.get('limit')), Number(searchParams.get('continue') ?? 0), isSelected, response, fault?.kind === 'cut');
  }

  /** False where a list is to be answered, and then cut. */
  #misbehave(fault: Fault, isWatch: boolean, response: ServerResponse): boolean {
    switch (fault.kind) {
      case 'status':
        response.writeHead(fault.code, fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) }).end(JSON.stringify({ kind: 'Status', code: fault.code, message: 'as the test wants' }));
        return true;
      case 'cut':
        if (!isWatch) return false;
        response.write('{"type":"ADDED","object":{"metadata":{"na', () => response.destroy());
        return true;
      case 'silent':
        response.flushHeaders();
        return true;
      case 'garbage':
        response.end('\u0000\uffff{]not JSON\n{"type":7}\n[]\n');
        return true;
      case 'huge': {
        const more = (): void => {
          while (!response.destroyed) if (!response.write(PIECE)) return void response.once('drain', more);
        };
        more();
        return true;
      }
      case 'expired':
        response.end(`${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: GONE, message: 'too old resource version' } })}\n`);
        return true;
      default:
        return fault satisfies never;
    }
  }

  #list(at: string, limit: number, from: number, isSelected: (labels: Readonly<Record<string, string>>) => boolean, response: ServerResponse, isCut: boolean): void {
    const all = [...this.#collection(at).objects.values()].filter(({ labels }) => isSelected(labels));
    const page = limit > 0 ? all.slice(from, from + limit) : all;
    const next = from + page.length < all.length ? String(from + page.length) : '';
    const text = `{"kind":"List","metadata":{"resourceVersion":"${this.#version}","continue":"${next}"},"items":[${page.map((each) => each.text).join()}]}`;
    if (isCut) response.write(text.slice(0, text.length / 2), () => response.destroy());
    else response.end(text);
  }

  #watch(at: string, version: number, wantsAll: boolean, isSelected: (labels: Readonly<Record<string, string>> | undefined) => boolean, response: ServerResponse): void {
    const { objects, events, watches } = this.#collection(at);
    if (!wantsAll && version < this.#oldest) return void this.#misbehave({ kind: 'expired' }, true, response);
    response.flushHeaders();
    if (wantsAll) {
      for (const { text, labels } of objects.values()) if (isSelected(labels)) response.write(`{"type":"ADDED","object":${text}}\n`);
      response.write(bookmarkLine(this.#version, { 'k8s.io/initial-events-end': 'true' }));
    } else {
      for (const event of events) {
        const line = event.version > version ? lineOf(event, isSelected) : undefined;
        if (line !== undefined) response.write(line);
      }
    }
    const watch = { response, isSelected };
    watches.add(watch);
    response.once('close', () => watches.delete(watch));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disconnect();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

const keyOf = ({ metadata }: ServedObject): string => `${metadata.namespace ?? ''}/${metadata.name}`;

const bookmarkLine = (version: number, annotations: object = {}): string => `${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: String(version), annotations } } })}\n`;

/** As a watch with a selector is told of it: an object that the selector is for no longer is deleted. */
function lineOf({ type, text, labels, before }: Collection['events'][number], isSelected: (labels: Readonly<Record<string, string>> | undefined) => boolean): string | undefined {
  const [is, was] = [type !== 'DELETED' && isSelected(labels), isSelected(before)];
  if (!is && !was) return undefined;
  return `{"type":"${is ? (was ? 'MODIFIED' : 'ADDED') : 'DELETED'}","object":${text}}\n`;
}
