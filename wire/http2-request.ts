/** Which lists of header fields are requests and responses of a CONNECT tunnel (RFC 9113, sections 8.2, 8.3 and 8.5). */
import { err, ok, type Result } from '@landbridge/core/result.ts';
import type { HeaderField } from './hpack-static-table.ts';

export interface ConnectRequest {
  /** Not yet parsed. */
  readonly authority: string;
  /** What the peer says of itself: claims, not yet parsed. A field that came several times is one list with commas (RFC 9110, section 5.3). */
  readonly baggage: string | undefined;
  readonly forwarded: string | undefined;
  readonly traceparent: string | undefined;
  readonly xForwardedNetwork: string | undefined;
  readonly xIstioSource: string | undefined;
}

export type RequestFault =
  /** A stream error, PROTOCOL_ERROR (RFC 9113, section 8.1.1). */
  | { readonly kind: 'malformed'; readonly reason: string }
  /** A good request that is not for a tunnel: answered with status 400. */
  | { readonly kind: 'not-connect'; readonly method: string };

export interface ResponseHead {
  readonly status: number;
  readonly baggage: string | undefined;
}

export interface MalformedFields {
  readonly kind: 'malformed';
  readonly reason: string;
}

/** Tokens of RFC 9110, section 5.6.2, without upper case (RFC 9113, section 8.2.1). */
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const STATUS = /^[1-9][0-9]{2}$/;
/** NUL, LF and CR anywhere; space and tab at either end (RFC 9113, section 8.2.1). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const BAD_VALUE = /[\x00\n\r]|^[ \t]|[ \t]$/;
/** They speak of one connection, of which HTTP/2 has its own way (RFC 9113, section 8.2.2). */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade']);

const REQUEST_PSEUDO: ReadonlySet<string> = new Set([':method', ':scheme', ':authority', ':path']);
const RESPONSE_PSEUDO: ReadonlySet<string> = new Set([':status']);
const NO_PSEUDO: ReadonlySet<string> = new Set();
/** The fields that anyone here reads. */
const READ_FIELDS: ReadonlySet<string> = new Set(['baggage', 'forwarded', 'traceparent', 'x-forwarded-network', 'x-istio-source', 'host']);

type ReadFields = ReadonlyMap<string, string>;

const malformed = (reason: string): Result<never, MalformedFields> => err({ kind: 'malformed', reason });

export function parseConnectRequest(fields: readonly HeaderField[]): Result<ConnectRequest, RequestFault> {
  const read = readFields(fields, REQUEST_PSEUDO);
  if (!read.ok) return read;
  const found = read.value;
  const method = found.get(':method');
  const authority = found.get(':authority');
  if (method === undefined || !METHOD.test(method)) return malformed(':method is missing or no token');
  if (method !== 'CONNECT') {
    if ((found.get(':scheme') ?? '') === '' || (found.get(':path') ?? '') === '') return malformed(':scheme or :path is missing');
    return err({ kind: 'not-connect', method });
  }
  if (found.has(':scheme') || found.has(':path')) return malformed('CONNECT with :scheme or :path');
  if (authority === undefined || authority === '') return malformed('CONNECT without :authority');
  // RFC 9113, section 8.3.1: a Host that names something else is not to be believed, nor is the rest.
  const host = found.get('host');
  if (host !== undefined && host !== authority) return malformed('host is not :authority');
  return ok({
    authority,
    baggage: found.get('baggage'),
    forwarded: found.get('forwarded'),
    traceparent: found.get('traceparent'),
    xForwardedNetwork: found.get('x-forwarded-network'),
    xIstioSource: found.get('x-istio-source'),
  });
}

export function parseResponseHead(fields: readonly HeaderField[]): Result<ResponseHead, MalformedFields> {
  const read = readFields(fields, RESPONSE_PSEUDO);
  if (!read.ok) return read;
  const status = read.value.get(':status');
  if (status === undefined || !STATUS.test(status)) return malformed(':status is missing or no number of three digits');
  // RFC 9113, section 8.6: there is no upgrade.
  if (status === '101') return malformed(':status is 101');
  return ok({ status: Number(status), baggage: read.value.get('baggage') });
}

/** Another head follows on the stream (RFC 9110, section 15.2). */
export function isInterim({ status }: ResponseHead): boolean {
  return status < 200;
}

/** Why fields after the body are malformed (RFC 9113, section 8.1); undefined if they are not. They say nothing to a tunnel. */
export function trailersFault(fields: readonly HeaderField[]): string | undefined {
  const read = readFields(fields, NO_PSEUDO);
  return read.ok ? undefined : read.error.reason;
}

/** Checks all fields, and keeps pseudo header fields and those that are read. */
function readFields(fields: readonly HeaderField[], pseudo: ReadonlySet<string>): Result<ReadFields, MalformedFields> {
  const found = new Map<string, string>();
  let isPastPseudo = false;
  for (const [name, value] of fields) {
    if (BAD_VALUE.test(value)) return malformed(`value of ${shown(name)} has characters that none may have`);
    if (name.charCodeAt(0) === COLON) {
      if (isPastPseudo) return malformed(`${shown(name)} is not before the other fields`);
      if (!pseudo.has(name)) return malformed(`${shown(name)} does not belong here`);
      if (found.has(name)) return malformed(`${name} is there twice`);
      found.set(name, value);
      continue;
    }
    isPastPseudo = true;
    if (READ_FIELDS.has(name)) {
      const earlier = found.get(name);
      found.set(name, earlier === undefined ? value : `${earlier},${value}`);
      continue;
    }
    if (!FIELD_NAME.test(name)) return malformed(`${shown(name)} is no name of a field`);
    if (CONNECTION_FIELDS.has(name)) return malformed(`${name} is of HTTP/1.1`);
    if (name === 'te' && value !== 'trailers') return malformed('te is not trailers');
  }
  return ok(found);
}

const COLON = 0x3a;

/** Foreign text as it may be logged. */
function shown(name: string): string {
  return JSON.stringify(name.slice(0, 64));
}
