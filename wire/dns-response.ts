/** Answers of DNS as bytes (RFC 1035, section 4): never longer than allowed, with the question as it came. */
import { Buffer } from 'node:buffer';
import { type IpAddress, ipBytes } from '@landbridge/core/ip-address.ts';
import { type Answer, encode } from 'dns-packet';
import { DNS_CLASS_IN, DNS_FLAG, DNS_HEADER_BYTES, DNS_TYPE, type DnsQuery, MAX_DNS_LABEL_BYTES, MAX_DNS_NAME_BYTES } from './dns-message.ts';

/** IANA, "DNS RCODEs". */
export const DNS_RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;
export type DnsRcode = keyof typeof DNS_RCODE;

export type DnsRecord = { readonly owner: string; readonly ttlSeconds: number } & (
  | { readonly type: 'A' | 'AAAA'; readonly address: IpAddress }
  | { readonly type: 'CNAME'; readonly target: string }
  | { readonly type: 'SRV'; readonly priority: number; readonly weight: number; readonly port: number; readonly target: string }
  | { readonly type: 'TXT'; readonly text: string }
  | { readonly type: 'HINFO'; readonly cpu: string; readonly os: string }
  | { readonly type: 'SOA'; readonly primary: string; readonly mailbox: string; readonly serial: number; readonly refreshSeconds: number; readonly retrySeconds: number; readonly expireSeconds: number; readonly negativeTtlSeconds: number }
);

type AddressRecord = Extract<DnsRecord, { readonly type: 'A' | 'AAAA' }>;

export interface DnsAnswer {
  readonly rcode: DnsRcode;
  readonly authoritative: boolean;
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

/** Without an OPT record in the query (RFC 1035, section 4.2.1). */
export const MIN_UDP_BYTES = 512;
/** More may be cut into fragments, which get lost or are forged (RFC 9715). */
export const MAX_UDP_BYTES = 1232;
export const MAX_TCP_BYTES = 65_535;

const OPT_BYTES = 11;
/** Type, class, time to live, length of the data. */
const RECORD_HEAD_BYTES = 10;
const DNSSEC_OK = 0x8000;
/** A pointer has 14 bits (RFC 1035, section 4.1.4). */
const MAX_POINTER = 0x3fff;

/** Most bytes of an answer to the query. */
export function maxAnswerBytes({ edns }: DnsQuery, transport: 'udp' | 'tcp'): number {
  if (transport === 'tcp') return MAX_TCP_BYTES;
  return edns === undefined ? MIN_UDP_BYTES : Math.min(MAX_UDP_BYTES, Math.max(MIN_UDP_BYTES, edns.udpBytes));
}

/**
 * Answers that have no room are left out and the message says that it is truncated; additional records are left out
 * without a word (RFC 2181, section 9). A record whose names can not be written is left out as well.
 */
export function encodeDnsAnswer(query: DnsQuery, { rcode, authoritative, answers, authorities, additionals }: DnsAnswer, maxBytes: number): Uint8Array {
  const message = new Message(query, maxBytes - (query.edns === undefined ? 0 : OPT_BYTES));
  const counts = [answers, authorities, additionals].map((section) => message.addAll(section));
  const truncated = counts.slice(0, 2).some(({ isWhole }) => !isWhole);
  return message.end({ rcode: DNS_RCODE[rcode], flags: (authoritative ? DNS_FLAG.authoritative : 0) | (truncated ? DNS_FLAG.truncated : 0), counts: counts.map(({ added }) => added) });
}

/** An answer to what is no whole query, of which nothing but the header can be told back. `bytes` has at least a header. */
export function encodeDnsRefusal(bytes: Uint8Array, rcode: DnsRcode): Uint8Array {
  const header = Buffer.alloc(DNS_HEADER_BYTES);
  header.set(bytes.subarray(0, 2));
  const flags = ((bytes[2] ?? 0) << 8) & (0x7800 | DNS_FLAG.recursionDesired);
  header.writeUInt16BE(DNS_FLAG.response | DNS_FLAG.recursionAvailable | flags | (DNS_RCODE[rcode] & 0xf), 2);
  return header;
}

/** A message that grows, and remembers where names stand in it. */
class Message {
  readonly #query: DnsQuery;
  readonly #maxBytes: number;
  readonly #parts: Uint8Array[] = [];
  readonly #offsets = new Map<string, number>();
  #length = DNS_HEADER_BYTES;

  constructor(query: DnsQuery, maxBytes: number) {
    this.#query = query;
    this.#maxBytes = maxBytes;
    const { labels, name, bytes } = query.question;
    let offset = DNS_HEADER_BYTES;
    // A name with other bytes in it is nobody's owner here.
    if (name !== undefined) {
      for (const [at, label] of labels.entries()) {
        this.#offsets.set(labels.slice(at).join('.'), offset);
        offset += label.length + 1;
      }
    }
    this.#push(bytes);
  }

  addAll(records: readonly DnsRecord[]): { readonly added: number; readonly isWhole: boolean } {
    let added = 0;
    let isWhole = true;
    for (const record of records) {
      const owner = this.#owner(record.owner);
      const rest = restOf(record);
      if (owner === undefined || rest === undefined) continue;
      if (this.#length + owner.length + rest.length > this.#maxBytes) {
        isWhole = false;
        break;
      }
      this.#push(owner);
      // The target is the last thing in both.
      if ((record.type === 'CNAME' || record.type === 'SRV') && !this.#offsets.has(record.target)) this.#offsets.set(record.target, this.#length + rest.length - (record.target.length + 2));
      this.#push(rest);
      added++;
    }
    return { added, isWhole };
  }

  end({ rcode, flags, counts }: { readonly rcode: number; readonly flags: number; readonly counts: readonly number[] }): Uint8Array {
    const { id, opcode, recursionDesired, checkingDisabled, edns } = this.#query;
    const [answers = 0, authorities = 0, additionals = 0] = counts;
    if (edns !== undefined) this.#push(optRecord(rcode, edns.wantsSignatures));
    const header = Buffer.alloc(DNS_HEADER_BYTES);
    header.writeUInt16BE(id, 0);
    header.writeUInt16BE(DNS_FLAG.response | (opcode << 11) | DNS_FLAG.recursionAvailable | (recursionDesired ? DNS_FLAG.recursionDesired : 0) | (checkingDisabled ? DNS_FLAG.checkingDisabled : 0) | flags | (rcode & 0xf), 2);
    for (const [at, count] of [1, answers, authorities, additionals + (edns === undefined ? 0 : 1)].entries()) header.writeUInt16BE(count, 4 + at * 2);
    return Buffer.concat([header, ...this.#parts], this.#length);
  }

  /** A pointer where the name, or the end of it, stands already. */
  #owner(name: string): Uint8Array | undefined {
    const known = this.#offsets.get(name);
    if (known !== undefined && known <= MAX_POINTER) return Uint8Array.of(0xc0 | (known >> 8), known & 0xff);
    return isEncodable(name) ? nameBytes(name) : undefined;
  }

  #push(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }
}

/** A record behind its owner: type, class, time to live, data. */
function restOf(record: DnsRecord): Uint8Array | undefined {
  if ('address' in record) return addressRest(record);
  const answer = answerOf(record);
  // With the root as owner, which is one byte.
  return answer === undefined ? undefined : encode({ answers: [answer] }).subarray(DNS_HEADER_BYTES + 1);
}

/** By itself: an answer may have thousands of these, and the encoder makes a message for each. */
function addressRest({ type, ttlSeconds, address }: AddressRecord): Uint8Array | undefined {
  const bytes = ipBytes(address);
  if ((bytes.length === 4) !== (type === 'A')) return undefined;
  const rest = Buffer.allocUnsafe(RECORD_HEAD_BYTES + bytes.length);
  rest.writeUInt16BE(DNS_TYPE[type], 0);
  rest.writeUInt16BE(DNS_CLASS_IN, 2);
  rest.writeUInt32BE(ttlSeconds, 4);
  rest.writeUInt16BE(bytes.length, 8);
  rest.set(bytes, RECORD_HEAD_BYTES);
  return rest;
}

function answerOf(record: Exclude<DnsRecord, AddressRecord>): Answer | undefined {
  const head = { name: '.', ttl: record.ttlSeconds } as const;
  switch (record.type) {
    case 'CNAME':
      return isEncodable(record.target) ? { ...head, type: 'CNAME', data: record.target } : undefined;
    case 'SRV':
      return isEncodable(record.target) ? { ...head, type: 'SRV', data: { priority: record.priority, weight: record.weight, port: record.port, target: record.target } } : undefined;
    case 'TXT':
      return { ...head, type: 'TXT', data: record.text };
    case 'HINFO':
      return { ...head, type: 'HINFO', data: { cpu: record.cpu, os: record.os } };
    case 'SOA':
      return { ...head, type: 'SOA', data: { mname: record.primary, rname: record.mailbox, serial: record.serial, refresh: record.refreshSeconds, retry: record.retrySeconds, expire: record.expireSeconds, minimum: record.negativeTtlSeconds } };
    default:
      return record satisfies never;
  }
}

/** The encoder writes what it gets: a label that is too long would become a pointer. */
function isEncodable(name: string): boolean {
  return name.length + 2 <= MAX_DNS_NAME_BYTES && name.split('.').every((label) => label.length > 0 && label.length <= MAX_DNS_LABEL_BYTES && /^[!-~]+$/.test(label));
}

function nameBytes(name: string): Uint8Array {
  return Buffer.concat([...name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, 'latin1')])), Buffer.of(0)]);
}

/** RFC 6891, section 6.1.2: how much may be sent to us, the upper bits of the code, and the one flag that there is. */
function optRecord(rcode: number, wantsSignatures: boolean): Uint8Array {
  return encode({ additionals: [{ type: 'OPT', name: '.', udpPayloadSize: MAX_UDP_BYTES, extendedRcode: rcode >> 4, ednsVersion: 0, flags: wantsSignatures ? DNSSEC_OK : 0, flag_do: wantsSignatures, options: [] }] }).subarray(DNS_HEADER_BYTES);
}

/** For what has no answer but a code. */
export const bareAnswer = (rcode: DnsRcode): DnsAnswer => ({ rcode, authoritative: false, answers: [], authorities: [], additionals: [] });

