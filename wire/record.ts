/** The bytes of a record on the bus: a JSON envelope, and the canonical JSON that its signature covers. No cryptography here. */
import { Buffer } from 'node:buffer';
import { MAX_RECORD_BYTES } from '@landbridge/core/records.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [name: string]: JsonValue | undefined };

/** A later epoch is newer; within an epoch the later generation. */
export interface Version {
  /** Milliseconds since 1970 at which the owner began to write all its records anew. */
  readonly epoch: number;
  /** Counts up within the epoch. */
  readonly gen: number;
}

export interface UnsignedEnvelope extends Version {
  /** The owner's cluster name, or `members` for a member record. */
  readonly cluster: string;
  readonly key: string;
  /** Null is a tombstone. Not yet checked against any schema. */
  readonly body: JsonValue;
}

export interface Envelope extends UnsignedEnvelope {
  readonly signature: Uint8Array;
}

/** Deepest nesting of a body; records need 5. Bounds the recursion over foreign JSON. */
export const MAX_BODY_DEPTH = 32;
const BODY_BEGIN = '{"body":';
const MAX_CLUSTER_LENGTH = 63;
/** `eps.<63>.<63>.<3>` needs 135. */
const MAX_KEY_LENGTH = 200;
/** 64 bytes (RFC 8032, section 5.1.6) in base64url without padding. */
const SIGNATURE = /^[A-Za-z0-9_-]{86}$/;

/** Less than 0 when `a` is older than `b`. */
export function compareVersions(a: Version, b: Version): number {
  return a.epoch - b.epoch || a.gen - b.gen;
}

/**
 * The one JSON text of a value (RFC 8785): no white space, names sorted by UTF-16 code units, members that are undefined left out.
 * Throws a RangeError past {@link MAX_BODY_DEPTH} and a TypeError for what JSON has no form for.
 */
export function canonicalJson(value: JsonValue, depth = 0): string {
  const sorted = inOrder(value, depth);
  // JSON.stringify() writes members in the order in which they are, several times faster than one by one.
  return sorted === NO_ORDER ? writtenInOrder(value, depth) : JSON.stringify(sorted);
}

/** For a value of which an object can not have its members in their order. */
const NO_ORDER = Symbol();

/** The value itself where all names in it are sorted, otherwise one with the same members that are. */
function inOrder(value: JsonValue | undefined, depth: number): JsonValue | typeof NO_ORDER {
  checkForm(value, depth);
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return itemsInOrder(value, depth);
  const members = value as { readonly [name: string]: JsonValue | undefined };
  // What writes itself is not written so here.
  if (typeof members['toJSON'] === 'function') return NO_ORDER;
  const names = Object.keys(members);
  const areSorted = areInOrder(names);
  if (!areSorted) names.sort();
  let sorted: Record<string, JsonValue> | undefined = areSorted ? undefined : {};
  for (const [i, name] of names.entries()) {
    if (!keepsItsPlace(name)) return NO_ORDER;
    const member = members[name];
    if (member === undefined) continue;
    const inside = inOrder(member, depth + 1);
    if (inside === NO_ORDER) return NO_ORDER;
    if (inside !== member) sorted ??= Object.fromEntries(names.slice(0, i).map((before) => [before, members[before] as JsonValue]));
    if (sorted !== undefined) sorted[name] = inside;
  }
  return sorted ?? value;
}

function areInOrder(names: readonly string[]): boolean {
  for (let i = 1; i < names.length; i++) if ((names[i - 1] as string) > (names[i] as string)) return false;
  return true;
}

/** Names that are numbers come first in every object, whatever was set first (ECMA-262, OrdinaryOwnPropertyKeys); one is none of a member when it is set. */
function keepsItsPlace(name: string): boolean {
  const first = name.charCodeAt(0);
  return (first < ZERO || first > NINE) && name !== '__proto__';
}

const ZERO = 0x30;
const NINE = 0x39;

function itemsInOrder(items: readonly JsonValue[], depth: number): JsonValue | typeof NO_ORDER {
  let sorted: JsonValue[] | undefined;
  for (const [i, item] of items.entries()) {
    const inside = inOrder(item, depth + 1);
    if (inside === NO_ORDER) return NO_ORDER;
    if (inside !== item) sorted ??= items.slice();
    if (sorted !== undefined) sorted[i] = inside;
  }
  return sorted ?? items;
}

function writtenInOrder(value: JsonValue, depth: number): string {
  checkForm(value, depth);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item: JsonValue) => writtenInOrder(item, depth + 1)).join(',')}]`;
  const members: string[] = [];
  // The default order of sort() is by UTF-16 code units, as RFC 8785, section 3.2.3 wants it.
  for (const name of Object.keys(value).sort()) {
    const member = (value as { readonly [name: string]: JsonValue | undefined })[name];
    if (member !== undefined) members.push(`${JSON.stringify(name)}:${writtenInOrder(member, depth + 1)}`);
  }
  return `{${members.join(',')}}`;
}

function checkForm(value: unknown, depth: number): asserts value is JsonValue {
  if (depth > MAX_BODY_DEPTH) throw new RangeError(`nested deeper than ${MAX_BODY_DEPTH}`);
  if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'object') return;
  if (typeof value !== 'number') throw new TypeError(`a ${typeof value} has no form in JSON`);
  if (!Number.isFinite(value)) throw new TypeError(`${value} has no form in JSON`);
}

/** Whether two values have the same {@link canonicalJson}. Both are no deeper than {@link MAX_BODY_DEPTH}. */
export function isSameJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item: JsonValue, i) => isSameJson(item, b[i] as JsonValue));
  const [left, right] = [a, b] as [Readonly<Record<string, JsonValue | undefined>>, Readonly<Record<string, JsonValue | undefined>>];
  let members = 0;
  for (const name in left) {
    if (left[name] === undefined || !Object.hasOwn(left, name)) continue;
    if (!Object.hasOwn(right, name) || !isSameJson(left[name], right[name])) return false;
    members += 1;
  }
  for (const name in right) if (right[name] !== undefined && Object.hasOwn(right, name)) members -= 1;
  return members === 0;
}

/** What the signature covers. The leading 1 is the version of this form. `body`: the {@link canonicalJson} of the envelope's. */
export function signedBytes(envelope: UnsignedEnvelope, body = bodyText(envelope)): Uint8Array {
  return Buffer.from(`${signedBegin(envelope)}${body}]`, 'utf8');
}

/** All before the body. */
function signedBegin({ cluster, key, epoch, gen }: UnsignedEnvelope): string {
  return `[1,${JSON.stringify(cluster)},${JSON.stringify(key)},${epoch},${gen},`;
}

/** The {@link canonicalJson} of an envelope's body, which is one deeper than the envelope. */
export const bodyText = ({ body }: UnsignedEnvelope): string => canonicalJson(body, 1);

/**
 * As {@link signedBytes} of the envelope that was decoded from these bytes, without writing its body again: cut out of them,
 * where they are as {@link encodeEnvelope} writes them; undefined else. The body in them need not be canonical: what the
 * owner has not signed as it stands does not hold. None but whole bytes between a fixed beginning and end are taken, so
 * that what is signed here is what was decoded.
 */
export function cutSignedBytes(bytes: Uint8Array, envelope: Envelope): Uint8Array | undefined {
  const begin = Buffer.from(BODY_BEGIN, 'utf8');
  const end = Buffer.from(envelopeEnd(envelope), 'utf8');
  const bodyEnd = bytes.length - end.length;
  if (bodyEnd <= begin.length || !begin.equals(bytes.subarray(0, begin.length)) || !end.equals(bytes.subarray(bodyEnd))) return undefined;
  return Buffer.concat([Buffer.from(signedBegin(envelope), 'utf8'), bytes.subarray(begin.length, bodyEnd), Buffer.from(']', 'utf8')]);
}

/** `body`: the {@link canonicalJson} of the envelope's. */
export function encodeEnvelope(envelope: Envelope, body = bodyText(envelope)): Uint8Array {
  return Buffer.from(`${BODY_BEGIN}${body}${envelopeEnd(envelope)}`, 'utf8');
}

/** All behind the body. */
function envelopeEnd({ cluster, key, epoch, gen, signature }: Envelope): string {
  return `,"cluster":${JSON.stringify(cluster)},"epoch":${epoch},"gen":${gen},"key":${JSON.stringify(key)},"sig":"${Buffer.from(signature).toString('base64url')}","v":1}`;
}

/** Reads foreign bytes. Says nothing about the signature. */
export function decodeEnvelope(bytes: Uint8Array): Result<Envelope> {
  if (bytes.length > MAX_RECORD_BYTES) return err(`longer than ${MAX_RECORD_BYTES} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return err('not JSON in UTF-8');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return err('not a JSON object');
  const { v, cluster, key, epoch, gen, body, sig } = value as Record<string, unknown>;
  if (v !== 1) return err('version is not 1');
  if (!isText(cluster, MAX_CLUSTER_LENGTH)) return err('cluster is not a short text');
  if (!isText(key, MAX_KEY_LENGTH)) return err('key is not a short text');
  if (!isCounter(epoch)) return err('epoch is not a whole number');
  if (!isCounter(gen)) return err('gen is not a whole number');
  if (body === undefined) return err('body is missing');
  const fault = bodyFault(body, MAX_BODY_DEPTH - 1);
  if (fault !== undefined) return err(fault);
  if (typeof sig !== 'string' || !SIGNATURE.test(sig)) return err('sig is not 64 bytes in base64url');
  return ok({ cluster, key, epoch, gen, body: body as JsonValue, signature: Buffer.from(sig, 'base64url') });
}

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= maxLength;
}

function isCounter(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Why parsed JSON has no canonical form. A number as large as 1e309 is valid JSON, and parsed to Infinity. */
function bodyFault(value: unknown, levels: number): string | undefined {
  if (typeof value === 'number' && !Number.isFinite(value)) return 'body has a number that is too large';
  if (typeof value !== 'object' || value === null) return undefined;
  if (levels === 0) return 'body is nested too deep';
  for (const member of Object.values(value)) {
    const fault = bodyFault(member, levels - 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
