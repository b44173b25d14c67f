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
/** A list costs an API server more than anything else here; many clients lose their watches together. */
const LIST_SPACING_MS = 10_000;
const LIST_JITTER_MS = 1000;
/** A watch that ends sooner has failed: it is not begun again and again without a pause. */
const SHORTEST_WATCH_MS = 1000;
/** Until a watch has told all objects. A server that does not know of the question never says that it has. */
const INITIAL_EVENTS_MS = 120_000;
const TOO_MANY_REQUESTS = 429;
/** How an API server says that it does not tell objects by a watch: it forbids, or does not know, `sendInitialEvents`. */
const NOT_OFFERED: ReadonlySet<number> = new Set([400, 405, 415, 422]);
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
  /** A collection that has more can not be followed. {@link MAX_OBJECTS} where left out. */
  readonly maxObjects?: number;
}

export interface ReflectorOptions {
  readonly listSpacingMs?: number;
  /** Whether to have the objects told by a watch where the server offers it (KEP-3157), which spares it the making of lists, and this process the reading of a whole page at once. */
  readonly initialEvents?: boolean;
}

/** Told with the keys of what was added, changed or removed; with none where the first list is an empty one. */
export type OnChange = (keys: ReadonlySet<string>) => void;

/** Keeps what one collection of an API server has, by list and watch; survives whatever the server does. */
export class Reflector<T> {
  readonly #client: ListAndWatch;
  readonly #what: Reflected<T>;
  readonly #log: Logger;
  readonly #listSpacingMs: number;
  #asksForInitialEvents: boolean;
  /** After a watch that should have told all objects and did not. */
  #listsNext = false;
  #objects = new Map<string, T>();
  /** Undefined: to be listed. */
  #version: string | undefined;
  #listedMs = Number.NEGATIVE_INFINITY;
  #isSynced = false;

  constructor(client: ListAndWatch, what: Reflected<T>, log: Logger, { listSpacingMs = LIST_SPACING_MS, initialEvents = false }: ReflectorOptions = {}) {
    this.#client = client;
    this.#what = what;
    this.#log = log;
    this.#listSpacingMs = listSpacingMs;
    this.#asksForInitialEvents = initialEvents;
  }

  /** Whether there was a list; what is known stays while the server is away. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  get objects(): ReadonlyMap<string, T> {
    return this.#objects;
  }

  /** Runs until the signal aborts; calls `onChange` after the first list and whenever something differs from before. */
  async run(onChange: OnChange, signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      let watchedMs = Number.POSITIVE_INFINITY;
      try {
        if (this.#version === undefined && (!this.#asksForInitialEvents || this.#listsNext)) await this.#list(onChange, signal);
        watchedMs = performance.now();
        if (this.#version === undefined) await this.#watchAll(onChange, signal);
        else for await (const event of this.#client.watch(this.#what.path, this.#what.query, { kind: 'version', version: this.#version }, signal)) this.#apply(event, onChange);
        if (performance.now() - watchedMs >= SHORTEST_WATCH_MS) {
          failures = 0;
          continue;
        }
        throw new ApiServerError(`watch of ${this.#what.path}: ended at once`);
      } catch (thrown) {
        if (signal.aborted) return;
        if (this.#isNotOffered(thrown)) continue;
        const hasWatched = performance.now() - watchedMs >= SHORTEST_WATCH_MS;
        if (hasWatched) failures = 0;
        const waitMs = this.#waitMs(thrown, failures++);
        const told = { path: this.#what.path, error: LandbridgeError.from(thrown).message, retry_ms: Math.round(waitMs) };
        // Of what it has seen no event of since it began, an API server says nothing at all: not even by bookmarks that the watch is alive.
        if (hasWatched) this.#log.info(told, 'a watch of the API server broke off, and is begun again');
        else this.#log.warn(told, 'watching the API server failed');
        await waitFor(waitMs, signal);
      }
    }
  }

  /** Whether a watch that should tell all objects was refused as such; from then on they are listed. */
  #isNotOffered(thrown: unknown): boolean {
    if (this.#version !== undefined || !this.#asksForInitialEvents || !(thrown instanceof ApiServerError) || !NOT_OFFERED.has(thrown.status)) return false;
    this.#asksForInitialEvents = false;
    return true;
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

  async #list(onChange: OnChange, signal: AbortSignal): Promise<void> {
    const { path, query } = this.#what;
    const objects = new Map<string, T>();
    let next = '';
    let version: string;
    this.#listsNext = false;
    this.#listedMs = performance.now();
    do {
      const page = await this.#client.list(path, query, next, signal);
      for (const item of page.items) this.#keep(item, objects);
      this.#checkSize(objects);
      ({ next, version } = page);
    } while (next !== '');
    this.#replace(objects, version, onChange);
  }

  /** A watch that first tells all objects. Until it has, nothing is taken over: half of them would look as if the others were gone. */
  async #watchAll(onChange: OnChange, outer: AbortSignal): Promise<void> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new LandbridgeError('kubernetes', `watch of ${this.#what.path}: it has not told all objects in time`, { retryable: true })), INITIAL_EVENTS_MS);
    let objects: Map<string, T> | undefined = new Map();
    this.#listedMs = performance.now();
    try {
      for await (const event of this.#client.watch(this.#what.path, this.#what.query, { kind: 'objects' }, AbortSignal.any([outer, late.signal]))) {
        if (objects === undefined) {
          this.#apply(event, onChange);
        } else if (event.kind === 'bookmark' && event.hasAll) {
          clearTimeout(timer);
          this.#replace(objects, event.version, onChange);
          objects = undefined;
        } else {
          this.#take(event, objects);
          this.#checkSize(objects);
        }
      }
      if (objects !== undefined) throw new ApiServerError(`watch of ${this.#what.path}: ended before it had told all objects`);
    } finally {
      clearTimeout(timer);
      // A server that does not know of the question answers it as another one, without end.
      this.#listsNext = objects !== undefined;
    }
  }

  #checkSize(objects: ReadonlyMap<string, T>): void {
    const { path, maxObjects = MAX_OBJECTS } = this.#what;
    if (objects.size > maxObjects) throw new LandbridgeError('kubernetes', `list of ${path}: more than ${maxObjects} objects`);
  }

  #replace(objects: Map<string, T>, version: string, onChange: OnChange): void {
    const before = this.#objects;
    const keys = new Set<string>();
    for (const [key, object] of objects) {
      const known = before.get(key);
      // The object of before stays where nothing changed, so that readers need not look into it again.
      if (isSame(known, object)) objects.set(key, known as T);
      else keys.add(key);
    }
    for (const key of before.keys()) if (!objects.has(key)) keys.add(key);
    const isFirst = !this.#isSynced;
    this.#objects = objects;
    this.#version = version;
    this.#isSynced = true;
    if (isFirst || keys.size > 0) onChange(keys);
  }

  #apply(event: WatchEvent, onChange: OnChange): void {
    const key = this.#take(event, this.#objects);
    if (key !== undefined) onChange(new Set([key]));
    if (event.kind !== 'failed') this.#version = event.version;
  }

  /** The key of what changed by the event, if anything. */
  #take(event: WatchEvent, objects: Map<string, T>): string | undefined {
    switch (event.kind) {
      case 'failed':
        throw new ApiServerError(`watch of ${this.#what.path}`, event.status);
      case 'set':
        return this.#keep(event.object, objects);
      case 'deleted': {
        const parsed = this.#what.parse(event.object);
        if (!parsed.ok) return undefined;
        const key = this.#what.keyOf(parsed.value);
        return objects.delete(key) ? key : undefined;
      }
      case 'bookmark':
        return undefined;
      default:
        return event satisfies never;
    }
  }

  /** The key where that changed anything. */
  #keep(object: unknown, objects: Map<string, T>): string | undefined {
    const parsed = this.#what.parse(object);
    if (!parsed.ok) {
      this.#log.warn({ error: parsed.error }, 'an object of the API server can not be used');
      return undefined;
    }
    const key = this.#what.keyOf(parsed.value);
    if (isSame(objects.get(key), parsed.value)) return undefined;
    objects.set(key, parsed.value);
    return key;
  }
}

/** Most events change what is not looked at, such as the conditions of a pod. */
function isSame(a: unknown, b: unknown): boolean {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b);
}
