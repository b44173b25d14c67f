/** Addresses and ports as the maps of programs/capture.h have them; the skeleton has the layouts. Written by hand where a connection waits for it. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { type IpAddress, ipBytes, ipFromBytes, isIpv4, mappedIpBytes, parseIp } from '@landbridge/core/ip-address.ts';
import { encode } from 'bpf-linker-node/codec';
import { maps } from './capture-skeleton.ts';

export const OUTBOUND_PORT = 15001;
export const PLAINTEXT_PORT = 15006;
export const HBONE_PORT = 15008;
/** Queries for names, by TCP, and by UDP at this one and the {@link DNS_SERVERS} - 1 that follow. */
export const DNS_PORT = 15053;
/** That one socket of an application can ask at a time, each by a port of its own. */
export const DNS_SERVERS = 4;

export interface SocketAddress {
  /** Textual; IPv4-mapped addresses as IPv4. */
  readonly ip: string;
  readonly port: number;
}

export type ListenerKind = 'hbone' | 'plaintext' | 'outbound' | 'dns';

/** enum listener_kind. */
export const LISTENER_KINDS: Readonly<Record<ListenerKind, number>> = { hbone: 0, plaintext: 1, outbound: 2, dns: 3 };

/** The kind of the socket for datagrams at {@link DNS_PORT} + `server`. */
export const dnsDatagramKind = (server: number): number => 4 + server;

export const CGROUP_KEY_BYTES = maps.agents.keyBytes;
export const NETNS_KEY_BYTES = maps.pods.keyBytes;
export const ENDPOINT_BYTES = maps.original_destinations.valueBytes;
export const DIAL_KEY_BYTES = maps.dials.keyBytes;
export const PROBE_PORT_BYTES = maps.probe_ports.keyBytes;

/** The one element of maps that count, with a value of each processor. */
export const GUARD_DROPS_KEY = Buffer.from(encode(maps.guard_drops.key, 0));
export const PROBES_PASSED_KEY = Buffer.from(encode(maps.probes_passed.key, 0));

/** Of the values that such a map has: 64 bits for each processor. None: 0. */
export function sumOfProcessors(values: Buffer | undefined): bigint {
  let sum = 0n;
  for (let at = 0; values !== undefined && at < values.length; at += maps.guard_drops.valueBytes) sum += values.readBigUInt64LE(at);
  return sum;
}

export const netnsKey = (cookie: bigint): Buffer => Buffer.from(encode(maps.pods.key, cookie));

const POD_CAPTURED = 1;
const POD_DNS = 2;
const NO_ADDRESS = Buffer.alloc(16);

/** struct pod: the first address of each family, and whether its queries for names are captured too. @throws LandbridgeError `bad-address` */
export function podValue(addresses: readonly string[], hasDns = false): Buffer {
  const ips = addresses.map(parsedIp);
  const words = (ip: IpAddress | undefined): readonly number[] => {
    const bytes = ip === undefined ? NO_ADDRESS : Buffer.from(ipBytes(ip));
    return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readUInt32BE(at * 4));
  };
  const [ip4 = 0] = words(ips.find(isIpv4));
  return Buffer.from(encode(maps.pods.value, { ip4, ip6: words(ips.find((ip) => !isIpv4(ip))), flags: POD_CAPTURED | (hasDns ? POD_DNS : 0) }));
}

/** struct pod of a pod whose connections are not redirected yet: its ports are kept for the agent. */
export const RESERVED_POD = Buffer.alloc(maps.pods.valueBytes);

/** struct flow: a connection's namespace and source as the accepted socket has it. */
export function flowKey(netnsCookie: bigint, source: SocketAddress): Buffer {
  return flowKeyOf(netnsCookie, addressBytes(source.ip), source.port);
}

/** As {@link flowKey}, of an address in 16 bytes. */
export function flowKeyOf(netnsCookie: bigint, ip: Uint8Array, port: number): Buffer {
  const key = Buffer.alloc(maps.original_destinations.keyBytes);
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

/** Where a dial goes to, in 16 bytes. */
export const dialledAddress = (key: Buffer): Buffer => key.subarray(16, 32);

/** The value of maps whose keys say all. */
export const PRESENT = Buffer.from([1]);

/** Key of `agents` and `kubelets`. */
export const cgroupKey = (id: bigint): Buffer => Buffer.from(encode(maps.kubelets.key, id));

/** struct probe_port. */
export function probePortKey(address: string, port: number): Buffer {
  const key = Buffer.alloc(PROBE_PORT_BYTES);
  key.set(addressBytes(address), 0);
  key.writeUInt16BE(port, 16);
  return key;
}

/** struct dns_flow, of addresses in 16 bytes: where a query came to, and from. */
export function dnsFlowKey(toIp: Uint8Array, toPort: number, sourceIp: Uint8Array, sourcePort: number): Buffer {
  const key = Buffer.alloc(maps.dns_flows.keyBytes);
  key.set(toIp, 0);
  key.writeUInt16BE(toPort, 16);
  key.set(sourceIp, 20);
  key.writeUInt16BE(sourcePort, 36);
  return key;
}

/** struct listener_key. */
export function listenerKey(address: string, kind: number): Buffer {
  const key = Buffer.alloc(maps.listeners.keyBytes);
  key.set(addressBytes(address), 0);
  key.writeUInt32LE(kind, 16);
  return key;
}

/** The value of `listeners`: a socket's descriptor. */
export const socketValue = (fd: number): Buffer => Buffer.from(encode(maps.listeners.value, BigInt(fd)));

/** struct endpoint. */
export function parseEndpoint(value: Buffer): SocketAddress {
  return { ip: addressText(value.subarray(0, 16)), port: value.readUInt16BE(16) };
}

/** 16 bytes in network order, IPv4 as ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2). The kernel names the zone of a link-local address, which maps do not. */
export const addressBytes = (address: string): Buffer => Buffer.from(mappedIpBytes(parsedIp(address.replace(/%.*$/, ''))));

function parsedIp(text: string): IpAddress {
  const ip = parseIp(text);
  if (!ip.ok) throw new LandbridgeError('bad-address', ip.error);
  return ip.value;
}

/** Of 16 bytes. */
export function addressText(bytes: Buffer): string {
  const ip = ipFromBytes(bytes);
  if (!ip.ok) throw new LandbridgeError('bad-address', ip.error);
  return ip.value;
}
