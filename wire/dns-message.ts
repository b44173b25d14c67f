/** Queries of DNS (RFC 1035, section 4) as their bytes say them. What is answered is in dns-response.ts. */
import { Buffer } from 'node:buffer';
import { type Answer, decode } from 'dns-packet';

/** Types that mean something here (IANA, "Resource Record (RR) TYPEs"); others are numbers. */
export const DNS_TYPE = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, HINFO: 13, MX: 15, TXT: 16, AAAA: 28, SRV: 33, OPT: 41, SVCB: 64, HTTPS: 65, IXFR: 251, AXFR: 252, ANY: 255 } as const;
export const DNS_CLASS_IN = 1;
export const DNS_OPCODE_QUERY = 0;

export const DNS_HEADER_BYTES = 12;
/** A question is one name and 4 bytes more, and what resolvers add to it is an OPT record. Longer queries are malformed. */
export const MAX_DNS_QUERY_BYTES = 4096;
/** RFC 1035, section 2.3.4. */
export const MAX_DNS_NAME_BYTES = 255;
export const MAX_DNS_LABEL_BYTES = 63;
/** Records behind the question that anybody has a use for: an OPT, a signature, and what IXFR asks with. */
const MAX_EXTRA_RECORDS = 4;

export const DNS_FLAG = { response: 0x8000, authoritative: 0x0400, truncated: 0x0200, recursionDesired: 0x0100, recursionAvailable: 0x0080, checkingDisabled: 0x0010 } as const;

export interface DnsQuestion {
  /** In lower case, without the dot at the end; empty for the root. Undefined where a label has bytes that no hostname has. */
  readonly name: string | undefined;
  /** Labels from left to right in lower case, one character for each byte. */
  readonly labels: readonly string[];
  readonly type: number;
  readonly class: number;
  /** As it came, with the case of its letters, which a resolver compares with what it sent. */
  readonly bytes: Uint8Array;
}

export interface DnsQuery {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
  readonly question: DnsQuestion;
  /** RFC 6891; undefined where the query has no OPT record. */
  readonly edns: { readonly version: number; readonly udpBytes: number; readonly wantsSignatures: boolean } | undefined;
}

export type ParsedDnsQuery =
  | { readonly kind: 'query'; readonly query: DnsQuery }
  /** To be answered with FORMERR. */
  | { readonly kind: 'malformed' }
  /** Nothing that may be answered: it has no header, or is an answer itself. */
  | { readonly kind: 'no-query' };

const MALFORMED: ParsedDnsQuery = { kind: 'malformed' };

/** Total. Of messages that are no plain query (opcode), only the question is looked at. */
export function parseDnsQuery(bytes: Uint8Array): ParsedDnsQuery {
  if (bytes.length < DNS_HEADER_BYTES) return { kind: 'no-query' };
  const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = message.readUInt16BE(2);
  if ((flags & DNS_FLAG.response) !== 0) return { kind: 'no-query' };
  const opcode = (flags >> 11) & 0xf;
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map((at) => message.readUInt16BE(at)) as [number, number, number, number];
  if (message.length > MAX_DNS_QUERY_BYTES || questions !== 1) return MALFORMED;
  const question = parseQuestion(message);
  if (question === undefined) return MALFORMED;
  let edns: DnsQuery['edns'];
  if (opcode === DNS_OPCODE_QUERY) {
    // Counts are a promise of the sender, for which the decoder would make room before it has looked.
    if (answers + authorities + additionals > MAX_EXTRA_RECORDS) return MALFORMED;
    const records = additionals === 0 ? [] : decodeAdditionals(message);
    if (records === undefined) return MALFORMED;
    const options = records.filter((record) => record.type === 'OPT');
    // RFC 6891, section 6.1.1: one, and its owner is the root.
    if (options.length > 1 || options.some(({ name }) => name !== '.')) return MALFORMED;
    const [option] = options;
    if (option !== undefined) edns = { version: option.ednsVersion, udpBytes: option.udpPayloadSize, wantsSignatures: option.flag_do };
  }
  return { kind: 'query', query: { id: message.readUInt16BE(0), opcode, recursionDesired: (flags & DNS_FLAG.recursionDesired) !== 0, checkingDisabled: (flags & DNS_FLAG.checkingDisabled) !== 0, question, edns } };
}

/** Hostnames, and what stands in front of them: `_` of SRV (RFC 2782), `*` of wildcards. Others could hide a dot, or be cut differently elsewhere. */
const PLAIN_LABEL = /^[a-z0-9_*-]+$/;

/** The only question, without pointers: there is nothing before it to point at. */
function parseQuestion(message: Buffer): DnsQuestion | undefined {
  const labels: string[] = [];
  let at = DNS_HEADER_BYTES;
  for (;;) {
    const length = message[at++];
    if (length === undefined || length > MAX_DNS_LABEL_BYTES || at + length > message.length || at + length - DNS_HEADER_BYTES > MAX_DNS_NAME_BYTES) return undefined;
    if (length === 0) break;
    labels.push(lowerCase(message.toString('latin1', at, at + length)));
    at += length;
  }
  if (at + 4 > message.length) return undefined;
  const name = labels.every((label) => PLAIN_LABEL.test(label)) ? labels.join('.') : undefined;
  return { name, labels, type: message.readUInt16BE(at), class: message.readUInt16BE(at + 2), bytes: message.subarray(DNS_HEADER_BYTES, at + 4) };
}

/** RFC 4343: of A to Z alone, whatever the language of the process is. */
function lowerCase(label: string): string {
  return /[A-Z]/.test(label) ? label.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : label;
}

/** Undefined for what the decoder throws at, and where it read past the end, which it does not notice of a last record. */
function decodeAdditionals(message: Buffer): readonly Answer[] | undefined {
  try {
    const { additionals = [] } = decode(message);
    return decode.bytes <= message.length ? additionals : undefined;
  } catch {
    // Its words quote the message.
    return undefined;
  }
}
