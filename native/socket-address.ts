/**
 * struct sockaddr_in and sockaddr_in6 (ip(7), ipv6(7)). Addresses are 16 bytes in network order, IPv4 as
 * ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2), as the BPF maps have them too.
 */
import { ipBytes, ipFromBytes, type IpAddress } from '@landbridge/core/ip-address.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const IPV4_BYTES = 16;
const IPV6_BYTES = 28;
const ADDRESS_BYTES = 16;

/** An address as 16 bytes. */
export function mappedBytes(ip: IpAddress): Buffer {
  const bytes = ipBytes(ip);
  const mapped = Buffer.alloc(ADDRESS_BYTES);
  if (bytes.length === 4) mapped.writeUInt16BE(0xffff, 10);
  mapped.set(bytes, ADDRESS_BYTES - bytes.length);
  return mapped;
}

/** Whether an address of 16 bytes is an IPv4 one. */
export function isMappedIpv4(ip: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (ip[i] !== 0) return false;
  return ip[10] === 0xff && ip[11] === 0xff;
}

export function encodeSocketAddress(ip: IpAddress, port: number): Buffer {
  return encodeMappedAddress(mappedBytes(ip), port);
}

/** The sockaddr of an address of 16 bytes: sockaddr_in for IPv4, sockaddr_in6 for all others. */
export function encodeMappedAddress(ip: Uint8Array, port: number): Buffer {
  if (isMappedIpv4(ip)) {
    const address = Buffer.alloc(IPV4_BYTES);
    address.writeUInt16LE(AF_INET, 0);
    address.writeUInt16BE(port, 2);
    address.set(ip.subarray(12, ADDRESS_BYTES), 4);
    return address;
  }
  return encodeIpv6Address(ip, port);
}

/** The sockaddr_in6 of an address of 16 bytes, also of an IPv4 one: for sockets of both families. */
export function encodeIpv6Address(ip: Uint8Array, port: number): Buffer {
  const address = Buffer.alloc(IPV6_BYTES);
  address.writeUInt16LE(AF_INET6, 0);
  address.writeUInt16BE(port, 2);
  address.set(ip.subarray(0, ADDRESS_BYTES), 8);
  return address;
}

/** The 16 bytes of a sockaddr's address; of what is neither IPv4 nor IPv6, the unspecified address. */
export function mappedAddress(address: Buffer): Buffer {
  const ip = Buffer.alloc(ADDRESS_BYTES);
  const family = address.length >= 2 ? address.readUInt16LE(0) : 0;
  if (family === AF_INET && address.length >= IPV4_BYTES) {
    ip.writeUInt16BE(0xffff, 10);
    address.copy(ip, 12, 4, 8);
  } else if (family === AF_INET6 && address.length >= IPV6_BYTES) {
    address.copy(ip, 0, 8, 24);
  }
  return ip;
}

/** Texts of IPv4 addresses by their 32 bits: the same few come with each connection. */
const texts = new Map<number, IpAddress>();
const MAX_TEXTS = 8192;

/** The address of a sockaddr as text; of what is neither IPv4 nor IPv6, `::`. */
export function ipOf(address: Buffer): IpAddress {
  const at = ipv4At(address);
  if (at === undefined) return textOf(address);
  const bits = address.readUInt32BE(at);
  let text = texts.get(bits);
  if (text === undefined) {
    if (texts.size >= MAX_TEXTS) texts.clear();
    texts.set(bits, (text = textOf(address)));
  }
  return text;
}

/** Where an IPv4 address is in a sockaddr; sockets of both families have mapped ones. */
function ipv4At(address: Buffer): number | undefined {
  const family = address.length >= IPV4_BYTES ? address.readUInt16LE(0) : 0;
  if (family === AF_INET) return 4;
  return family === AF_INET6 && address.length >= IPV6_BYTES && isMappedIpv4(address.subarray(8, 8 + ADDRESS_BYTES)) ? 20 : undefined;
}

function textOf(address: Buffer): IpAddress {
  const ip = ipFromBytes(mappedAddress(address));
  return ip.ok ? ip.value : ('::' as IpAddress);
}

/** The port of a sockaddr, which both families have at one place. */
export function portOf(address: Buffer): number {
  return address.length >= 4 ? address.readUInt16BE(2) : 0;
}
