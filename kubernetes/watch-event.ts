import { err, ok, type Result } from '@landbridge/core/result.ts';
import { type Fields, fields, isObject } from '@landbridge/core/json-fields.ts';

/** One line of a watch (Kubernetes API concepts, "Efficient detection of changes"). */
export type WatchEvent =
  | { readonly kind: 'set' | 'deleted'; readonly version: string; readonly object: unknown }
  /** Nothing changed up to this version; `hasAll` after the events for the objects that were there when the watch began (KEP-3157). */
  | { readonly kind: 'bookmark'; readonly version: string; readonly hasAll: boolean }
  | { readonly kind: 'failed'; readonly status: ApiStatus };

/** As the API server tells failures: `Status` of meta/v1. */
export interface ApiStatus {
  readonly code: number;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

/** One answer to a list. */
export interface ListPage {
  readonly version: string;
  /** Names the next page; empty on the last one. */
  readonly next: string;
  readonly items: readonly unknown[];
}

/** metav1.InitialEventsAnnotationKey. */
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';
const MAX_MESSAGE_CHARACTERS = 300;
/** A server that asks for more is asked again all the same. */
export const MAX_RETRY_AFTER_MS = 60_000;

export function parseWatchEvent(line: string): Result<WatchEvent> {
  const parsed = parseObject(line);
  if (!parsed.ok) return parsed;
  const { type, object } = parsed.value;
  if (type === 'ERROR') return ok({ kind: 'failed', status: statusOf(object) });
  const version = versionOf(object);
  if (version === undefined) return err('an event without a resource version');
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
      return ok({ kind: 'set', version, object });
    case 'DELETED':
      return ok({ kind: 'deleted', version, object });
    case 'BOOKMARK':
      return ok({ kind: 'bookmark', version, hasAll: fields(fields(fields(object)['metadata'])['annotations'])[INITIAL_EVENTS_END] === 'true' });
    default:
      return err('an event of an unknown type');
  }
}

export function parseListPage(text: string): Result<ListPage> {
  const parsed = parseObject(text);
  if (!parsed.ok) return parsed;
  const version = versionOf(parsed.value);
  const { items } = parsed.value;
  if (version === undefined) return err('a list without a resource version');
  // Go writes an empty list as null where nobody made one.
  if (items !== undefined && items !== null && !Array.isArray(items)) return err('a list without items');
  const next = fields(parsed.value['metadata'])['continue'];
  return ok({ version, next: typeof next === 'string' ? next : '', items: items ?? [] });
}

/** The body of an answer that is no success; proxies answer with anything. */
export function parseStatus(text: string, code: number): ApiStatus {
  const parsed = parseObject(text);
  const status = statusOf(parsed.ok ? parsed.value : undefined);
  return { ...status, code };
}

/** The header Retry-After in seconds (RFC 9110, section 10.2.3); a date, which API servers do not send, counts as none. */
export function parseRetryAfter(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header) ? bounded(Number(header)) : undefined;
}

function statusOf(value: unknown): ApiStatus {
  const { code, message, details } = fields(value);
  const { retryAfterSeconds } = fields(details);
  return {
    code: typeof code === 'number' && Number.isInteger(code) ? code : 0,
    message: typeof message === 'string' ? message.slice(0, MAX_MESSAGE_CHARACTERS) : '',
    retryAfterMs: typeof retryAfterSeconds === 'number' && retryAfterSeconds > 0 ? bounded(retryAfterSeconds) : undefined,
  };
}

const bounded = (seconds: number): number => Math.min(seconds * 1000, MAX_RETRY_AFTER_MS);

function versionOf(object: unknown): string | undefined {
  const version = fields(fields(object)['metadata'])['resourceVersion'];
  return typeof version === 'string' && version !== '' ? version : undefined;
}

function parseObject(text: string): Result<Fields> {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? ok(value) : err('not an object');
  } catch {
    // What is wrong with it would quote it, and it may hold anything.
    return err('not JSON');
  }
}
