/** Keys and values of programs/acceleration.bpf.c, written by hand as connections wait for them. Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d. */
import { encode } from 'bpf-linker-node/codec';
import { maps } from './acceleration-skeleton.ts';

export const DIRECTION_BYTES = maps.directions.valueBytes;
export const SOCKET_BYTES = maps.sockets.valueBytes;

export const acceleratedPodKey = (cookie: bigint): Buffer => Buffer.from(encode(maps.accelerated_pods.key, cookie));
export const ACCELERATED_POD = Buffer.from(encode(maps.accelerated_pods.value, 1));

export interface Endpoint {
  readonly ip: Uint8Array;
  readonly port: number;
}

/** struct socket_key, of IPv4 addresses. */
export function socketKey(netnsCookie: bigint, local: Endpoint, remote: Endpoint): Buffer {
  const key = Buffer.alloc(maps.directions.keyBytes);
  key.writeBigUInt64LE(netnsCookie, 0);
  key.set(local.ip.subarray(12), 8);
  key.set(remote.ip.subarray(12), 12);
  key.writeUInt32LE(local.port, 16);
  key.writeUInt32LE(remote.port, 20);
  return key;
}

/** struct direction before its first byte; without a receiver it is not joined yet. */
export function newDirection(receiver?: Buffer): Buffer {
  const value = Buffer.alloc(DIRECTION_BYTES);
  if (receiver !== undefined) value.set(receiver, 0);
  return value;
}

export interface DirectionState {
  /** Bytes that went past TCP. */
  readonly sent: bigint;
  /** Of them, those that the receiver was seen to have read. */
  readonly read: bigint;
  /** Whether the sender's socket blocks, as accelerated ones may not. */
  readonly isBlocking: boolean;
}

export const parseDirection = (value: Buffer): DirectionState => ({ sent: value.readBigUInt64LE(24), read: value.readBigUInt64LE(32), isBlocking: value[45] !== 0 });
