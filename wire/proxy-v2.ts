/** PROXY protocol version 2: a header before the bytes of a connection that says between whom it really is (PROXY protocol specification, section 2.2). */
import { Buffer } from 'node:buffer';
import { type IpAddress, ipBytes, ipFromBytes, mappedIpBytes } from '@landbridge/core/ip-address.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';

export interface ProxyAddress {
  readonly ip: IpAddress;
  readonly port: number;
}

export interface ProxyTlv {
  readonly type: number;
  readonly value: Uint8Array;
}

export type ProxyCommand =
  /** The proxy speaks for itself, for example to see whether anyone is there; addresses mean nothing. */
  | { readonly kind: 'local' }
  /** A connection of something else than TCP over IP: the receiver uses what it sees of the connection. */
  | { readonly kind: 'unspecified' }
  | { readonly kind: 'tcp'; readonly source: ProxyAddress; readonly destination: ProxyAddress; readonly tlvs: readonly ProxyTlv[] };

export type ProxyHeader =
  /** The header is not all there; its length is known to be no more than {@link MAX_PROXY_HEADER_BYTES}. */
  | { readonly kind: 'incomplete' }
  /** The connection's own bytes begin after `length`. */
  | { readonly kind: 'complete'; readonly command: ProxyCommand; readonly length: number };

/** Of the range for private use: the SPIFFE ID of the peer, as text. Istio's receivers know it by this number. */
export const PROXY_TLV_SPIFFE_ID = 0xd0;
/** Section 2.2.6: to be skipped. */
const TLV_NOOP = 0x04;

/** Begins so that no other protocol takes it for its own. */
const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const FIXED_BYTES = 16;
const VERSION = 0x2;
const COMMAND_LOCAL = 0x0;
const COMMAND_PROXY = 0x1;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;
const TLV_HEADER_BYTES = 3;
/** The field has 16 bits, and no sender needs them: addresses take 36 bytes and a SPIFFE ID 2048. */
export const MAX_PROXY_HEADER_BYTES = 4096;
export const MAX_PROXY_TLVS = 32;

/** Of addresses of two families both are written as IPv6. An error: it would be longer than {@link MAX_PROXY_HEADER_BYTES}. */
export function formatProxyHeader({ source, destination, tlvs }: { readonly source: ProxyAddress; readonly destination: ProxyAddress; readonly tlvs?: readonly ProxyTlv[] }): Result<Uint8Array> {
  let [from, to] = [ipBytes(source.ip), ipBytes(destination.ip)];
  if (from.length !== to.length) [from, to] = [mappedIpBytes(source.ip), mappedIpBytes(destination.ip)];
  const length = FIXED_BYTES + from.length * 2 + 4 + (tlvs ?? []).reduce((sum, { value }) => sum + TLV_HEADER_BYTES + value.length, 0);
  if (length > MAX_PROXY_HEADER_BYTES) return err(`PROXY header of ${length} bytes`);
  const header = Buffer.alloc(length);
  header.set(SIGNATURE);
  header[12] = (VERSION << 4) | COMMAND_PROXY;
  header[13] = from.length === 4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6;
  header.writeUInt16BE(length - FIXED_BYTES, 14);
  let at = FIXED_BYTES;
  header.set(from, at);
  header.set(to, at + from.length);
  at += from.length * 2;
  header.writeUInt16BE(source.port, at);
  header.writeUInt16BE(destination.port, at + 2);
  at += 4;
  for (const { type, value } of tlvs ?? []) {
    header[at] = type;
    header.writeUInt16BE(value.length, at + 1);
    header.set(value, at + TLV_HEADER_BYTES);
    at += TLV_HEADER_BYTES + value.length;
  }
  return ok(header);
}

/** Reads the beginning of a connection. What can not become a header any more is an error with its first wrong byte. */
export function parseProxyHeader(bytes: Uint8Array): Result<ProxyHeader> {
  for (let at = 0; at < Math.min(bytes.length, SIGNATURE.length); at++) if (bytes[at] !== SIGNATURE[at]) return err('not a PROXY header of version 2');
  const versionAndCommand = bytes[12];
  if (versionAndCommand === undefined) return ok({ kind: 'incomplete' });
  if (versionAndCommand >> 4 !== VERSION) return err(`PROXY header of version ${versionAndCommand >> 4}`);
  const command = versionAndCommand & 0xf;
  if (command !== COMMAND_LOCAL && command !== COMMAND_PROXY) return err(`PROXY header with command ${command}`);
  if (bytes.length < FIXED_BYTES) return ok({ kind: 'incomplete' });
  const length = FIXED_BYTES + (((bytes[14] as number) << 8) | (bytes[15] as number));
  if (length > MAX_PROXY_HEADER_BYTES) return err(`PROXY header of ${length} bytes`);
  if (bytes.length < length) return ok({ kind: 'incomplete' });
  const parsed = command === COMMAND_LOCAL ? ok<ProxyCommand>({ kind: 'local' }) : parseAddresses(bytes[13] as number, bytes.subarray(FIXED_BYTES, length));
  return parsed.ok ? ok({ kind: 'complete', command: parsed.value, length }) : parsed;
}

function parseAddresses(protocol: number, body: Uint8Array): Result<ProxyCommand> {
  if (protocol !== TCP_OVER_IPV4 && protocol !== TCP_OVER_IPV6) return ok({ kind: 'unspecified' });
  const size = protocol === TCP_OVER_IPV4 ? 4 : 16;
  if (body.length < size * 2 + 4) return err('PROXY header too short for its addresses');
  const tlvs = parseTlvs(body.subarray(size * 2 + 4));
  const [source, destination] = [ipFromBytes(body.subarray(0, size)), ipFromBytes(body.subarray(size, size * 2))];
  if (!tlvs.ok) return tlvs;
  if (!source.ok) return source;
  if (!destination.ok) return destination;
  const port = (at: number): number => ((body[at] as number) << 8) | (body[at + 1] as number);
  return ok({ kind: 'tcp', source: { ip: source.value, port: port(size * 2) }, destination: { ip: destination.value, port: port(size * 2 + 2) }, tlvs: tlvs.value });
}

function parseTlvs(bytes: Uint8Array): Result<readonly ProxyTlv[]> {
  const tlvs: ProxyTlv[] = [];
  for (let at = 0, count = 0; at < bytes.length; count++) {
    if (count === MAX_PROXY_TLVS) return err(`PROXY header with more than ${MAX_PROXY_TLVS} TLVs`);
    if (bytes.length - at < TLV_HEADER_BYTES) return err('PROXY header with a TLV that is cut off');
    const type = bytes[at] as number;
    const start = at + TLV_HEADER_BYTES;
    at = start + (((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number));
    if (at > bytes.length) return err('PROXY header with a TLV that is cut off');
    // A copy, which slice() of a Buffer is not: the bytes are of a buffer that will be used again.
    if (type !== TLV_NOOP) tlvs.push({ type, value: Uint8Array.from(bytes.subarray(start, at)) });
  }
  return ok(tlvs);
}
