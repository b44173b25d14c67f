import type { Logger } from 'pino';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Result } from '@landbridge/core/result.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { type ApiServerClient, ApiServerError, type Query } from './api-server-client.ts';
import type { WatchEvent } from './watch-event.ts';

/** While nobody answers. */
const UNREACHABLE_RETRY = { firstMs: 100, mostMs: 5000 };
/** While a server answers that it can not, without saying for how long: it has too much to do. */
const REFUSED_RETRY = { firstMs: 1000, mostMs: 20_000 };
/** A list costs an API server more than anything else here; many agents lose their watches together. */
const LIST_SPACING_MS = 10_000;
const LIST_JITTER_MS = 1000;
/** A watch that ends sooner has failed: it is not begun again and again without a pause. */
const SHORTEST_WATCH_MS = 1000;
const TOO_MANY_REQUESTS = 429;
/** More than any cluster is said to bear (namespaces: 10,000). */
export const MAX_OBJECTS = 50_000;

/** What a reflector asks for: {@link ApiServerClient} has it. */
export type ListAndWatch = Pick<ApiServerClient, 'list' | 'watch'>;

export interface Reflected<T> {
  /** Of the collection, such as `/api/v1/pods`. */
  readonly path: string;
  readonly query: Query;
  readonly parse: (value: unknown) => Result<T>;
  /** What no two objects of one moment share. */
  readonly keyOf: (object: T) => string;
}

/** Keeps what one collection of an API server has, by list and watch; survives whatever the server does. */
export class Reflector<T> {
  readonly #client: ListAndWatch;
  readonly #what: Reflected<T>;
  readonly #log: Logger;
  readonly #listSpacingMs: number;
  #objects = new Map<string, T>();
  /** Undefined: to be listed. */
  #version: string | undefined;
  #listedMs = Number.NEGATIVE_INFINITY;
  #isSynced = false;

  constructor(client: ListAndWatch, what: Reflected<T>, log: Logger, { listSpacingMs = LIST_SPACING_MS }: { readonly listSpacingMs?: number } = {}) {
    this.#client = client;
    this.#what = what;
    this.#log = log;
    this.#listSpacingMs = listSpacingMs;
  }

  /** Whether there was a list; what is known stays while the server is away. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  get objects(): ReadonlyMap<string, T> {
    return this.#objects;
  }

  /** Runs until the signal aborts; calls `onChange` after the first list and whenever something differs from before. */
  async run(onChange: () => void, signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      let watchedMs = Number.POSITIVE_INFINITY;
      try {
        if (this.#version === undefined) await this.#list(onChange, signal);
        watchedMs = performance.now();
        for await (const event of this.#client.watch(this.#what.path, this.#what.query, this.#version ?? '', signal)) this.#apply(event, onChange);
        if (performance.now() - watchedMs >= SHORTEST_WATCH_MS) {
          failures = 0;
          continue;
        }
        throw new ApiServerError(`watch of ${this.#what.path}: ended at once`);
      } catch (thrown) {
        if (signal.aborted) return;
        if (performance.now() - watchedMs >= SHORTEST_WATCH_MS) failures = 0;
        const waitMs = this.#waitMs(thrown, failures++);
        this.#log.warn({ error: LandbridgeError.from(thrown).message, retry_ms: Math.round(waitMs) }, 'watching the API server failed');
        await waitFor(waitMs, signal);
      }
    }
  }

  /** After how long to go on; with a list, where there is no going on from the version. */
  #waitMs(thrown: unknown, failures: number): number {
    if (thrown instanceof ApiServerError) {
      const { status, retryAfterMs } = thrown;
      if (status === 0) return retryDelay(failures, UNREACHABLE_RETRY);
      // Not sooner than asked for, and not all at once.
      if (retryAfterMs !== undefined) return retryAfterMs + Math.random() * Math.max(retryAfterMs / 2, LIST_JITTER_MS);
      if (status < 400 || status >= 500 || status === TOO_MANY_REQUESTS) return retryDelay(failures, REFUSED_RETRY);
    }
    // 410: the version is too old. Nor does anything else that is wrong with a question, or an answer that can not be read, get better by asking the same.
    this.#version = undefined;
    return Math.max(this.#listedMs + this.#listSpacingMs - performance.now(), retryDelay(failures, REFUSED_RETRY)) + Math.random() * LIST_JITTER_MS;
  }

  async #list(onChange: () => void, signal: AbortSignal): Promise<void> {
    const { path, query } = this.#what;
    const objects = new Map<string, T>();
    let next = '';
    let version: string;
    do {
      const page = await this.#client.list(path, query, next, signal);
      for (const item of page.items) this.#keep(item, objects);
      if (objects.size > MAX_OBJECTS) throw new LandbridgeError('kubernetes', `list of ${path}: more than ${MAX_OBJECTS} objects`);
      ({ next, version } = page);
    } while (next !== '');
    const isChanged = !this.#isSynced || !areSame(objects, this.#objects);
    this.#objects = objects;
    this.#version = version;
    this.#listedMs = performance.now();
    this.#isSynced = true;
    if (isChanged) onChange();
  }

  #apply(event: WatchEvent, onChange: () => void): void {
    switch (event.kind) {
      case 'failed':
        throw new ApiServerError(`watch of ${this.#what.path}`, event.status);
      case 'set':
        if (this.#keep(event.object, this.#objects)) onChange();
        break;
      case 'deleted': {
        const parsed = this.#what.parse(event.object);
        if (parsed.ok && this.#objects.delete(this.#what.keyOf(parsed.value))) onChange();
        break;
      }
      case 'bookmark':
        break;
      default:
        return event satisfies never;
    }
    this.#version = event.version;
  }

  /** Whether that changed anything. */
  #keep(object: unknown, objects: Map<string, T>): boolean {
    const parsed = this.#what.parse(object);
    if (!parsed.ok) {
      this.#log.warn({ error: parsed.error }, 'an object of the API server can not be used');
      return false;
    }
    const key = this.#what.keyOf(parsed.value);
    if (isSame(objects.get(key), parsed.value)) return false;
    objects.set(key, parsed.value);
    return true;
  }
}

/** Most events change what is not looked at, such as the conditions of a pod. */
function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function areSame<T>(a: ReadonlyMap<string, T>, b: ReadonlyMap<string, T>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => isSame(b.get(key), value));
}
