/** What a forwarder of DNS must know of messages: which answer is whose (RFC 5452, section 9). Pure. */
import { DNS_FLAG, DNS_HEADER_BYTES, parseDnsQuery } from './dns-message.ts';
import { bareAnswer, encodeDnsAnswer, encodeDnsRefusal, maxAnswerBytes } from './dns-response.ts';

const RCODE_MASK = 0xf;
const OPCODE_MASK = 0x7800;

/** By it resolvers tell answers apart; the message has a header. */
export const dnsIdOf = (message: Uint8Array): number => u16(message, 0);

/** The message with another id; it has a header. */
export function withDnsId(message: Uint8Array, id: number): Uint8Array {
  const copy = Uint8Array.from(message);
  copy[0] = id >> 8;
  copy[1] = id & 0xff;
  return copy;
}

/**
 * Whether a message answers a query: same id and operation, and same question, whatever the case of its letters. Servers
 * that could not read a question tell an error without one.
 */
export function answersDnsQuery(message: Uint8Array, query: Uint8Array): boolean {
  if (message.length < DNS_HEADER_BYTES || query.length < DNS_HEADER_BYTES) return false;
  const flags = u16(message, 2);
  if (dnsIdOf(message) !== dnsIdOf(query) || (flags & DNS_FLAG.response) === 0 || (flags & OPCODE_MASK) !== (u16(query, 2) & OPCODE_MASK)) return false;
  const parsed = parseDnsQuery(query);
  if (parsed.kind !== 'query') return true;
  if (u16(message, 4) === 0) return (flags & RCODE_MASK) !== 0;
  const { bytes } = parsed.query.question;
  const asked = message.subarray(DNS_HEADER_BYTES, DNS_HEADER_BYTES + bytes.length);
  const nameEnd = bytes.length - 4;
  return u16(message, 4) === 1 && asked.length === bytes.length && bytes.every((byte, at) => (at < nameEnd ? lowerCase(byte) === lowerCase(asked[at] ?? 0) : byte === asked[at]));
}

/** SERVFAIL for a query, upon which a resolver asks the next server; undefined for what is no query. */
export function dnsFailure(query: Uint8Array, transport: 'udp' | 'tcp'): Uint8Array | undefined {
  const parsed = parseDnsQuery(query);
  switch (parsed.kind) {
    case 'query':
      return encodeDnsAnswer(parsed.query, bareAnswer('SERVFAIL'), maxAnswerBytes(parsed.query, transport));
    case 'malformed':
      return encodeDnsRefusal(query, 'SERVFAIL');
    case 'no-query':
      return undefined;
    default:
      return parsed satisfies never;
  }
}

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

/** Lengths of labels are below `A`. */
const lowerCase = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte);
