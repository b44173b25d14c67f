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
  if (depth > MAX_BODY_DEPTH) throw new RangeError(`nested deeper than ${MAX_BODY_DEPTH}`);
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`${value} has no form in JSON`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item: JsonValue) => canonicalJson(item, depth + 1)).join(',')}]`;
  if (typeof value !== 'object') throw new TypeError(`a ${typeof value} has no form in JSON`);
  const members: string[] = [];
  // The default order of sort() is by UTF-16 code units, as RFC 8785, section 3.2.3 wants it.
  for (const name of Object.keys(value).sort()) {
    const member = (value as { readonly [name: string]: JsonValue | undefined })[name];
    if (member !== undefined) members.push(`${JSON.stringify(name)}:${canonicalJson(member, depth + 1)}`);
  }
  return `{${members.join(',')}}`;
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

/** What the signature covers. The leading 1 is the version of this form. */
export function signedBytes(envelope: UnsignedEnvelope): Uint8Array {
  const { cluster, key, epoch, gen, body } = envelope;
  return Buffer.from(canonicalJson([1, cluster, key, epoch, gen, body]), 'utf8');
}

/**
 * As {@link signedBytes} of the envelope that was decoded from these bytes, without writing its body again: cut out of them,
 * where they are as {@link encodeEnvelope} writes them; undefined else. The body in them need not be canonical: what the
 * owner has not signed as it stands does not hold. None but whole bytes between a fixed beginning and end are taken, so
 * that what is signed here is what was decoded.
 */
export function cutSignedBytes(bytes: Uint8Array, { cluster, key, epoch, gen, signature }: Envelope): Uint8Array | undefined {
  const begin = Buffer.from(BODY_BEGIN, 'utf8');
  const end = Buffer.from(`,"cluster":${JSON.stringify(cluster)},"epoch":${epoch},"gen":${gen},"key":${JSON.stringify(key)},"sig":"${Buffer.from(signature).toString('base64url')}","v":1}`, 'utf8');
  const bodyEnd = bytes.length - end.length;
  if (bodyEnd <= begin.length || !begin.equals(bytes.subarray(0, begin.length)) || !end.equals(bytes.subarray(bodyEnd))) return undefined;
  return Buffer.concat([Buffer.from(`[1,${JSON.stringify(cluster)},${JSON.stringify(key)},${epoch},${gen},`, 'utf8'), bytes.subarray(begin.length, bodyEnd), Buffer.from(']', 'utf8')]);
}

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const { cluster, key, epoch, gen, body, signature } = envelope;
  return Buffer.from(canonicalJson({ v: 1, cluster, key, epoch, gen, body, sig: Buffer.from(signature).toString('base64url') }), 'utf8');
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
