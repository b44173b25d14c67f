/** IP addresses and prefixes as text and as bytes, without Node.js' own modules. An address has one text here, so that texts may be compared. */
import { err, ok, type Result } from './result.ts';

declare const brand: unique symbol;

/**
 * An IPv4 address in decimals, or an IPv6 address as RFC 5952 writes it. IPv4-mapped addresses are IPv4, since a socket of both families
 * names the same peer so; zones are none of it. Made by {@link parseIp} and {@link ipFromBytes} only.
 */
export type IpAddress = string & { readonly [brand]: 'IpAddress' };

/** Plain data. Made by {@link parsePrefix} and {@link prefixFromBytes} only. */
export interface IpPrefix {
  /** 4 or 16; those behind the prefix are 0. */
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/** Eight groups, the last two of them as IPv4. */
const MAX_IP_LENGTH = 45;
const IPV4_BYTES = 4;
const IPV6_BYTES = 16;
const GROUPS = 8;
/** ::ffff:0:0/96 (RFC 4291, section 2.5.5.2). */
const MAPPED_BITS = 96;

export function parseIp(text: string): Result<IpAddress> {
  const bytes = bytesOf(text);
  return bytes === undefined ? err(`${shown(text)} is not an IP address`) : ok(textOf(bytes));
}

/** 4 or 16 bytes in network order. */
export function ipFromBytes(bytes: Uint8Array): Result<IpAddress> {
  return bytes.length === IPV4_BYTES || bytes.length === IPV6_BYTES ? ok(textOf(bytes)) : err(`${bytes.length} bytes are no IP address`);
}

/** 4 or 16 bytes in network order. */
export function ipBytes(ip: IpAddress): Uint8Array {
  return bytesOf(ip) as Uint8Array;
}

/** 16 bytes in network order, IPv4 as ::ffff:a.b.c.d: the form of sockets and kernel maps for both families. */
export function mappedIpBytes(ip: IpAddress): Uint8Array {
  const bytes = ipBytes(ip);
  if (bytes.length === IPV6_BYTES) return bytes;
  const mapped = new Uint8Array(IPV6_BYTES);
  mapped[10] = 0xff;
  mapped[11] = 0xff;
  mapped.set(bytes, 12);
  return mapped;
}

export function isIpv4(ip: IpAddress): boolean {
  return !ip.includes(':');
}

/** `ADDRESS/BITS` (RFC 4632, section 3.1; RFC 4291, section 2.3). Bits of the address behind the prefix are ignored. */
export function parsePrefix(text: string): Result<IpPrefix> {
  const slash = text.indexOf('/');
  const bytes = slash < 0 ? undefined : readIp(text.slice(0, slash));
  const bits = text.slice(slash + 1);
  if (bytes === undefined || !/^(0|[1-9][0-9]{0,2})$/.test(bits)) return err(`${shown(text)} is not ADDRESS/BITS`);
  return prefixFromBytes(bytes, Number(bits));
}

export function prefixFromBytes(bytes: Uint8Array, bits: number): Result<IpPrefix> {
  if (bytes.length !== IPV4_BYTES && bytes.length !== IPV6_BYTES) return err(`${bytes.length} bytes are no IP address`);
  if (!Number.isInteger(bits) || bits < 0 || bits > bytes.length * 8) return err(`${bits} is no length of a prefix of ${bytes.length * 8} bits`);
  // As addresses are: a prefix inside the mapped ones is one of IPv4.
  if (bits >= MAPPED_BITS && isMapped(bytes)) return prefixFromBytes(bytes.subarray(IPV6_BYTES - IPV4_BYTES), bits - MAPPED_BITS);
  const masked = Uint8Array.from(bytes, (byte, at) => byte & maskOf(bits, at));
  return ok({ bytes: masked, bits });
}

export function formatPrefix({ bytes, bits }: IpPrefix): string {
  return `${textOf(bytes)}/${bits}`;
}

/** An IPv6 prefix has no IPv4 address in it, not even ::/0. */
export function prefixContains(prefix: IpPrefix, ip: IpAddress): boolean {
  return prefixContainsBytes(prefix, ipBytes(ip));
}

/** As {@link prefixContains}, for an address that is compared with many prefixes: its {@link ipBytes}. */
export function prefixContainsBytes({ bytes, bits }: IpPrefix, address: Uint8Array): boolean {
  if (address.length !== bytes.length) return false;
  for (let at = 0; at * 8 < bits; at++) if (((address[at] as number) & maskOf(bits, at)) !== bytes[at]) return false;
  return true;
}

/** Which bits of a byte are inside the prefix. */
function maskOf(bits: number, at: number): number {
  return (0xff00 >> Math.min(8, Math.max(0, bits - at * 8))) & 0xff;
}

function bytesOf(text: string): Uint8Array | undefined {
  const bytes = readIp(text);
  return bytes !== undefined && isMapped(bytes) ? bytes.subarray(IPV6_BYTES - IPV4_BYTES) : bytes;
}

/** As it is written: mapped addresses are still IPv6. */
function readIp(text: string): Uint8Array | undefined {
  if (text.length > MAX_IP_LENGTH) return undefined;
  if (text.includes(':')) return readIpv6(text);
  const bytes = new Uint8Array(IPV4_BYTES);
  return readIpv4(text, 0, bytes, 0) ? bytes : undefined;
}

/** Four decimals without leading zeroes, which others read as octal, from `start` to the end of the text (RFC 6943, section 3.1.1: the strict form). */
function readIpv4(text: string, start: number, target: Uint8Array, offset: number): boolean {
  let at = start;
  for (let part = 0; part < IPV4_BYTES; part++) {
    if (part > 0 && text.charCodeAt(at++) !== DOT) return false;
    const first = at;
    let value = 0;
    for (; at < text.length && at - first < 3; at++) {
      const digit = text.charCodeAt(at) - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at === first || value > 255 || (at - first > 1 && text.charCodeAt(first) === ZERO)) return false;
    target[offset + part] = value;
  }
  return at === text.length;
}

/** RFC 4291, section 2.2: groups, of which `::` stands for one or more that are 0, and the last two may be written as IPv4. */
function readIpv6(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(IPV6_BYTES);
  let groups = 0;
  let gap = -1;
  let at = 0;
  if (text.startsWith('::')) {
    gap = 0;
    at = 2;
  }
  while (at < text.length) {
    if (groups === GROUPS) return undefined;
    const first = at;
    let value = 0;
    for (let digit = hexDigit(text, at); digit >= 0 && at - first < 4; digit = hexDigit(text, at)) {
      value = value * 16 + digit;
      at++;
    }
    if (text.charCodeAt(at) === DOT) {
      if (groups > GROUPS - 2 || !readIpv4(text, first, bytes, groups * 2)) return undefined;
      groups += 2;
      break;
    }
    if (at === first) return undefined;
    bytes[groups * 2] = value >> 8;
    bytes[groups * 2 + 1] = value;
    groups++;
    if (at === text.length) break;
    if (text.charCodeAt(at++) !== COLON) return undefined;
    if (text.charCodeAt(at) === COLON) {
      if (gap >= 0) return undefined;
      gap = groups;
      at++;
    } else if (at === text.length) {
      return undefined;
    }
  }
  if (gap < 0) return groups === GROUPS ? bytes : undefined;
  if (groups === GROUPS) return undefined;
  // What stood after the gap belongs at the end.
  bytes.copyWithin(IPV6_BYTES - (groups - gap) * 2, gap * 2, groups * 2);
  bytes.fill(0, gap * 2, IPV6_BYTES - (groups - gap) * 2);
  return bytes;
}

const DOT = 0x2e;
const COLON = 0x3a;
const ZERO = 0x30;

/** -1 for what is none, and behind the end. */
function hexDigit(text: string, at: number): number {
  const code = text.charCodeAt(at) | 0x20;
  if (code >= 0x61 && code <= 0x66) return code - 0x61 + 10;
  const digit = text.charCodeAt(at) - ZERO;
  return digit >= 0 && digit <= 9 ? digit : -1;
}

function isMapped(bytes: Uint8Array): boolean {
  if (bytes.length !== IPV6_BYTES || bytes[10] !== 0xff || bytes[11] !== 0xff) return false;
  for (let at = 0; at < 10; at++) if (bytes[at] !== 0) return false;
  return true;
}

function textOf(bytes: Uint8Array): IpAddress {
  if (bytes.length === IPV4_BYTES) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}` as IpAddress;
  if (isMapped(bytes)) return textOf(bytes.subarray(IPV6_BYTES - IPV4_BYTES));
  return ipv6Text(bytes);
}

/** RFC 5952, section 4: lower case without leading zeroes; the longest run of two or more zero groups, the first of equals, is `::`. */
function ipv6Text(bytes: Uint8Array): IpAddress {
  const group = (at: number): number => ((bytes[at * 2] as number) << 8) | (bytes[at * 2 + 1] as number);
  let gap = 0;
  let gapLength = 1;
  for (let start = 0, length = 0; start < GROUPS; start += length + 1) {
    length = 0;
    while (start + length < GROUPS && group(start + length) === 0) length++;
    if (length > gapLength) {
      gap = start;
      gapLength = length;
    }
  }
  let text = '';
  for (let at = 0; at < GROUPS; at++) {
    if (gapLength > 1 && at === gap) {
      text += '::';
      at += gapLength - 1;
      continue;
    }
    if (text !== '' && !text.endsWith(':')) text += ':';
    text += group(at).toString(16);
  }
  return text as IpAddress;
}

/** Foreign text as it may be logged. */
function shown(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
