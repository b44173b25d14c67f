/** Byte layouts of the maps of programs/capture.h. */
import { isIPv4, isIPv6 } from 'node:net';
import { LandbridgeError } from '@landbridge/core/errors.ts';

export const OUTBOUND_PORT = 15001;
export const PLAINTEXT_PORT = 15006;
export const HBONE_PORT = 15008;

export interface SocketAddress {
  /** Textual; IPv4-mapped addresses as IPv4. */
  readonly ip: string;
  readonly port: number;
}

export type ListenerKind = 'hbone' | 'plaintext';

export const POD_BYTES = 4;
export const AGENT_BYTES = 8;
export const CGROUP_KEY_BYTES = 8;
export const NETNS_KEY_BYTES = 8;
export const ENDPOINT_BYTES = 20;
export const DIAL_KEY_BYTES = 36;

export function netnsKey(cookie: bigint): Buffer {
  const key = Buffer.alloc(NETNS_KEY_BYTES);
  key.writeBigUInt64LE(cookie);
  return key;
}

/** struct pod: the address that redirected IPv4 connections leave with. */
export function podValue(address: string): Buffer {
  if (!isIPv4(address)) throw new LandbridgeError('unsupported', `pod address ${address} is not IPv4`, { hint: 'Only pods with an IPv4 address can be captured.' });
  return Buffer.from(addressBytes(address).subarray(12));
}

/** struct pod of a pod whose connections are not redirected yet: its ports are kept for the agent. */
export const RESERVED_POD = Buffer.alloc(POD_BYTES);

/** struct flow: a connection's namespace and source as the accepted socket has it. */
export function flowKey(netnsCookie: bigint, source: SocketAddress): Buffer {
  return flowKeyOf(netnsCookie, addressBytes(source.ip), source.port);
}

/** As {@link flowKey}, of an address in 16 bytes. */
export function flowKeyOf(netnsCookie: bigint, ip: Uint8Array, port: number): Buffer {
  const key = Buffer.alloc(32);
  key.writeBigUInt64LE(netnsCookie, 0);
  key.set(ip, 8);
  key.writeUInt16BE(port, 24);
  return key;
}

/** struct dial, of addresses in 16 bytes: `remote` is where the SYN comes from, `local` where it arrives. */
export function dialKey(remoteIp: Uint8Array, remotePort: number, localIp: Uint8Array, localPort: number): Buffer {
  const key = Buffer.alloc(DIAL_KEY_BYTES);
  key.set(remoteIp, 0);
  key.set(localIp, 16);
  key.writeUInt16BE(remotePort, 32);
  key.writeUInt16BE(localPort, 34);
  return key;
}

/** The value of `dials`. */
export const DIAL_VALUE = Buffer.from([1]);

/** struct listener_key. */
export function listenerKey(address: string, kind: ListenerKind): Buffer {
  const key = Buffer.alloc(20);
  key.set(addressBytes(address), 0);
  key.writeUInt32LE(kind === 'hbone' ? 0 : 1, 16);
  return key;
}

/** The value of `listeners`: a socket's descriptor. */
export function socketValue(fd: number): Buffer {
  const value = Buffer.alloc(8);
  value.writeUInt32LE(fd);
  return value;
}

/** struct endpoint. */
export function parseEndpoint(value: Buffer): SocketAddress {
  return { ip: addressText(value.subarray(0, 16)), port: value.readUInt16BE(16) };
}

/** 16 bytes in network order, IPv4 as ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2). */
export function addressBytes(address: string): Buffer {
  const text = address.startsWith('::ffff:') && isIPv4(address.slice(7)) ? address.slice(7) : address;
  const bytes = Buffer.alloc(16);
  if (isIPv4(text)) {
    bytes.writeUInt16BE(0xffff, 10);
    bytes.set(text.split('.').map(Number), 12);
    return bytes;
  }
  if (!isIPv6(text)) throw new LandbridgeError('bad-address', `${JSON.stringify(address)} is not an IP address`);
  const [head = '', tail] = text.replace(/%.*$/, '').split('::');
  const groups = (part: string): number[] => (part === '' ? [] : part.split(':').flatMap(groupValues));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  for (const [i, group] of before.entries()) bytes.writeUInt16BE(group, i * 2);
  for (const [i, group] of after.entries()) bytes.writeUInt16BE(group, 16 - (after.length - i) * 2);
  return bytes;
}

/** The last 32 bits may be written as IPv4. */
function groupValues(group: string): number[] {
  if (!group.includes('.')) return [Number.parseInt(group, 16)];
  const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
  return [a * 256 + b, c * 256 + d];
}

export function addressText(bytes: Buffer): string {
  if (bytes.readUInt16BE(10) === 0xffff && bytes.subarray(0, 10).every((byte) => byte === 0)) return [...bytes.subarray(12)].join('.');
  return canonicalIpv6(Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2)));
}

/** RFC 5952: the longest run of two or more zero groups, the first of equals, is shortened. */
function canonicalIpv6(groups: readonly number[]): string {
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (best.length < 2) return text(groups);
  return `${text(groups.slice(0, best.start))}::${text(groups.slice(best.start + best.length))}`;
}
