/** What is inside the records of a TLS 1.3 connection after its handshake (RFC 8446), and the numbers around it. No cryptography here. */
import { err, ok, type Result } from '@landbridge/core/result.ts';

/** RFC 8446, section 5.1. */
export const CONTENT_TYPE = { CHANGE_CIPHER_SPEC: 20, ALERT: 21, HANDSHAKE: 22, APPLICATION_DATA: 23 } as const;
export type ContentType = (typeof CONTENT_TYPE)[keyof typeof CONTENT_TYPE];

/** RFC 8446, section 4: those that may come after the handshake. CertificateRequest only if the client has offered it, which this project's do not. */
export const HANDSHAKE_TYPE = { NEW_SESSION_TICKET: 4, CERTIFICATE_REQUEST: 13, KEY_UPDATE: 24 } as const;

/** Type, legacy version and length of a record. */
export const RECORD_HEADER_BYTES = 5;
/** RFC 8446, section 5.1. */
export const MAX_PLAINTEXT_BYTES = 16_384;
/** RFC 8446, section 5.2: content type, padding and tag come on top. More is record_overflow. */
export const MAX_CIPHERTEXT_BYTES = MAX_PLAINTEXT_BYTES + 256;
/** Legacy version of every record (RFC 8446, section 5.1); receivers ignore it. */
export const RECORD_VERSION = 0x0303;
/** Type and length of a handshake message (RFC 8446, section 4). */
export const HANDSHAKE_HEADER_BYTES = 4;
/** Of one handshake message with its header; tickets of servers have a few hundred bytes, or a few thousand with a client's certificates in them. */
export const MAX_HANDSHAKE_BYTES = 65_536;

/** RFC 8446, section 6, and the registry of TLS alerts. Reserved ones are of older versions. */
const ALERT_NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'close_notify'],
  [10, 'unexpected_message'],
  [20, 'bad_record_mac'],
  [21, 'decryption_failed'],
  [22, 'record_overflow'],
  [30, 'decompression_failure'],
  [40, 'handshake_failure'],
  [41, 'no_certificate'],
  [42, 'bad_certificate'],
  [43, 'unsupported_certificate'],
  [44, 'certificate_revoked'],
  [45, 'certificate_expired'],
  [46, 'certificate_unknown'],
  [47, 'illegal_parameter'],
  [48, 'unknown_ca'],
  [49, 'access_denied'],
  [50, 'decode_error'],
  [51, 'decrypt_error'],
  [52, 'too_many_cids_requested'],
  [60, 'export_restriction'],
  [70, 'protocol_version'],
  [71, 'insufficient_security'],
  [80, 'internal_error'],
  [86, 'inappropriate_fallback'],
  [90, 'user_canceled'],
  [100, 'no_renegotiation'],
  [109, 'missing_extension'],
  [110, 'unsupported_extension'],
  [111, 'certificate_unobtainable'],
  [112, 'unrecognized_name'],
  [113, 'bad_certificate_status_response'],
  [114, 'bad_certificate_hash_value'],
  [115, 'unknown_psk_identity'],
  [116, 'certificate_required'],
  [117, 'general_error'],
  [120, 'no_application_protocol'],
  [121, 'ech_required'],
]);

/** The alerts that are sent after a handshake. */
export const ALERT = {
  CLOSE_NOTIFY: 0,
  UNEXPECTED_MESSAGE: 10,
  BAD_RECORD_MAC: 20,
  RECORD_OVERFLOW: 22,
  ILLEGAL_PARAMETER: 47,
  ACCESS_DENIED: 49,
  DECODE_ERROR: 50,
  INTERNAL_ERROR: 80,
  USER_CANCELED: 90,
} as const;
export type Alert = (typeof ALERT)[keyof typeof ALERT];

const WARNING = 1;
const FATAL = 2;
const ALERT_BYTES = 2;

/** Why a connection must end, and what the peer is told of it. */
export interface TlsFault {
  readonly alert: Alert;
  readonly reason: string;
}

const fault = (alert: Alert, reason: string): Result<never, TlsFault> => err({ alert, reason });

/** For people; codes that nobody has given a name have their number. */
export function alertName(code: number): string {
  return ALERT_NAMES.get(code) ?? `alert ${code}`;
}

/** The content of an alert record. */
export function encodeAlert(alert: Alert): Uint8Array {
  return Uint8Array.of(alert === ALERT.CLOSE_NOTIFY || alert === ALERT.USER_CANCELED ? WARNING : FATAL, alert);
}

export type ReceivedAlert =
  /** The peer will send no more (RFC 8446, section 6.1). */
  | { readonly kind: 'close' }
  /** The peer is about to close; to be ignored. */
  | { readonly kind: 'user-canceled' }
  /** The connection is over, whatever level the alert claims (RFC 8446, section 6). */
  | { readonly kind: 'fatal'; readonly code: number };

/** The content of an alert record, which is exactly one alert (RFC 8446, section 5.1). */
export function parseAlert(content: Uint8Array): Result<ReceivedAlert, TlsFault> {
  if (content.length !== ALERT_BYTES) return fault(ALERT.DECODE_ERROR, `an alert of ${content.length} bytes`);
  const code = content[1] as number;
  if (code === ALERT.CLOSE_NOTIFY) return ok({ kind: 'close' });
  return ok(code === ALERT.USER_CANCELED ? { kind: 'user-canceled' } : { kind: 'fatal', code });
}

/** A handshake message by which the sender goes on to its next keys (RFC 8446, section 4.6.3). */
export function encodeKeyUpdate(requestsUpdate: boolean): Uint8Array {
  return Uint8Array.of(HANDSHAKE_TYPE.KEY_UPDATE, 0, 0, 1, requestsUpdate ? 1 : 0);
}

export type PostHandshakeMessage =
  /** All that follows is under the sender's next keys. */
  | { readonly kind: 'key-update'; readonly requestsUpdate: boolean }
  /** For a resumption; to be forgotten. */
  | { readonly kind: 'new-session-ticket' };

/** The body of KeyUpdate: one byte, 0 or 1 (RFC 8446, section 4.6.3). */
export function parseKeyUpdate(body: Uint8Array): Result<PostHandshakeMessage, TlsFault> {
  if (body.length !== 1) return fault(ALERT.DECODE_ERROR, `KeyUpdate of ${body.length} bytes`);
  const request = body[0] as number;
  return request > 1 ? fault(ALERT.ILLEGAL_PARAMETER, `KeyUpdate with request ${request}`) : ok({ kind: 'key-update', requestsUpdate: request === 1 });
}

/** The body of NewSessionTicket: that its parts fill it, and nothing of what they say (RFC 8446, section 4.6.1). */
export function parseNewSessionTicket(body: Uint8Array): Result<PostHandshakeMessage, TlsFault> {
  // Lifetime and age_add; a nonce; a ticket, which is not empty; extensions.
  let at = 8;
  at += 1 + (body[at] ?? 0);
  const ticketBytes = ((body[at] ?? 0) << 8) | (body[at + 1] ?? 0);
  at += 2 + ticketBytes;
  at += 2 + (((body[at] ?? 0) << 8) | (body[at + 1] ?? 0));
  return at === body.length && ticketBytes > 0 ? ok({ kind: 'new-session-ticket' }) : fault(ALERT.DECODE_ERROR, 'NewSessionTicket whose parts do not fill it');
}

/**
 * Puts handshake messages together that are split over records, or share one (RFC 8446, section 5.1). What a peer may not send is refused
 * by the header of the message, before it is kept.
 */
export class HandshakeReassembly {
  readonly #role: 'client' | 'server';
  #buffer: Uint8Array;
  #length: number;

  /** `pending` is of another one, whose connection is carried on here. */
  constructor(role: 'client' | 'server', pending: Uint8Array = new Uint8Array(0)) {
    this.#role = role;
    this.#buffer = Uint8Array.from(pending);
    this.#length = pending.length;
  }

  /** The beginning of a message that is not whole. While it is not empty, records of other types are unexpected_message. */
  get pending(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Takes the content of one handshake record. After a fault it must not be used again. */
  push(content: Uint8Array): Result<readonly PostHandshakeMessage[], TlsFault> {
    if (content.length === 0) return fault(ALERT.UNEXPECTED_MESSAGE, 'an empty handshake record');
    this.#append(content);
    const messages: PostHandshakeMessage[] = [];
    let at = 0;
    while (at < this.#length) {
      const size = this.#messageBytes(at);
      if (!size.ok) return size;
      const end = at + size.value;
      if (size.value === 0 || end > this.#length) break;
      const body = this.#buffer.subarray(at + HANDSHAKE_HEADER_BYTES, end);
      const parsed = this.#buffer[at] === HANDSHAKE_TYPE.KEY_UPDATE ? parseKeyUpdate(body) : parseNewSessionTicket(body);
      if (!parsed.ok) return parsed;
      // RFC 8446, section 5.1: what follows would be under the keys that have just ended.
      if (parsed.value.kind === 'key-update' && end < this.#length) return fault(ALERT.UNEXPECTED_MESSAGE, 'KeyUpdate is not the end of its record');
      messages.push(parsed.value);
      at = end;
    }
    this.#drop(at);
    return ok(messages);
  }

  /** With its header; 0 while that is not whole. */
  #messageBytes(at: number): Result<number, TlsFault> {
    const type = this.#buffer[at] as number;
    const isExpected = type === HANDSHAKE_TYPE.KEY_UPDATE || (type === HANDSHAKE_TYPE.NEW_SESSION_TICKET && this.#role === 'client');
    if (!isExpected) return fault(ALERT.UNEXPECTED_MESSAGE, `a handshake message of type ${type} after the handshake`);
    if (this.#length - at < HANDSHAKE_HEADER_BYTES) return ok(0);
    const [, high = 0, middle = 0, low = 0] = this.#buffer.subarray(at, at + HANDSHAKE_HEADER_BYTES);
    const size = HANDSHAKE_HEADER_BYTES + ((high << 16) | (middle << 8) | low);
    if (size > (type === HANDSHAKE_TYPE.KEY_UPDATE ? HANDSHAKE_HEADER_BYTES + 1 : MAX_HANDSHAKE_BYTES)) return fault(ALERT.DECODE_ERROR, `a handshake message of ${size} bytes`);
    return ok(size);
  }

  #append(content: Uint8Array): void {
    const length = this.#length + content.length;
    if (length > this.#buffer.length) {
      // By doubling: a peer that sends single bytes must not make every one a copy of all.
      const grown = new Uint8Array(Math.max(length, this.#buffer.length * 2));
      grown.set(this.pending);
      this.#buffer = grown;
    }
    this.#buffer.set(content, this.#length);
    this.#length = length;
  }

  /** Forgets what was read; its space too, for messages come seldom and connections live long. */
  #drop(bytes: number): void {
    if (bytes === 0) return;
    this.#buffer = this.#buffer.slice(bytes, this.#length);
    this.#length -= bytes;
  }
}

/** HkdfLabel with an empty context (RFC 8446, section 7.1): what HKDF-Expand is given besides the secret. The label has at most 249 characters of ASCII. */
export function hkdfLabel(label: string, length: number): Uint8Array {
  const text = `tls13 ${label}`;
  const bytes = new Uint8Array(2 + 1 + text.length + 1);
  bytes[0] = length >>> 8;
  bytes[1] = length;
  bytes[2] = text.length;
  for (let at = 0; at < text.length; at++) bytes[3 + at] = text.charCodeAt(at);
  return bytes;
}
